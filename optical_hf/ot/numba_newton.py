"""`newton.newton_step` in compiled loops, for one pair: the step for those on which Sinkhorn crawls.

Rows are the shorter side, so the Schur complement is the smaller of the two. Knows nothing about torch.
"""

import numpy as np

from optical_hf.ot.numba_pair import FAST, ONE, ROWS, ZERO, compiled

LONGEST = np.float32(4.0)  # as in newton.py
RIDGE = np.float32(1.0 + 1e-6)


@compiled(fastmath=FAST)
def _system(pair):  # type: ignore[no-untyped-def]
    """The plan, its column sums (1 in the fill), what the columns miss, the Schur complement and its right side."""
    plan, share, schur = pair.moved, pair.share, pair.schur
    sums, missing, df = pair.sums, pair.missing, pair.df
    n, m = plan.shape
    sums[:] = pair.column_fill
    for i in range(n):
        ui = pair.u[i]
        for j in range(m):
            plan[i, j] = ui * pair.kernel[i, j] * pair.v[j]
            sums[j] += plan[i, j]
    for j in range(m):
        missing[j] = pair.b[j] - sums[j]
    for i in range(n):
        total, right = pair.row_fill[i], ZERO
        for j in range(m):
            share[i, j] = plan[i, j] / sums[j]
            total += plan[i, j]
            right += share[i, j] * missing[j]
        df[i] = pair.a[i] - total - right
        mass = pair.a[i] - pair.row_fill[i]
        line = share[i]
        for k in range(0, i + 1, ROWS):
            p0, p1, p2, p3 = plan[k], plan[k + 1], plan[k + 2], plan[k + 3]
            s0, s1, s2, s3 = ZERO, ZERO, ZERO, ZERO
            for j in range(m):
                s0 += line[j] * p0[j]
                s1 += line[j] * p1[j]
                s2 += line[j] * p2[j]
                s3 += line[j] * p3[j]
            schur[i, k], schur[i, k + 1], schur[i, k + 2], schur[i, k + 3] = -s0, -s1, -s2, -s3
        for k in range(i + 1):  # f + t, g - t is the same plan: fix the sum
            schur[i, k] += mass * (pair.a[k] - pair.row_fill[k])
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
    _system(pair)
    if not _factor(pair.schur):
        return
    plan, df, dg, sums = pair.moved, pair.df, pair.missing, pair.sums
    _substitute(pair.schur, df)
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
