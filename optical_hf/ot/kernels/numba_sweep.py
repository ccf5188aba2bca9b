"""Balanced Sinkhorn on one pair after another, in compiled loops over arrays.

The iteration of `sinkhorn`: over-relaxation by the speed that the pair shows (with a [1/1] Pade approximant for the
power, which has the same fixed point and slope there), absorption, and Newton steps for a pair that is late. One pass
over the rows of K makes u and sums K' u, and meets the error of both marginals on its way.
"""

import numpy as np

from optical_hf.ot.kernels.numba_newton import newton
from optical_hf.ot.kernels.numba_pair import FAST, ONE, ROWS, ZERO, absorb, compiled, make_pair, start, write_plan

PLAIN_UNTIL = 12  # iterations without relaxation
LOOK_EVERY = 8
NEWTON_FROM = 36  # iterations after which a pair is late, and one more for every two rows
NEWTON_EVERY = 4
MAX_RELAXATION = 1.95
HALF, TWO = np.float32(0.5), np.float32(2.0)


@compiled(fastmath=FAST, inline="always")
def _updated(mass, applied, scaling, over, under):  # type: ignore[no-untyped-def]
    """scaling phi(r), r = mass / (applied scaling), phi the [1/1] Pade approximant of r^w, or r itself far from 1."""
    now = applied * scaling
    missing = mass - now
    near = (mass >= HALF * now) & (mass <= TWO * now)
    top = now + over * missing if near else mass
    bottom = now + under * missing if near else now
    return scaling * (top / bottom)


@compiled(fastmath=FAST)
def _sweep(pair, relaxation):  # type: ignore[no-untyped-def]
    """One iteration, u from v and v from u; returns the L1 error of the marginals that it met on its way."""
    kernel, a, b, u, v, w = pair.kernel, pair.a, pair.b, pair.u, pair.v, pair.w
    fill, column_fill = pair.row_fill, pair.column_fill
    over, under = HALF * (ONE + relaxation), HALF * (ONE - relaxation)
    n, m = kernel.shape
    error = ZERO
    for j in range(m):
        w[j] = column_fill[j]
    for i in range(0, n, ROWS):
        k0, k1, k2, k3 = kernel[i], kernel[i + 1], kernel[i + 2], kernel[i + 3]
        s0, s1, s2, s3 = ZERO, ZERO, ZERO, ZERO
        for j in range(m):
            s0 += k0[j] * v[j]
            s1 += k1[j] * v[j]
            s2 += k2[j] * v[j]
            s3 += k3[j] * v[j]
        s0, s1, s2, s3 = s0 + fill[i], s1 + fill[i + 1], s2 + fill[i + 2], s3 + fill[i + 3]
        error += abs(u[i] * s0 - a[i]) + abs(u[i + 1] * s1 - a[i + 1])
        error += abs(u[i + 2] * s2 - a[i + 2]) + abs(u[i + 3] * s3 - a[i + 3])
        u0, u1 = _updated(a[i], s0, u[i], over, under), _updated(a[i + 1], s1, u[i + 1], over, under)
        u2, u3 = _updated(a[i + 2], s2, u[i + 2], over, under), _updated(a[i + 3], s3, u[i + 3], over, under)
        u[i], u[i + 1], u[i + 2], u[i + 3] = u0, u1, u2, u3
        for j in range(m):
            w[j] += (u0 * k0[j] + u1 * k1[j]) + (u2 * k2[j] + u3 * k3[j])
    for j in range(m):
        error += abs(v[j] * w[j] - b[j])
        v[j] = _updated(b[j], w[j], v[j], over, under)
    return error


@compiled()
def _relaxed(relaxation, error, before):  # type: ignore[no-untyped-def]
    """The next relaxation by the decrease of the error since the last look, as sinkhorn._relax has it."""
    if not error < before:
        return ONE
    speed = max((error / before) ** (1.0 / LOOK_EVERY), 1e-6)
    if speed <= relaxation - 1.0:
        return relaxation
    plain = min((speed + relaxation - 1.0) ** 2 / (speed * relaxation**2), 1.0)
    return np.float32(min(2.0 / (1.0 + np.sqrt(1.0 - plain)), MAX_RELAXATION))


@compiled()
def _solve(pair, steps, rows, columns, plan, stop_at, most):  # type: ignore[no-untyped-def]
    """Iterate one pair and write its plan; returns the error of its marginals, inf if it broke, and its iterations."""
    relaxation, before = ONE, np.float32(np.inf)
    late = NEWTON_FROM + len(pair.a) // 2  # the larger the pair, the more iterations a step costs
    for done in range(1, most + 1):
        error = _sweep(pair, relaxation)
        if not error < np.inf:
            return np.float32(np.inf), done
        if error <= stop_at:
            exact = write_plan(pair, steps, rows, columns, plan)
            if exact <= stop_at:
                return exact, done
        if done >= late:
            if (done - late) % NEWTON_EVERY == 0 and done < most:
                relaxation = ONE
                newton(pair)
                absorb(pair)
        elif done >= PLAIN_UNTIL - LOOK_EVERY and (done - PLAIN_UNTIL) % LOOK_EVERY == 0:
            if done >= PLAIN_UNTIL:
                relaxation = _relaxed(relaxation, error, before)
            before = error
            absorb(pair)
    return write_plan(pair, steps, rows, columns, plan), most


@compiled()
def _with_mass(mass, places):  # type: ignore[no-untyped-def]
    count = 0
    for k in range(len(mass)):
        if mass[k] > ZERO:
            places[count] = k
            count += 1
    return places[:count]


@compiled(entry=True)
def sinkhorn_pairs(cost, source, target, plan, error, iterations, epsilon, stop_at, most):  # type: ignore[no-untyped-def]
    """Solve the pairs of (B, N, M), (B, N), (B, M) into plan, error and iterations, in at most `most` iterations."""
    scale = np.float32(-1.0 / (epsilon * np.log(2.0)))
    longest = max(cost.shape[1], cost.shape[2])
    source_places, target_places = np.empty(longest, np.int64), np.empty(longest, np.int64)
    for k in range(len(cost)):
        a, b, steps = source[k], target[k], (cost.shape[2], 1)
        rows, columns = _with_mass(a, source_places), _with_mass(b, target_places)
        if len(rows) == 0 or len(columns) == 0:
            continue
        if len(rows) > len(columns):
            a, b, rows, columns, steps = b, a, columns, rows, (1, cost.shape[2])
        pair = make_pair(len(rows), len(columns))
        start(pair, cost[k].reshape(-1), steps, a, b, rows, columns, scale)
        error[k], iterations[k] = _solve(pair, steps, rows, columns, plan[k].reshape(-1), stop_at, most)
