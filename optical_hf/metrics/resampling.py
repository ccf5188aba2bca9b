"""Random weights on groups, times the matrix of group sums: every round of a bootstrap or a permutation test at once.

Knows rows of numbers, one row a group, and nothing of what they mean. No loop over rounds: weights are drawn for a
block of rounds, so memory does not grow with their number. Groups whose rows are alike (all single hits of a language,
say) are drawn together, from the distribution of the sum of their weights: exact where the rows are equal; where they
only agree to 1/16 of a column's standard deviation they count as their mean, at most 1/1024 of the variance lost.

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
"""Drawing one weight for groups that are alike takes about as long as this many single ones; either way serves."""

STEPS_A_DEVIATION = 16
"""Rows are alike if they fall into the same cell of a grid with so many steps a standard deviation."""


def resampled_sums(rows_GC: Floats, rounds: int, generator: np.random.Generator) -> Floats:
    """Sums over as many rows drawn with replacement: counts_RG @ rows_GC, counts_R ~ Multinomial(G, 1/G).

    Args:
        rows_GC: (G, C) one row a group.
        rounds: R, number of draws.
        generator: Where the draws come from.

    Returns:
        (R, C) sums. They depend on the rows and the generator, not on the order of the rows.
    """
    groups = len(rows_GC)

    def together(size: int, times_T: NDArray[np.intp]) -> Weights:
        return generator.multinomial(groups, times_T / groups, size=size)

    def one_by_one(size: int) -> Weights:
        drawn_RG = generator.integers(groups, size=(size, groups))
        drawn_RG += groups * np.arange(size)[:, None]
        return np.bincount(drawn_RG.ravel(), minlength=size * groups).reshape(size, groups)

    return _weighted_sums(rows_GC, rounds, together, one_by_one)


def signed_sums(rows_GC: Floats, rounds: int, generator: np.random.Generator) -> Floats:
    """Sums over rows with random signs: signs_RG @ rows_GC, each +1 or -1 with equal probability.

    Args:
        rows_GC: (G, C) one row a group.
        rounds: R, number of draws.
        generator: Where the signs come from.

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


def _weighted_sums(
    rows_GC: Floats,
    rounds: int,
    together: Callable[[int, NDArray[np.intp]], Weights],
    one_by_one: Callable[[int], Weights],
) -> Floats:
    rows_TC, times_T = _alike(rows_GC)
    few = len(rows_TC) * COST_OF_DRAWING_TOGETHER <= len(rows_GC)
    if not few:
        rows_TC = rows_GC[np.lexsort(rows_GC.T)]
    rows_TC = rows_TC.astype(_exact_type(rows_GC), copy=False)
    sums_RC = np.empty((rounds, rows_GC.shape[1]))
    at_once = max(ROUNDS_AT_ONCE, WEIGHTS_AT_ONCE // len(rows_TC))
    for start in range(0, rounds, at_once):
        size = min(at_once, rounds - start)
        weights_RT = together(size, times_T) if few else one_by_one(size)
        sums_RC[start : start + size] = weights_RT.astype(rows_TC.dtype, copy=False) @ rows_TC
    return sums_RC


def _exact_type(rows_GC: Floats) -> type[np.floating]:
    """Single precision, twice as fast, where it is exact: counts of hits, whose sums stay below 2^24."""
    whole = (rows_GC == np.rint(rows_GC)).all() and len(rows_GC) * np.abs(rows_GC).max() < 2**24
    return np.float32 if whole else np.float64


def _alike(rows_GC: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """Rows that are alike as their mean, sorted, and how many they are."""
    deviation_C = rows_GC.std(axis=0)
    varies_C = deviation_C > 1e-12 * np.abs(rows_GC).max(axis=0)
    cell_GC = np.floor(rows_GC[:, varies_C] * (STEPS_A_DEVIATION / deviation_C[varies_C]))
    order_G = np.lexsort(cell_GC.T) if varies_C.any() else np.arange(len(rows_GC))
    cell_GC = cell_GC[order_G]
    starts_T = np.flatnonzero(np.r_[True, (cell_GC[1:] != cell_GC[:-1]).any(axis=1)])
    times_T = np.diff(np.r_[starts_T, len(rows_GC)])
    return np.add.reduceat(rows_GC[order_G], starts_T, axis=0) / times_T[:, None], times_T
