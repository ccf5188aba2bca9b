"""One pair as the compiled Sinkhorn holds it: gathered, in whole blocks, with a kernel matrix that stays in the cache.

P = diag(u) K diag(v), K = 2^(f + g - C / (epsilon ln 2)): potentials are in units of epsilon ln 2, as 2^x needs no
more than a polynomial and an exponent. The tokens with mass are gathered to the front, the side with fewer of them as
rows, and filled up to whole blocks by cells that nothing moves through (K = 0; mass, u and v = 1), so that no loop needs
a tail.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np

ROWS, COLUMNS = 4, 8  # of a block: rows share one pass over v and w, columns are what a vector register holds
LOWEST, HIGHEST = np.float32(-86.0), np.float32(126.0)  # of an exponent of 2; below, K is 0: denormals are slow
GROWN = np.float32(2.0**17)  # largest u, v, 1 / u or 1 / v before absorption
SHIFT, ROUND = np.float32(128.0), np.float32(128.5)
ZERO, ONE = np.float32(0.0), np.float32(1.0)
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


def compiled(*, entry: bool = False, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """`numba.njit`; an entry is called from Python and kept on disk, with all that it calls.

    Numba looks at the file of the entry only to see whether what it kept is stale: after an edit elsewhere, touch that.
    """
    njit: Any = numba.njit
    options |= {"nogil": True, "error_model": "numpy"}

    def compile_lazily(function: Callable[..., Any]) -> Any:
        if not entry:
            return njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, **options)(function)
        try:
            return njit(cache=True, **options)(function)
        except RuntimeError:  # numba finds no folder that it may write: compile once a process
            return njit(**options)(function)

    return compile_lazily


@compiled(fastmath={"contract"})
def fill_kernel(pair):  # type: ignore[no-untyped-def]
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


@compiled()
def absorb(pair):  # type: ignore[no-untyped-def]
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
    fill_kernel(pair)


@compiled()
def make_pair(rows, columns):  # type: ignore[no-untyped-def]
    """Memory for a pair with so many tokens a side."""
    n, m = (rows + ROWS - 1) // ROWS * ROWS, (columns + COLUMNS - 1) // COLUMNS * COLUMNS
    scaled, kernel = np.empty((n, m), np.float32), np.empty((n, m), np.float32)
    r, c = np.empty((4, n), np.float32), np.empty((5, m), np.float32)
    bits = np.empty(m, np.int32)
    powers = bits.view(np.float32)
    return Pair(scaled, kernel, r[0], c[0], r[1], c[1], r[2], c[2], c[3], r[3], c[4], bits, powers)


@compiled()
def start(pair, cost, steps, source, target, rows, columns, scale):  # type: ignore[no-untyped-def]
    """Gather a pair, and set its potentials by a double c-transform: every row and column of K has a 1."""
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
        line = rows[i] * steps[0]
        for j in range(len(columns)):
            scaled[i, j] = cost[line + columns[j] * steps[1]] * scale
            g[j] = max(g[j], scaled[i, j])
    for j in range(len(g)):
        g[j] = -g[j] if j < len(columns) else ZERO
    for i in range(len(rows)):
        best = np.float32(-np.inf)
        for j in range(len(columns)):
            best = max(best, scaled[i, j] + g[j])
        f[i] = -best
    fill_kernel(pair)


@compiled(fastmath=FAST)
def write_plan(pair, steps, rows, columns, plan):  # type: ignore[no-untyped-def]
    """Write the plan where it belongs; returns the L1 error of its marginals."""
    kernel, u, v, w = pair.kernel, pair.u, pair.v, pair.w
    error = ZERO
    w[:] = ZERO
    for i in range(len(rows)):
        line, total = rows[i] * steps[0], ZERO
        for j in range(len(columns)):
            moved = u[i] * kernel[i, j] * v[j]
            plan[line + columns[j] * steps[1]] = moved
            w[j] += moved
            total += moved
        error += abs(total - pair.a[i])
    for j in range(len(columns)):
        error += abs(w[j] - pair.b[j])
    return error
