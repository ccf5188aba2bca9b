"""Per-query hits with a language and a group, checked, coded and summed by group: what gap and significance count from.

A group is what was sampled as one thing (an image with its captions, a
document with its questions); languages that share groups form one block, because they must be resampled together.

Shapes: Q queries, S systems, L languages of a block, G groups of a block.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from optical_hf.metrics.naming import first_few
from optical_hf.metrics.resampling import Floats


class Block(NamedTuple):
    """Languages connected by the groups they share, and the sums of each group in each of them."""

    languages: NDArray[np.intp]  # (L,) positions in Observations.languages
    totals_GSL: Floats
    counts_GL: Floats


class Observations(NamedTuple):
    """The hits of one or more systems on the same queries."""

    languages: tuple[str, ...]
    queries: NDArray[np.intp]  # a language
    groups: NDArray[np.intp]  # a language
    blocks: tuple[Block, ...]

    def means_SL(self) -> Floats:
        """Mean hit of each system in each language; sorted first, so that the order of groups changes no digit."""
        means_SL = np.empty((self.blocks[0].totals_GSL.shape[1], len(self.languages)))
        for block in self.blocks:
            means_SL[:, block.languages] = np.sort(block.totals_GSL, axis=0).sum(axis=0) / block.counts_GL.sum(axis=0)
        return means_SL

    def difference(self) -> "Observations":
        """The first half of the systems minus the second, pair by pair: what both share is gone before anything is resampled."""
        return self._replace(
            blocks=tuple(block._replace(totals_GSL=_halves(block.totals_GSL)) for block in self.blocks)
        )


def observe(
    hits: Sequence[ArrayLike], languages: Sequence[str], groups: Sequence[object] | None, *, least: int = 2
) -> Observations:
    """Check hits of one or more systems on the same queries and sum them by group and language.

    Args:
        hits: One (Q,) array a system, values in [0, 1].
        languages: (Q,) language of each query.
        groups: (Q,) label of the group each query belongs to, or None: each query is a group of its own.
        least: Languages that there must be; 1 where no gap between languages is computed.

    Returns:
        The sums, languages sorted by name.

    Raises:
        ValueError: Lengths that differ, values outside [0, 1] or NaN, fewer languages than `least`, a language
            with fewer than two groups.
    """
    hits_SQ = _checked_hits(hits, languages, groups)
    names, language_Q = _codes(languages, "languages")
    if len(names) < least:
        raise ValueError(f"a gap needs queries in at least two languages, but there is only {names[0]!s}.")
    group_Q = np.arange(len(language_Q)) if groups is None else _codes(groups, "groups")[1]
    ones = np.ones(len(group_Q), np.int32)
    observed = coo_array((ones, (group_Q, language_Q)), shape=(group_Q.max() + 1, len(names))).tocsr()
    observed.data[:] = 1  # duplicates were summed: a group with five captions in a language is there once
    groups_L = np.asarray(observed.sum(axis=0), dtype=np.intp)
    alone = [str(names[language]) for language in np.flatnonzero(groups_L < 2)]
    if alone:
        raise ValueError(
            f"{len(alone)} of {len(names)} languages have queries of one group only ({first_few(alone)}). Resampling "
            "one group gives the same mean each time, an interval of no width. Leave these languages out, or pass "
            "groups=None if their queries are independent."
        )
    _, block_L = connected_components(observed.T @ observed, directed=False)
    blocks = tuple(
        _block(np.flatnonzero(block_L == block), language_Q, group_Q, hits_SQ) for block in range(block_L.max() + 1)
    )
    return Observations(tuple(map(str, names)), np.bincount(language_Q), groups_L, blocks)


def _halves(totals_GSL: Floats) -> Floats:
    half = totals_GSL.shape[1] // 2
    return totals_GSL[:, :half] - totals_GSL[:, half:]


def _block(
    languages: NDArray[np.intp], language_Q: NDArray[np.intp], group_Q: NDArray[np.intp], hits_SQ: Floats
) -> Block:
    inside = np.isin(language_Q, languages)
    column = np.searchsorted(languages, language_Q[inside])
    group_names, row = np.unique(group_Q[inside], return_inverse=True)
    cell, shape = row * len(languages) + column, (len(group_names), len(languages))
    size = shape[0] * shape[1]
    totals = [np.bincount(cell, weights=hits_Q[inside], minlength=size).reshape(shape) for hits_Q in hits_SQ]
    counts_GL = np.bincount(cell, minlength=size).reshape(shape).astype(np.float64)
    return Block(languages, np.stack(totals, axis=1), counts_GL)


def _checked_hits(hits: Sequence[ArrayLike], languages: Sequence[str], groups: Sequence[object] | None) -> Floats:
    systems = [np.asarray(system, dtype=np.float64) for system in hits]
    lengths = [system.shape for system in systems] + [(len(languages),)] + ([] if groups is None else [(len(groups),)])
    if len(set(lengths)) > 1 or len(lengths[0]) != 1:
        raise ValueError(
            f"hits, languages and groups need one value a query, but their shapes are {', '.join(map(str, lengths))}. "
            "To compare systems, give both the same queries in the same order (see `align_queries`)."
        )
    hits_SQ = np.stack(systems)
    wrong = ~((hits_SQ >= 0) & (hits_SQ <= 1))
    if wrong.any():
        raise ValueError(
            f"hits must lie in [0, 1], but {wrong.sum()} of {hits_SQ.size} do not, {np.isnan(hits_SQ).sum()} of them "
            "NaN. Percentages are divided by 100; ranks become hits with `recall_at_k`."
        )
    return hits_SQ


def _codes(labels: Sequence[object], what: str) -> tuple[NDArray, NDArray[np.intp]]:
    """Distinct labels, sorted, and the position of each query's label among them."""
    column = np.asarray(labels)
    if column.ndim != 1 or column.dtype.kind not in "iuUS" or not len(column):
        raise ValueError(
            f"{what} must be one string or integer a query, and at least one, but are {column.dtype} of shape "
            f"{column.shape}."
        )
    names, codes = np.unique(column, return_inverse=True)
    return names, codes
