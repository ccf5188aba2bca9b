"""Random weights on groups, times the matrix of group sums: every round of a bootstrap or a permutation test at once.

Weights are drawn for a block of rounds, so memory does not grow with their number. Equal rows (all single hits of a
language, say) are drawn together, from the distribution of the sum of their weights. Rows that differ in the last digit
are drawn one by one: what two columns differ by counts.

Shapes: R rounds, G groups, T distinct groups, C columns.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Weights = NDArray[Any]

WEIGHTS_AT_ONCE = 2**20
"""Entries of the weight matrix held at a time: 8 MB, and as many again while they are drawn."""

ROUNDS_AT_ONCE = 64
"""At least so many rounds at a time, whatever the memory: a product with few of them reads the groups' rows too often."""

COST_OF_DRAWING_TOGETHER = 16
"""Drawing one weight for equal groups takes about as long as this many single ones; either way serves."""


def resampled_sums(rows_GC: Floats, rounds: int, generator: np.random.Generator) -> Floats:
    """Sums over as many rows drawn with replacement: counts_RG @ rows_GC, counts_R ~ Multinomial(G, 1/G).

    Args:
        rows_GC: (G, C) one row a group.
        rounds: R.
        generator: Of the random numbers.

    Returns:
        (R, C) sums. They depend on the rows and the generator, not on the order of the rows.
    """
    groups, varies_C = len(rows_GC), (rows_GC != rows_GC[:1]).any(axis=0)
    sums_RC = np.tile(groups * rows_GC[0], (rounds, 1))

    def together(size: int, times_T: NDArray[np.intp]) -> Weights:
        return generator.multinomial(groups, times_T / groups, size=size)

    def one_by_one(size: int) -> Weights:
        drawn_RG = generator.integers(groups, size=(size, groups))
        drawn_RG += groups * np.arange(size)[:, None]
        return np.bincount(drawn_RG.ravel(), minlength=size * groups).reshape(size, groups)

    if varies_C.any():
        sums_RC[:, varies_C] = _weighted_sums(rows_GC[:, varies_C], rounds, together, one_by_one)
    return sums_RC


def signed_sums(rows_GC: Floats, rounds: int, generator: np.random.Generator) -> Floats:
    """Sums over rows with random signs: signs_RG @ rows_GC, each +1 or -1 with equal probability.

    Args:
        rows_GC: (G, C) one row a group.
        rounds: R.
        generator: Of the random numbers.

    Returns:
        (R, C) sums. They depend on the rows and the generator, not on the order of the rows.
    """
    groups = len(rows_GC)

    def together(size: int, times_T: NDArray[np.intp]) -> Weights:  # n signs sum to 2 Binomial(n, 1/2) - n
        return 2 * generator.binomial(times_T, 0.5, size=(size, len(times_T))) - times_T

    def one_by_one(size: int) -> Weights:
        bits = np.frombuffer(generator.bytes(-(-size * groups // 8)), dtype=np.uint8)
        return 1 - 2 * np.unpackbits(bits, count=size * groups).view(np.int8).reshape(size, groups)

    return _weighted_sums(rows_GC, rounds, together, one_by_one)


def distinct_rows(rows_GC: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """The distinct rows (T, C), sorted, and how often each occurs (T,)."""
    sorted_GC = rows_GC[np.lexsort(rows_GC.T)] if rows_GC.shape[1] else rows_GC
    starts_T = np.flatnonzero(np.r_[True, (sorted_GC[1:] != sorted_GC[:-1]).any(axis=1)])
    return sorted_GC[starts_T], np.diff(np.r_[starts_T, len(rows_GC)])


def _weighted_sums(
    rows_GC: Floats,
    rounds: int,
    together: Callable[[int, NDArray[np.intp]], Weights],
    one_by_one: Callable[[int], Weights],
) -> Floats:
    rows_TC, times_T = distinct_rows(rows_GC)
    few = len(times_T) * COST_OF_DRAWING_TOGETHER <= len(rows_GC)
    if not few:
        rows_TC = np.repeat(rows_TC, times_T, axis=0)
    # Single precision, twice as fast, where it is exact: counts of hits, whose sums stay below 2^24
    whole = (rows_TC == np.rint(rows_TC)).all() and len(rows_GC) * np.abs(rows_TC).max() < 2**24
    rows_TC = rows_TC.astype(np.float32 if whole else np.float64, copy=False)
    sums_RC = np.empty((rounds, rows_TC.shape[1]))
    at_once = max(ROUNDS_AT_ONCE, WEIGHTS_AT_ONCE // len(rows_TC))
    for start in range(0, rounds, at_once):
        size = min(at_once, rounds - start)
        weights_RT = together(size, times_T) if few else one_by_one(size)
        sums_RC[start : start + size] = weights_RT.astype(rows_TC.dtype, copy=False) @ rows_TC
    return sums_RC
