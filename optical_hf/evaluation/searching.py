"""What counts as retrieved, and the rank of the first relevant document of each query.

A tie counts against the system, as everywhere in this package (`optical_hf.metrics.ranking`), and across the search depth too:
of depth + 1 retrieved documents, those that score as the last one does are not counted.

Shapes: Q queries, K results.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array

from optical_hf.evaluation.encode.encoding import Encoded
from optical_hf.metrics.ranking import ranks_from_scores
from optical_hf.processes import Processes
from optical_hf.stores.exact_search import ExactSearch
from optical_hf.stores.search_engine import Index, SearchResult, merge_results
from optical_hf.stores.vectors import VectorSet

ROUNDING = 1e-6
"""Scores of a query that differ by less, as a share of its largest score, are equal: the same text encoded in another batch, or
the same vector in another block of a matrix product, differs by about 1e-7."""


class Found(NamedTuple):
    """What one system retrieved: ranks (Q,) of the first relevant document, from 1, inf beyond the depth searched.

    `documents` (Q, K) are rows of the collection's documents, best first, -1 where fewer than K were retrieved; `scores` (Q, K).
    """

    ranks: NDArray[np.float64]
    documents: NDArray[np.int64]
    scores: NDArray[np.float32]


class Searchable(NamedTuple):
    """Encoded documents, of which each process may hold a part, and this process's index of them."""

    documents: Encoded
    index: Index

    def exactly(self, queries: VectorSet, count: int, processes: Processes) -> SearchResult:
        """The best documents by comparing each."""
        return self._replace(index=ExactSearch().index(self.documents.store)).best(queries, count, processes)

    def best(self, queries: VectorSet, count: int, processes: Processes) -> SearchResult:
        """The best documents of any queries, `count` of them where there are so many; positions are rows of the collection."""
        order = self.documents.order
        count = min(count, len(order))
        scores, positions = merge_results(processes.gather(self.index.search(queries, count)), count)
        return SearchResult(scores, torch.where(positions < 0, -1, order[positions.clamp(min=0)]))


def found_within(best: SearchResult, depth: int, relevance: Sequence[Sequence[int]], documents: int) -> Found:
    """The documents down to `depth`, without those that share their score with the next one, and the ranks they give.

    Args:
        best: the depth + 1 best documents of each query or more; fewer only where there are no more.
        depth: how many documents count.
        relevance: the rows of the relevant documents of each query.
        documents: how many documents there are.
    """
    rows_QK, scores_QK = best.positions.numpy()[:, :depth], _ties_made_equal(best.scores.numpy())
    if scores_QK.shape[1] > depth:
        lost_QK = scores_QK[:, :depth] <= scores_QK[:, depth, None]
        rows_QK, scores_QK = np.where(lost_QK, -1, rows_QK), np.where(lost_QK, -np.inf, scores_QK[:, :depth])
    right = np.concatenate([np.asarray(rows, np.int64) + q * documents for q, rows in enumerate(relevance)])
    keys_QK = rows_QK + np.arange(len(rows_QK), dtype=np.int64)[:, None] * documents
    right_QK = np.isin(keys_QK, right) & (rows_QK >= 0)
    ranks = np.full(len(right_QK), np.inf)
    hit = right_QK.any(axis=1)
    ranks[hit] = ranks_from_scores(scores_QK[hit], csr_array(right_QK[hit]))
    return Found(ranks, rows_QK, scores_QK)


def _ties_made_equal(scores_QK: NDArray[np.float32]) -> NDArray[np.float32]:
    """Falling scores, those that rounding alone separates set to the first of them."""
    finite_QK = np.where(np.isfinite(scores_QK), scores_QK, 0)
    least_Q1 = ROUNDING * np.abs(finite_QK).max(axis=1, initial=0, keepdims=True)
    with np.errstate(invalid="ignore"):  # where nothing was found, -inf less -inf
        apart_QK = scores_QK[:, :-1] - scores_QK[:, 1:] > least_Q1
    first_QK = np.where(np.pad(apart_QK, ((0, 0), (1, 0)), constant_values=True), np.arange(scores_QK.shape[1]), 0)
    return np.take_along_axis(scores_QK, np.maximum.accumulate(first_QK, axis=1), axis=1)
