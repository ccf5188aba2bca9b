"""`newton.newton_step` in compiled loops, for one pair: the step for those on which Sinkhorn crawls.

Rows are the shorter side, so the Schur complement is the smaller of the two.
"""

import numpy as np

from optical_hf.ot.kernels.numba_pair import FAST, ONE, ZERO, compiled

LONGEST = np.float32(4.0)  # as in newton.py
RIDGE = np.float32(1.0 + 1e-6)


@compiled(fastmath=FAST)
def _plan(pair, plan, sums):  # type: ignore[no-untyped-def]
    """The plan and its column sums, 1 in the fill."""
    kernel, u, v = pair.kernel, pair.u, pair.v
    for j in range(len(sums)):
        sums[j] = pair.column_fill[j]
    for i in range(plan.shape[0]):
        for j in range(plan.shape[1]):
            plan[i, j] = u[i] * kernel[i, j] * v[j]
            sums[j] += plan[i, j]


@compiled(fastmath=FAST)
def _system(pair, plan, sums, missing, schur, right):  # type: ignore[no-untyped-def]
    """The Schur complement in the rows, lower triangle, and its right side; row sums are 1 in the fill."""
    n, m = plan.shape
    share = np.empty(m, np.float32)
    for i in range(n):
        total, answered = pair.row_fill[i], ZERO
        for j in range(m):
            share[j] = plan[i, j] / sums[j]
            total += plan[i, j]
            answered += share[j] * missing[j]
        right[i] = pair.a[i] - total - answered
        mass = pair.a[i] - pair.row_fill[i]
        for k in range(i + 1):
            shared = ZERO
            for j in range(m):
                shared += share[j] * plan[k, j]
            schur[i, k] = mass * (pair.a[k] - pair.row_fill[k]) - shared  # f + t, g - t is one plan: fix the sum
        schur[i, i] += total * RIDGE


@compiled(fastmath=FAST)
def _factor(schur):  # type: ignore[no-untyped-def]
    """Cholesky in the lower triangle, the diagonal inverted; False where it does not exist."""
    for i in range(len(schur)):
        line = schur[i]
        for k in range(i + 1):
            other, total = schur[k], line[k]
            for j in range(k):
                total -= line[j] * other[j]
            if k < i:
                line[k] = total * other[k]
            elif total > ZERO:
                line[k] = ONE / np.sqrt(total)
            else:
                return False
    return True


@compiled(fastmath=FAST)
def _substitute(factor, x):  # type: ignore[no-untyped-def]
    """Solve L L' x = x in place."""
    n = len(x)
    for i in range(n):
        total = x[i]
        for j in range(i):
            total -= factor[i, j] * x[j]
        x[i] = total * factor[i, i]
    for i in range(n - 1, -1, -1):
        x[i] *= factor[i, i]
        for j in range(i):
            x[j] -= x[i] * factor[i, j]


@compiled(fastmath=FAST)
def newton(pair):  # type: ignore[no-untyped-def]
    """Multiply u and v by a damped Newton step, or leave them where no factor exists."""
    n, m = pair.kernel.shape
    plan, schur = np.empty((n, m), np.float32), np.empty((n, n), np.float32)
    sums, df, dg = np.empty(m, np.float32), np.empty(n, np.float32), np.empty(m, np.float32)
    _plan(pair, plan, sums)
    for j in range(m):
        dg[j] = pair.b[j] - sums[j]
    _system(pair, plan, sums, dg, schur, df)
    if not _factor(schur):
        return
    _substitute(schur, df)
    longest = ZERO
    for i in range(len(df)):
        longest = max(longest, abs(df[i]))
        for j in range(len(dg)):
            dg[j] -= df[i] * plan[i, j]
    for j in range(len(dg)):
        dg[j] /= sums[j]
        longest = max(longest, abs(dg[j]))
    if not longest < np.inf:
        return
    length = LONGEST / max(longest, LONGEST)
    for i in range(len(df)):
        pair.u[i] *= np.exp(df[i] * length)
    for j in range(len(dg)):
        pair.v[j] *= np.exp(dg[j] * length)
