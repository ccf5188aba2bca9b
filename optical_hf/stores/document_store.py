"""The protocol of a store: an index that a user has, whose rows are read and which searches itself.

A new kind of store = one file in `engines/`, one line in its `ENGINE_OPENERS`, one form in `store_location.py`, one test.
Scores are such that more is better, whatever the store counts in. Ids are strings here, whatever the store keeps.

Shapes: Q queries, K results, R rows, D width.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import torch

from optical_hf.stores.search_engine import SearchResult
from optical_hf.stores.store_location import StoreLocation
from optical_hf.stores.vectors import VectorSet

Metric = Literal["cosine", "dot", "euclidean"]
"""What a store compares by: the score is the cosine, the inner product, or the distance below zero."""
Precision = Literal["float32", "float16", "int8", "binary"]
"""The numbers in a stored vector."""
ROWS_AT_ONCE = 1024


class StoreRows(NamedTuple):
    """Some rows of a store, in its own order.

    Attributes:
        ids: of each row.
        texts: of each; None where a row has none.
        vectors: R vectors as float32, whatever is stored; None where the store holds texts alone.
        titles: of each, where the location names a column of titles.
    """

    ids: list[str]
    texts: Sequence[str | None]
    vectors: VectorSet | None
    titles: list[str | None] | None = None


class StoreHits(NamedTuple):
    """The best documents of each query, best first; a list is shorter than K where fewer were found."""

    ids: list[list[str]]
    scores: list[list[float]]
    texts: list[list[str]]

    @classmethod
    def of(cls, result: SearchResult, ids: Sequence[str], texts: Sequence[str]) -> "StoreHits":
        """What a search found, by the ids and texts of all documents."""
        rows, scores = result.found()
        return cls([[ids[n] for n in row] for row in rows], scores, [[texts[n] for n in row] for row in rows])


class DocumentStore(Protocol):
    """An index that is open for reading."""

    @property
    def location(self) -> StoreLocation:
        """Where it is."""
        ...

    @property
    def count(self) -> int:
        """Rows."""
        ...

    @property
    def width(self) -> int:
        """Numbers in a vector, D; 0 where the store holds texts alone."""
        ...

    @property
    def metric(self) -> Metric:
        """What it compares by."""
        ...

    @property
    def precision(self) -> Precision:
        """The numbers in a stored vector."""
        ...

    @property
    def late_interaction(self) -> bool:
        """Whether it holds one vector a token."""
        ...

    @property
    def stamp(self) -> tuple[Any, ...]:
        """What changes when the rows do, as far as the store says."""
        ...

    def rows(self, batch_size: int = ROWS_AT_ONCE) -> Iterator[StoreRows]:
        """All rows, a batch in memory at a time."""
        ...

    def search(self, queries: VectorSet, k: int) -> StoreHits:
        """The k best documents of each query, found by the store's own index."""
        ...

    def close(self) -> None:
        """Let go of the connection or the file."""
        ...


def check_queries(queries: VectorSet, store: DocumentStore, k: int) -> None:
    """Raise ValueError where queries cannot be compared with what a store holds."""
    if k < 1:
        raise ValueError(f"k is {k}: expected at least 1 document a query")
    if (queries.lengths is not None) != store.late_interaction:
        kinds = {False: "one vector a text", True: "one vector a token"}
        raise ValueError(
            f"{store.location} holds {kinds[store.late_interaction]}, and the queries have "
            f"{kinds[queries.lengths is not None]}: encode them as the index was"
        )
    if queries.width != store.width:
        raise ValueError(
            f"{store.location} holds vectors of width {store.width}, and the queries have width {queries.width}: "
            + (
                f"cut them to the index's width with cut_vectors(queries, {store.width})"
                if queries.width > store.width
                else "student and teacher must share the space of the index"
            )
        )


def cut_vectors(vectors: VectorSet, width: int) -> VectorSet:
    """Vectors cut to their first numbers, of unit length: as the index of a Matryoshka teacher holds them.

    Args:
        vectors: of `width` or more.
        width: numbers that are kept.

    Example:
        >>> cut_vectors(VectorSet.of(torch.tensor([[3.0, 4.0, 12.0]])), 2).vectors
        tensor([[0.6000, 0.8000]])
    """
    if width > vectors.width:
        raise ValueError(f"expected a width of at most {vectors.width}, which the vectors have, got {width}")
    if width == vectors.width:
        return vectors
    return VectorSet(torch.nn.functional.normalize(vectors.vectors[:, :width], dim=-1), vectors.lengths)
