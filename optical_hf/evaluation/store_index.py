"""An index that a user has, searched in an evaluation: by the store itself, at its own width and precision.

It stands where `Searchable` stands. A hit that is no document of the collection keeps its place, as a wrong answer.

Shapes: Q queries, K results, R rows, D width.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from optical_hf.data import RetrievalCollection
from optical_hf.processes import Processes
from optical_hf.settings_checks import check_names
from optical_hf.stores.document_store import DocumentStore, StoreHits, cut_vectors
from optical_hf.stores.exact_search import ExactSearch
from optical_hf.stores.open_store import open_store
from optical_hf.stores.search_engine import SearchResult
from optical_hf.stores.text_search import text_search_of
from optical_hf.stores.vectors import VectorSet

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class StoreIndex:
    """A store, and the row of the collection that each of its documents has.

    Attributes:
        store: is searched.
        row_of: the row of each id.
    """

    store: DocumentStore
    row_of: Mapping[str, int]

    @classmethod
    def of(cls, store: DocumentStore, collection: RetrievalCollection) -> "StoreIndex":
        """The index of a collection; a warning says where the two hold different numbers of documents."""
        if (count := store.count) != len(collection.documents):
            logger.warning(
                "%s has %d rows and %s has %d documents: systems that read documents themselves search others than the index "
                "does", store.location, count, collection.name, len(collection.documents),
            )  # fmt: skip
        return cls(store, {key: row for row, key in enumerate(collection.documents["id"][:])})

    def best(self, queries: VectorSet, count: int, processes: Processes) -> SearchResult:
        """The best documents of any queries, as the store finds them; positions are rows of the collection, -1 for others.

        Raises:
            ValueError: queries that the store cannot compare, or ids that none of the collection's documents has.
        """
        return self._placed(self.store.search(self._cut(queries), min(count, self.store.count)))

    def by_words(self, texts: Sequence[str], count: int) -> SearchResult:
        """The best documents by the store's own full-text search, as `best` gives them.

        Raises:
            ValueError: a store that has none, or ids that none of the collection's documents has.
        """
        return self._placed(text_search_of(self.store).search_texts(texts, min(count, self.store.count)))

    def _placed(self, hits: StoreHits) -> SearchResult:
        """Hits as rows of the collection."""
        most = max(map(len, hits.ids), default=0)
        found = SearchResult.empty(len(hits.ids), most)
        for row, (ids, scores) in enumerate(zip(hits.ids, hits.scores, strict=True)):
            found.scores[row, : len(ids)] = torch.tensor(scores)
            found.positions[row, : len(ids)] = torch.tensor(
                [self.row_of.get(key, -1) for key in ids], dtype=torch.int64
            )
        if most and not (found.positions >= 0).any():
            known, first = next(iter(self.row_of)), next(ids[0] for ids in hits.ids if ids)
            raise ValueError(
                f"{self.store.location} found {first!r}, an id that no document of the collection has (one is {known!r}): "
                "name the column of the ids with ?id="
            )
        return found

    def exactly(self, queries: VectorSet, count: int, processes: Processes) -> SearchResult:
        """The best documents by comparing each stored vector, which are read block by block."""
        queries = self._cut(queries)
        if self.store.precision == "binary":
            queries = VectorSet(queries.vectors.sign(), queries.lengths)
        stored = _StoredVectors(self.store, {})
        index = ExactSearch().index(stored)  # type: ignore[arg-type]
        found = index.search(VectorSet(self._asked(queries.vectors), queries.lengths), min(count, self.store.count))
        rows = torch.tensor([self.row_of.get(key, -1) for _, ids in sorted(stored.ids.items()) for key in ids])
        return SearchResult(found.scores, torch.where(found.positions < 0, -1, rows[found.positions.clamp(min=0)]))

    def about(self) -> dict[str, Any]:
        """What a report says of it: no server, no folder and no user."""
        store = self.store
        return {
            "store": store.location.scheme, "table": store.location.table, "width": store.width, "precision": store.precision,
            "metric": store.metric,
        }  # fmt: skip

    def _cut(self, queries: VectorSet) -> VectorSet:
        wider = not self.store.late_interaction and queries.width > self.store.width
        return cut_vectors(queries, self.store.width) if wider else queries

    def _asked(self, vector_QD: Tensor) -> Tensor:
        return (
            torch.cat([vector_QD, torch.ones(len(vector_QD), 1)], 1) if self.store.metric == "euclidean" else vector_QD
        )


def open_indexes(
    indexes: Mapping[str, str | DocumentStore], vectors: Mapping[str, Any], collections: Sequence[RetrievalCollection]
) -> dict[str, DocumentStore]:
    """The indexes by the name of their collection, open.

    Raises:
        ValueError: for a collection that is not evaluated, or whose vectors were given too, and an index without vectors.
    """
    check_names("indexes", indexes, [collection.name for collection in collections])
    if both := [name for name in indexes if name in vectors]:
        raise ValueError(f"indexes and document_vectors both have {both[0]}: give one of them")
    stores = {name: open_store(one) if isinstance(one, str) else one for name, one in indexes.items()}
    if empty := next((store for store in stores.values() if not store.width), None):
        raise ValueError(f"{empty.location} holds texts and no vectors: name the column of the vectors (?vector=NAME)")
    return stores


@dataclass(frozen=True)
class _StoredVectors:
    """The vectors of a store, such that an inner product orders as its metric does; `ids` fills as they are read."""

    store: DocumentStore
    ids: dict[int, list[str]]

    def __len__(self) -> int:
        return self.store.count

    def __iter__(self) -> Iterator[tuple[int, VectorSet]]:
        start = 0
        for rows in self.store.rows():
            assert rows.vectors is not None
            vector_RD, lengths = rows.vectors.vectors, rows.vectors.lengths
            if self.store.metric == "cosine":
                vector_RD = normalize(vector_RD, dim=-1)
            elif self.store.metric == "euclidean":  # |q - d|^2 = |q|^2 - 2 (q . d - |d|^2 / 2)
                vector_RD = torch.cat([vector_RD, -vector_RD.square().sum(1, keepdim=True) / 2], 1)
            self.ids[start] = rows.ids
            yield start, VectorSet(vector_RD, lengths)
            start += len(rows.ids)
