"""An index of FAISS beside the file of its texts, searched by FAISS itself. Needs the extra `search`.

Flat, HNSW, IVF and scalar-quantised indexes, and binary ones, whose rows are signs. The index is read into memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset

from optical_hf.extras import import_extra
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
from optical_hf.stores.documents.document_sources import resolve_documents, texts_beside
from optical_hf.stores.documents.vector_files import VectorFile, open_vectors
from optical_hf.stores.engines.engine_faults import packed_signs, unpacked_signs
from optical_hf.stores.store_location import StoreLocation
from optical_hf.stores.vectors import VectorSet

BINARY = (b"IB", b"IC")
"""How files of binary indexes begin."""


@dataclass
class FaissStore:
    """An index and its texts, row by row; see `DocumentStore`."""

    location: StoreLocation
    index: Any
    vectors: VectorFile | None
    table: Dataset
    metric: Metric
    precision: Precision
    late_interaction: bool = False

    @property
    def count(self) -> int:
        """Rows."""
        return int(self.index.ntotal)

    @property
    def width(self) -> int:
        """Numbers in a vector."""
        return int(self.index.d)

    @property
    def stamp(self) -> tuple[Any, ...]:
        """Size and time of the file, and what `datasets` calls the texts by."""
        state = Path(self.location.place).stat()
        return (state.st_size, state.st_mtime_ns, self.table._fingerprint)

    def rows(self, batch_size: int = ROWS_AT_ONCE) -> Iterator[StoreRows]:
        """All rows, a batch in memory at a time."""
        start, id_, title = 0, self.location.id, self.location.title
        for batch in self.table.with_format("arrow").iter(batch_size):
            numbers = range(start, start + len(batch))
            ids = batch[id_].to_pylist() if id_ else list(map(str, numbers))
            titles = batch[title].to_pylist() if title else None
            yield StoreRows(ids, batch["text"].to_pylist(), VectorSet.of(self._vectors(numbers)), titles)
            start += len(batch)

    def search(self, queries: VectorSet, k: int) -> StoreHits:
        """The k best rows of each query, as far as the index finds them."""
        check_queries(queries, self, k)
        asked = packed_signs(queries.vectors) if self.precision == "binary" else queries.vectors.numpy()
        distances, found = self.index.search(asked, min(k, self.count))
        rows = [[row for row in one if row >= 0] for one in found.tolist()]
        scores = [self._scores(one[: len(row)]) for one, row in zip(distances, rows, strict=True)]
        columns = [self.table[row] if row else {} for row in rows]
        name = self.location.id
        ids = [list(one[name]) if name and row else list(map(str, row)) for one, row in zip(columns, rows, strict=True)]
        return StoreHits(ids, scores, [list(one.get("text", [])) for one in columns])

    def close(self) -> None:
        """Nothing is held but memory."""

    def _vectors(self, numbers: range) -> np.ndarray:
        if self.vectors is not None:
            return self.vectors.rows(numbers.start, numbers.stop)
        return unpacked_signs(np.stack([self.index.reconstruct(number) for number in numbers]))

    def _scores(self, distances: np.ndarray) -> list[float]:
        """FAISS gives inner products, squared distances, or differing bits."""
        if self.precision == "binary":
            return list((1 - 2 * distances / self.width).tolist())
        return list((-np.sqrt(np.maximum(distances, 0)) if self.metric == "euclidean" else distances).tolist())


def open_faiss(location: StoreLocation) -> FaissStore:
    """Open an index and its texts.

    Raises:
        ValueError: a file that is missing or damaged, or not as many texts as vectors.
        ImportError: without the extra `search`.
    """
    faiss = import_extra("faiss", "search", "FAISS")
    path = Path(location.place)
    if not path.is_file():
        raise ValueError(f"{location}: there is no file {path}")
    texts = location.options.get("texts") or texts_beside(path)
    others = tuple(name for name in (location.id, location.title) if name is not None)
    sources = resolve_documents(str(texts), location.text, wants_vectors=False)
    table = document_table(sources, Columns(location.text, None, others), "error")
    with path.open("rb") as file:
        binary = file.read(2) in BINARY
    vectors = None if binary else open_vectors(str(path))
    index = faiss.read_index_binary(str(path)) if vectors is None else vectors.owner
    if index.ntotal != len(table):
        raise ValueError(
            f"{location}: {texts} has {len(table):,} texts and the index {index.ntotal:,} vectors: expected one text a vector, in "
            "the same order"
        )
    if vectors is None:
        return FaissStore(location, index, None, table, "cosine", "binary")
    metric: Metric = "euclidean" if index.metric_type == faiss.METRIC_L2 else "dot"
    return FaissStore(location, index, vectors, table, metric, _precision(faiss, vectors.source))


def _precision(faiss: Any, index: Any) -> Precision:
    quantizer = getattr(index, "sq", None)
    if quantizer is None:
        return "float32"
    halves = (faiss.ScalarQuantizer.QT_fp16, faiss.ScalarQuantizer.QT_bf16)
    return "float16" if quantizer.qtype in halves else "int8"
