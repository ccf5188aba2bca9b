"""One collection made searchable, and what one system finds in it: the rank of the first right document of each query.

Documents are encoded by one model, queries by another; which, the caller says. A tie counts against the system, as
everywhere in this package (`optical_hf.metrics.ranking`). Knows nothing about languages, gaps or reports.

Shapes: Q queries, K results.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array

from optical_hf.data import RetrievalCollection
from optical_hf.evaluation.encoding import Encoded
from optical_hf.evaluation.engines import Index, SearchEngine, merge_results
from optical_hf.evaluation.processes import Processes
from optical_hf.evaluation.vectors import VectorSet, VectorStore
from optical_hf.metrics.ranking import ranks_from_scores


class Found(NamedTuple):
    """What one system found: ranks (Q,) from 1, inf beyond the depth searched; its best documents, best first.

    `documents` (Q, K) are rows of the collection's documents, -1 where fewer than K were found; `scores` (Q, K).
    """

    ranks: NDArray[np.float64]
    documents: NDArray[np.int64]
    scores: NDArray[np.float32]


class Best(NamedTuple):
    """Rows (Q, K) of the best documents, best first, -1 where fewer were found, and their scores (Q, K)."""

    documents: NDArray[np.int64]
    scores: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class SearchableCollection:
    """A collection whose documents are encoded and indexed."""

    collection: RetrievalCollection
    index: Index
    documents: VectorStore
    order: torch.Tensor
    processes: Processes

    @classmethod
    def of(
        cls,
        collection: RetrievalCollection,
        documents: Encoded,
        engine: SearchEngine,
        processes: Processes,
    ) -> "SearchableCollection":
        """Index encoded documents, of which each process may hold a part."""
        return cls(collection, engine.index(documents.store), documents.store, documents.order, processes)

    def find(self, queries: VectorSet, depth: int) -> Found:
        """Search the collection's queries, whose vectors are in the order of its rows."""
        best = self.best(queries, depth)
        return Found(rank_first(best, self.collection.relevance, len(self.order)), best.documents, best.scores)

    def best(self, queries: VectorSet, depth: int) -> Best:
        """The best documents of any queries."""
        depth = min(depth, len(self.order))
        parts = self.processes.gather(self.index.search(queries, depth))
        results = parts[0] if len(parts) == 1 else merge_results(parts, depth)
        rows_QK = torch.where(results.positions < 0, -1, self.order[results.positions.clamp(min=0)])
        return Best(rows_QK.numpy(), results.scores.numpy())


def rank_first(best: Best, relevance: Sequence[Sequence[int]], documents: int) -> NDArray[np.float64]:
    """Rank (Q,) of the first right document of each query, inf where none was found.

    Args:
        best: what was found.
        relevance: the rows of the relevant documents of each query.
        documents: how many documents there are.
    """
    right = np.concatenate([np.asarray(rows, np.int64) + q * documents for q, rows in enumerate(relevance)])
    keys_QK = best.documents + np.arange(len(best.documents), dtype=np.int64)[:, None] * documents
    right_QK = np.isin(keys_QK, right) & (best.documents >= 0)
    ranks = np.full(len(right_QK), np.inf)
    hit = right_QK.any(axis=1)
    ranks[hit] = ranks_from_scores(best.scores[hit], csr_array(right_QK[hit]))
    return ranks
