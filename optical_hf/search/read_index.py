"""An index that is made for a search: the teacher reads the texts of a store that holds no vectors, or not those that are wanted.

It stands where a store stands (`optical_hf.stores.document_store`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optical_hf.evaluation.encode.encoding import Encoding
from optical_hf.evaluation.evaluation_settings import by_cosine, default_search
from optical_hf.evaluation.searching import Searchable
from optical_hf.models.tokens import Encoder
from optical_hf.processes import Processes
from optical_hf.stores.document_store import (
    ROWS_AT_ONCE,
    DocumentStore,
    Metric,
    Precision,
    StoreHits,
    StoreRows,
    check_queries,
)
from optical_hf.stores.exact_search import ExactSearch
from optical_hf.stores.search_engine import Search
from optical_hf.stores.store_location import StoreLocation
from optical_hf.stores.vectors import VectorSet


@dataclass
class ReadIndex:
    """The texts of a store and the vectors that a teacher gave them; see `DocumentStore`."""

    store: DocumentStore
    ids: list[str]
    texts: list[str]
    searchable: Searchable
    width: int
    metric: Metric
    late_interaction: bool
    precision: Precision = "float32"

    @classmethod
    def by(
        cls, teacher: Encoder, store: DocumentStore, search: Search | None, cache: Path | None, bars: bool
    ) -> "ReadIndex":
        """Let a teacher read the texts of a store.

        Args:
            teacher: reads them as documents.
            store: whose texts are read; its vectors are not.
            search: by one vector a text or one a token; None takes the teacher's kind.
            cache: a folder for the vectors: what was read once is not read again.
            bars: show a bar of progress.
        """
        how = search or default_search(teacher)
        ids, texts = [], []
        for rows in store.rows():
            ids += rows.ids
            texts += [text or "" for text in rows.texts]
        encoding = Encoding(how, by_cosine(teacher), folder=cache, progress=bars)
        encoded = encoding.encode(teacher, texts, "document", "the documents", Processes())
        searchable = Searchable(encoded, ExactSearch().index(encoded.store))
        width = next(piece.width for _, piece in encoded.store)
        return cls(store, ids, texts, searchable, width, "cosine" if by_cosine(teacher) else "dot", how == "maxsim")

    @property
    def location(self) -> StoreLocation:
        """Where the texts are."""
        return self.store.location

    @property
    def count(self) -> int:
        """Documents."""
        return len(self.texts)

    @property
    def stamp(self) -> tuple[Any, ...]:
        """That of the texts."""
        return self.store.stamp

    def rows(self, batch_size: int = ROWS_AT_ONCE) -> Iterator[StoreRows]:
        """The texts, without vectors."""
        for start in range(0, self.count, batch_size):
            part = slice(start, start + batch_size)
            yield StoreRows(self.ids[part], list(self.texts[part]), None)

    def search(self, queries: VectorSet, k: int) -> StoreHits:
        """The k best documents of each query."""
        check_queries(queries, self, k)
        return StoreHits.of(self.searchable.best(queries, k, Processes()), self.ids, self.texts)

    def close(self) -> None:
        """Let go of the store."""
        self.store.close()
