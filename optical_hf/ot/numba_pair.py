"""The compiled part of `numba_sinkhorn`: balanced Sinkhorn on one pair after another, in plain loops over arrays.

P = diag(u) K diag(v), K = 2^(f + g - C / (epsilon ln 2)): potentials are in units of epsilon ln 2, as 2^x needs no
more than a polynomial and an exponent. The tokens with mass are gathered to the front and filled up to whole blocks of
rows and columns by cells that nothing moves through (K = 0; mass, u and v = 1), so that no loop needs a tail.
Knows nothing about torch.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import njit

CLOSED, OPEN, FAILED = 0, 1, 2
ROWS, COLUMNS = 4, 8  # of a block: rows share one pass over v and w, columns are what a vector register holds
PLAIN_UNTIL = 12  # iterations without relaxation
LOOK_EVERY = 8
MAX_RELAXATION = 1.95

LOWEST, HIGHEST = np.float32(-86.0), np.float32(126.0)  # of an exponent of 2; below, K is 0: denormals are slow
GROWN = np.float32(2.0**17)  # largest u, v, 1 / u or 1 / v before absorption
SHIFT, ROUND = np.float32(128.0), np.float32(128.5)
ZERO, HALF, ONE, TWO = np.float32(0.0), np.float32(0.5), np.float32(1.0), np.float32(2.0)
# 2^r on [-1/2, 1/2] within 3e-9 before rounding: least squares at Chebyshev nodes, weighted to be relative
P0, P1, P2, P3 = np.float32(1.0), np.float32(0.693147214), np.float32(0.240226457), np.float32(0.0555031301)
P4, P5, P6 = np.float32(0.00961854512), np.float32(0.00134053884), np.float32(0.00015343944)

FAST = {"reassoc", "contract", "arcp", "nsz"}  # not nnan and ninf: a broken pair is known by them


class Pair(NamedTuple):
    """What one pair needs, n rows and m columns in whole blocks; the fills are 1 beyond the tokens with mass."""

    scaled: np.ndarray  # -C / (epsilon ln 2), -inf in the fill
    kernel: np.ndarray
    a: np.ndarray
    b: np.ndarray
    f: np.ndarray
    g: np.ndarray
    u: np.ndarray
    v: np.ndarray
    w: np.ndarray  # K' u, being summed
    row_fill: np.ndarray
    column_fill: np.ndarray
    bits: np.ndarray  # int32, and the same memory as float32
    powers: np.ndarray


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """`numba.njit`, kept on disk where numba finds a folder it can write."""

    def compile_lazily(function: Callable[..., Any]) -> Any:
        try:
            return njit(nogil=True, error_model="numpy", cache=True, **options)(function)
        except RuntimeError:  # "no locator available": compile once a process
            return njit(nogil=True, error_model="numpy", **options)(function)

    return compile_lazily


@compiled(fastmath={"contract"})
def _fill_kernel(pair):  # type: ignore[no-untyped-def]
    """K = 2^(scaled + f + g)."""
    scaled, kernel, f, g, bits, powers = pair.scaled, pair.kernel, pair.f, pair.g, pair.bits, pair.powers
    for i in range(scaled.shape[0]):
        for j in range(scaled.shape[1]):
            x = scaled[i, j] + f[i] + g[j]
            low = x < LOWEST
            x = LOWEST if low else x
            x = HIGHEST if x > HIGHEST else x
            whole = np.int32(x + ROUND)
            r = x - (np.float32(whole) - SHIFT)
            bits[j] = (whole - 1) << 23
            power = P0 + r * (P1 + r * (P2 + r * (P3 + r * (P4 + r * (P5 + r * P6)))))
            kernel[i, j] = ZERO if low else power
        for j in range(scaled.shape[1]):
            kernel[i, j] *= powers[j]


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
def _absorb(pair):  # type: ignore[no-untyped-def]
    """Move u and v into f and g where one of them grew."""
    u, v = pair.u, pair.v
    low, high = ONE, ONE
    for scaling in (u, v):
        for k in range(len(scaling)):
            low, high = min(low, scaling[k]), max(high, scaling[k])
    if low * GROWN >= ONE and high <= GROWN:
        return
    for i in range(len(u)):
        pair.f[i] += np.log2(u[i])
    for j in range(len(v)):
        pair.g[j] += np.log2(v[j])
    u[:] = ONE
    v[:] = ONE
    _fill_kernel(pair)


@compiled(fastmath=FAST)
def _write_plan(pair, rows, columns, plan):  # type: ignore[no-untyped-def]
    """Write the plan where it belongs; returns the L1 error of its marginals."""
    kernel, u, v, w = pair.kernel, pair.u, pair.v, pair.w
    error = ZERO
    w[:] = ZERO
    for i in range(len(rows)):
        line, total = plan[rows[i]], ZERO
        for j in range(len(columns)):
            moved = u[i] * kernel[i, j] * v[j]
            line[columns[j]] = moved
            w[j] += moved
            total += moved
        error += abs(total - pair.a[i])
    for j in range(len(columns)):
        error += abs(w[j] - pair.b[j])
    return error


@compiled()
def _start(pair, cost, source, target, rows, columns, scale):  # type: ignore[no-untyped-def]
    """Gather the tokens with mass, and set the potentials by a double c-transform: every row and column of K has a 1."""
    scaled, a, b, f, g = pair.scaled, pair.a, pair.b, pair.f, pair.g
    scaled[:] = -np.inf
    for x in (a, b, pair.u, pair.v, pair.row_fill, pair.column_fill):
        x[:] = ONE
    f[:] = ZERO
    g[:] = -np.inf
    for j in range(len(columns)):
        b[j] = pair.v[j] = target[columns[j]]
        pair.column_fill[j] = ZERO
    for i in range(len(rows)):
        a[i] = source[rows[i]]
        pair.row_fill[i] = ZERO
        line = cost[rows[i]]
        for j in range(len(columns)):
            scaled[i, j] = line[columns[j]] * scale
            g[j] = max(g[j], scaled[i, j])
    for j in range(len(g)):
        g[j] = -g[j] if j < len(columns) else ZERO
    for i in range(len(rows)):
        best = np.float32(-np.inf)
        for j in range(len(columns)):
            best = max(best, scaled[i, j] + g[j])
        f[i] = -best
    _fill_kernel(pair)


@compiled()
def _solve(pair, rows, columns, plan, stop_at, most):  # type: ignore[no-untyped-def]
    """Iterate one pair and write its plan; returns its error, iterations and state."""
    relaxation, before = ONE, np.float32(np.inf)
    for done in range(1, most + 1):
        error = _sweep(pair, relaxation)
        if not error < np.inf:
            return error, done, FAILED
        if error <= stop_at:
            exact = _write_plan(pair, rows, columns, plan)
            if exact <= stop_at:
                return exact, done, CLOSED
        if done >= PLAIN_UNTIL - LOOK_EVERY and (done - PLAIN_UNTIL) % LOOK_EVERY == 0:
            if done >= PLAIN_UNTIL:
                relaxation = _relaxed(relaxation, error, before)
            before = error
            _absorb(pair)
    return _write_plan(pair, rows, columns, plan), most, OPEN


@compiled()
def _with_mass(mass, places):  # type: ignore[no-untyped-def]
    count = 0
    for k in range(len(mass)):
        if mass[k] > ZERO:
            places[count] = k
            count += 1
    return places[:count]


@compiled()
def _blocks(count, size):  # type: ignore[no-untyped-def]
    return (count + size - 1) // size * size


@compiled()
def sinkhorn_pairs(cost, source, target, plan, error, iterations, state, epsilon, stop_at, most):  # type: ignore[no-untyped-def]
    """Solve the pairs of (B, N, M), (B, N), (B, M) into plan, error, iterations and state, in at most `most` sweeps."""
    scale = np.float32(-1.0 / (epsilon * np.log(2.0)))
    n_most, m_most = _blocks(cost.shape[1], ROWS), _blocks(cost.shape[2], COLUMNS)
    cells, of_rows, of_columns = (
        np.empty((2, n_most * m_most), np.float32),
        np.empty((4, n_most), np.float32),
        np.empty((5, m_most), np.float32),
    )
    row_places, column_places = np.empty(n_most, np.int64), np.empty(m_most, np.int64)
    bits = np.empty(m_most, np.int32)
    powers = bits.view(np.float32)
    for k in range(len(cost)):
        rows, columns = _with_mass(source[k], row_places), _with_mass(target[k], column_places)
        if len(rows) == 0 or len(columns) == 0:
            continue
        n, m = _blocks(len(rows), ROWS), _blocks(len(columns), COLUMNS)
        pair = Pair(
            cells[0, : n * m].reshape(n, m),
            cells[1, : n * m].reshape(n, m),
            of_rows[0, :n],
            of_columns[0, :m],
            of_rows[1, :n],
            of_columns[1, :m],
            of_rows[2, :n],
            of_columns[2, :m],
            of_columns[3, :m],
            of_rows[3, :n],
            of_columns[4, :m],
            bits[:m],
            powers[:m],
        )
        _start(pair, cost[k], source[k], target[k], rows, columns, scale)
        error[k], iterations[k], state[k] = _solve(pair, rows, columns, plan[k], stop_at, most)
