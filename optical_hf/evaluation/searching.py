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
from optical_hf.evaluation.engines import Index, SearchEngine, TopK, merge_results
from optical_hf.evaluation.processes import Processes
from optical_hf.evaluation.vectors import VectorSet
from optical_hf.metrics.ranking import ranks_from_scores


class Found(NamedTuple):
    """What one system found: ranks (Q,) from 1, inf beyond the depth searched; its best documents, best first.

    `documents` (Q, K) are rows of the collection's documents, -1 where fewer than K were found; `scores` (Q, K).
    """

    ranks: NDArray[np.float64]
    documents: NDArray[np.int64]
    scores: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class SearchableCollection:
    """A collection whose documents are encoded and indexed."""

    collection: RetrievalCollection
    index: Index
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
        return cls(collection, engine.index(documents.store), documents.order, processes)

    def find(self, queries: VectorSet, depth: int) -> Found:
        """Search the collection's queries, whose vectors are in the order of its rows."""
        depth = min(depth, len(self.order))
        parts = self.processes.gather(self.index.search(queries, depth))
        results = parts[0] if len(parts) == 1 else merge_results(parts, depth)
        return found(results, self.order, self.collection.relevance)


def found(results: TopK, order: torch.Tensor, relevance: Sequence[Sequence[int]]) -> Found:
    """Turn positions in the index into document rows and ranks.

    Args:
        results: (Q, K) of the search.
        order: the document row at each position of the index.
        relevance: the rows of the relevant documents of each query.
    """
    rows_QK = torch.where(results.positions < 0, -1, order[results.positions.clamp(min=0)]).numpy()
    scores_QK = results.scores.numpy()
    documents = len(order)
    right = np.concatenate([np.asarray(rows, np.int64) + q * documents for q, rows in enumerate(relevance)])
    keys_QK = rows_QK + np.arange(len(rows_QK), dtype=np.int64)[:, None] * documents
    right_QK = np.isin(keys_QK, right) & (rows_QK >= 0)
    ranks = np.full(len(rows_QK), np.inf)
    hit = right_QK.any(axis=1)
    ranks[hit] = ranks_from_scores(scores_QK[hit], csr_array(right_QK[hit]))
    return Found(ranks, rows_QK, scores_QK)
