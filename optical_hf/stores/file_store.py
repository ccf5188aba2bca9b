"""Files of texts and vectors as a store: Parquet, JSON lines, Arrow, an array beside its texts, or an index of FAISS beside them.

An index of FAISS is searched by FAISS; other vectors are compared one by one (`exact_search.py`), a block in memory at a time.

Shapes: Q queries, K results, N rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from datasets import Dataset

from optical_hf.stores.document_store import (
    ROWS_AT_ONCE,
    Metric,
    Precision,
    StoreHits,
    StoreRows,
    check_queries,
)
from optical_hf.stores.documents.document_builder import document_table
from optical_hf.stores.documents.document_rows import Columns
from optical_hf.stores.documents.document_sources import resolve_documents
from optical_hf.stores.documents.vector_columns import vectors_of
from optical_hf.stores.exact_search import ExactSearch
from optical_hf.stores.search_engine import Index
from optical_hf.stores.store_location import StoreLocation
from optical_hf.stores.vectors import VectorSet

BLOCK = 8192
VECTOR = "vector"
"""The column of the vectors in a table of documents, whatever its name in the source."""


@dataclass
class FileStore:
    """A table of documents that is mapped into memory; see `DocumentStore`."""

    location: StoreLocation
    table: Dataset
    metric: Metric
    index: Index
    precision: Precision = "float32"
    late_interaction: bool = False

    @property
    def count(self) -> int:
        """Rows."""
        return len(self.table)

    @property
    def width(self) -> int:
        """Numbers in a vector; 0 where the file holds texts alone."""
        return self.table.features[VECTOR].length if VECTOR in self.table.column_names else 0

    @property
    def stamp(self) -> tuple[Any, ...]:
        """What `datasets` calls the table by."""
        return (self.table._fingerprint,)

    def rows(self, batch_size: int = ROWS_AT_ONCE) -> Iterator[StoreRows]:
        """All rows, a batch in memory at a time."""
        start = 0
        for batch in self.table.with_format("arrow").iter(batch_size):
            ids = (
                batch[self.location.id].to_pylist() if self.location.id else map(str, range(start, start + len(batch)))
            )
            titles = batch[self.location.title].to_pylist() if self.location.title else None
            vectors = VectorSet.of(vectors_of(batch[VECTOR]).copy()) if self.width else None
            yield StoreRows(list(ids), batch["text"].to_pylist(), vectors, titles)
            start += len(batch)

    def search(self, queries: VectorSet, k: int) -> StoreHits:
        """The k best documents of each query."""
        check_queries(queries, self, k)
        vectors = torch.nn.functional.normalize(queries.vectors, dim=-1) if self.metric == "cosine" else queries.vectors
        rows, scores = self.index.search(VectorSet(vectors), min(k, self.count)).found()
        texts = [list(self.table[row]["text"]) if row else [] for row in rows]
        name = self.location.id
        ids = [list(self.table[row][name]) if name and row else list(map(str, row)) for row in rows]
        return StoreHits(ids, scores, texts)

    def close(self) -> None:
        """Nothing is held but the mapped file."""


@dataclass(frozen=True)
class TableVectors:
    """The vectors of a table, block by block, as the exact search reads them."""

    table: Dataset
    unit_length: bool

    def __len__(self) -> int:
        return len(self.table)

    def __iter__(self) -> Iterator[tuple[int, VectorSet]]:
        blocks = self.table.select_columns([VECTOR]).with_format("arrow").iter(BLOCK)
        for number, batch in enumerate(blocks):
            vectors = torch.from_numpy(vectors_of(batch[VECTOR]).copy())
            yield (
                number * BLOCK,
                VectorSet(torch.nn.functional.normalize(vectors, dim=-1) if self.unit_length else vectors),
            )


def open_files(location: StoreLocation) -> FileStore:
    """Open a file of texts and vectors.

    Raises:
        ValueError: as `load_documents`, or a metric that is none of cosine and dot.
    """
    metric = file_metric(location, "cosine")
    table = read_table(location, location.place)
    exact = ExactSearch().index(TableVectors(table, metric == "cosine"))  # type: ignore[arg-type]
    return FileStore(location, table, metric, exact)


def read_table(location: StoreLocation, source: Any) -> Dataset:
    """The texts of a source, with the ids, titles and vectors that a location names, every row in its place."""
    others = tuple(name for name in (location.id, location.title) if name is not None)
    sources = resolve_documents(source, location.text, wants_vectors=True)
    return document_table(sources, Columns(location.text, location.vector or VECTOR, others), "error")


def file_metric(location: StoreLocation, default: Metric) -> Metric:
    """What a location says its vectors are compared by, where the file does not say."""
    match location.options.get("metric", default):
        case "cosine" | "dot" as said:
            return said
    raise ValueError(f"{location}: metric is {location.options['metric']!r}: expected cosine or dot")
