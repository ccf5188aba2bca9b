"""The protocol of a search engine: documents in, an index out; queries in, the k best documents out.

An engine is a frozen dataclass of settings; its index searches. New engine = one file, one line in `ENGINES`.

Shapes: Q queries, K results.
"""

from typing import Any, Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from optical_hf.stores.vectors import VectorSet, VectorStore

Search = Literal["vector", "maxsim"]


class SearchResult(NamedTuple):
    """The K best documents of each query, best first: scores (Q, K) and positions (Q, K).

    Equal scores are in the order of the documents. Where fewer than K were found the score is -inf, the position -1.
    """

    scores: Tensor
    positions: Tensor

    @classmethod
    def empty(cls, queries: int, k: int) -> "SearchResult":
        """Nothing found for any query."""
        return cls(torch.full((queries, k), -torch.inf), torch.full((queries, k), -1))

    def found(self) -> tuple[list[list[int]], list[list[float]]]:
        """Positions and scores of each query, as lists of what was found alone."""
        rows = [[row for row in positions if row >= 0] for positions in self.positions.tolist()]
        return rows, [scores[: len(row)] for scores, row in zip(self.scores.tolist(), rows, strict=True)]


class Index(Protocol):
    """Documents that can be searched."""

    def search(self, queries: Any, k: int) -> SearchResult:
        """The k documents with the highest score; queries are a `VectorSet`, or texts for BM25."""
        ...


class SearchEngine(Protocol):
    """Settings of a kind of search."""

    @property
    def exact(self) -> bool:
        """Whether the k best are found for sure."""
        ...

    def index(self, documents: Any) -> Index:
        """Make documents searchable: a `VectorStore`, or texts for BM25."""
        ...


def order_results(scores_QK: Tensor, positions_QK: Tensor) -> SearchResult:
    """Sort each row by falling score and, where scores are equal, by rising position; positions of -1 go last."""
    scores_QK = scores_QK.masked_fill(positions_QK < 0, -torch.inf)
    by_position = torch.where(positions_QK < 0, torch.iinfo(torch.int64).max, positions_QK).argsort(dim=1, stable=True)
    scores_QK, positions_QK = scores_QK.gather(1, by_position), positions_QK.gather(1, by_position)
    by_score = scores_QK.argsort(dim=1, descending=True, stable=True)
    return SearchResult(scores_QK.gather(1, by_score), positions_QK.gather(1, by_score))


def merge_results(parts: list[SearchResult], k: int) -> SearchResult:
    """The k best of several searches of the same queries in different documents."""
    if len(parts) == 1:
        return parts[0]
    merged = order_results(torch.cat([p.scores for p in parts], 1), torch.cat([p.positions for p in parts], 1))
    return SearchResult(merged.scores[:, :k], merged.positions[:, :k])


def check_widths(queries: VectorSet, documents: VectorStore, piece: VectorSet) -> None:
    """Raise ValueError where queries and documents cannot be compared."""
    if (queries.lengths is None) != (piece.lengths is None):
        kinds = {True: "one vector each", False: "one vector a token"}
        raise ValueError(
            f"queries have {kinds[queries.lengths is None]}, documents {kinds[piece.lengths is None]}: "
            "encode both the same way"
        )
    if queries.width != piece.width:
        raise ValueError(
            f"expected query vectors of the documents' width {piece.width}, got width {queries.width} "
            f"({len(queries)} queries, {len(documents)} documents): student and teacher must share one space; "
            "give the student a projection to the teacher's width (optical_hf.load_student does)"
        )
