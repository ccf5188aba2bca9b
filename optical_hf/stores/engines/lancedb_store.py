"""LanceDB: a table in a folder, searched along its own index. Needs the extra `search`.

Columns of float16, float32 and of bits (uint8, Hamming distance), and lists of vectors (MaxSim, by cosine).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from optical_hf.extras import import_extra
from optical_hf.stores.document_store import (
    ROWS_AT_ONCE,
    Metric,
    Precision,
    StoreHits,
    StoreRows,
    check_queries,
)
from optical_hf.stores.engines.engine_faults import (
    NoTableError,
    check_columns,
    engine_faults,
    metric_named,
    packed_signs,
    unpacked_signs,
    vector_column,
)
from optical_hf.stores.store_location import StoreLocation
from optical_hf.stores.vectors import VectorSet

METRICS: dict[str, Metric] = {"cosine": "cosine", "dot": "dot", "l2": "euclidean", "hamming": "cosine"}
PRECISIONS: dict[pa.DataType, Precision] = {
    pa.float16(): "float16", pa.float32(): "float32", pa.float64(): "float32", pa.uint8(): "binary",
}  # fmt: skip
ROW = "_rowid"
PROBES, REFINE = 32, 10
"""Lists that a query looks at, and how many times k candidates are compared again by their whole vectors."""


@dataclass
class LanceStore:
    """A table; see `DocumentStore`. `id` is a column, or LanceDB's own number of a row."""

    location: StoreLocation
    table: Any
    id: str
    vector: str
    width: int
    metric: Metric
    precision: Precision
    late_interaction: bool
    indexed: bool

    @property
    def count(self) -> int:
        """Rows."""
        with engine_faults(self.location):
            return int(self.table.count_rows())

    @property
    def stamp(self) -> tuple[Any, ...]:
        """The version of the table: each change makes a new one."""
        return (self.table.version,)

    def rows(self, batch_size: int = ROWS_AT_ONCE) -> Iterator[StoreRows]:
        """All rows, a batch in memory at a time."""
        location = self.location
        names = [name for name in (self.id, location.text, location.title, self.vector) if name is not None]
        with engine_faults(location):
            scan = self.table.search().with_row_id(True).limit(max(1, self.count)).select(names)
            for large in scan.to_batches(batch_size):
                for start in range(0, len(large), batch_size):
                    batch = large.slice(start, batch_size)
                    titles = batch[location.title].to_pylist() if location.title else None
                    vectors = self._vectors(batch[self.vector])
                    yield StoreRows(
                        list(map(str, batch[self.id].to_pylist())), batch[location.text].to_pylist(), vectors, titles
                    )

    def search(self, queries: VectorSet, k: int) -> StoreHits:
        """The k best rows of each query, along the table's own index where it has one."""
        check_queries(queries, self, k)
        parts = queries.vectors.split(1 if queries.lengths is None else queries.lengths.tolist())
        ids, scores, texts = [], [], []
        names = [self.id, self.location.text, "_distance"]
        for part in parts:
            query = packed_signs(part) if self.precision == "binary" else part.numpy()
            with engine_faults(self.location):
                search = self.table.search(query if self.late_interaction else query[0], vector_column_name=self.vector)
                search = search.distance_type(self._distance()).limit(k)
                if self.indexed:
                    search = search.nprobes(PROBES).refine_factor(REFINE)
                found = search.with_row_id(True).select(names).to_arrow()
            ids.append(list(map(str, found[self.id].to_pylist())))
            texts.append([text or "" for text in found[self.location.text].to_pylist()])
            scores.append([self._score(distance, len(part)) for distance in found["_distance"].to_pylist()])
        return StoreHits(ids, scores, texts)

    def search_texts(self, queries: Sequence[str], k: int) -> StoreHits:
        """The k rows with the highest BM25 of each query, along the table's full-text index.

        Raises:
            ValueError: where the column of the texts has none.
        """
        match_query, column = import_extra("lancedb.query", "search", "LanceDB").MatchQuery, self.location.text
        if not any(one.index_type == "FTS" and column in one.columns for one in self.table.list_indices()):
            raise ValueError(
                f"{self.location}: {column!r} has no full-text index: make one, table.create_fts_index({column!r}), or take BM25"
            )
        ids, scores, texts = [], [], []
        for query in queries:
            with engine_faults(self.location):
                search = self.table.search(match_query(query, column), query_type="fts").limit(k)
                found = search.with_row_id(True).select([self.id, column, "_score"]).to_arrow()
            ids.append(list(map(str, found[self.id].to_pylist())))
            scores.append(found["_score"].to_pylist())
            texts.append([text or "" for text in found[column].to_pylist()])
        return StoreHits(ids, scores, texts)

    def add(self, rows: StoreRows) -> None:
        """Append rows, all of them or none."""
        assert rows.vectors is not None
        flat = pa.array(rows.vectors.vectors.flatten().numpy())
        data = {
            self.id: pa.array(rows.ids),
            self.location.text: pa.array(rows.texts),
            self.vector: pa.FixedSizeListArray.from_arrays(flat, self.width),
        }
        with engine_faults(self.location):
            self.table.add(pa.table(data))

    def close(self) -> None:
        """Nothing is held."""

    def _distance(self) -> str:
        if self.precision == "binary":
            return "hamming"
        return {"cosine": "cosine", "dot": "dot", "euclidean": "l2"}[self.metric]

    def _score(self, distance: float, tokens: int) -> float:
        """LanceDB gives 1 - cosine (of tokens: their sum), 1 - product, squared distance, or differing bits."""
        if self.precision == "binary":
            return 1 - 2 * distance / self.width
        return -(distance**0.5) if self.metric == "euclidean" else tokens - distance

    def _vectors(self, column: pa.Array) -> VectorSet:
        lengths = None
        if self.late_interaction:
            lengths = torch.from_numpy(np.asarray(column.value_lengths().fill_null(0)).astype(np.int64))
            column = column.flatten()
        width = column.type.list_size
        filled = column.fill_null(pa.scalar([0] * width, column.type)) if column.null_count else column
        matrix = filled.flatten().to_numpy(zero_copy_only=False).reshape(-1, width)
        if self.precision == "binary":
            matrix = unpacked_signs(matrix)
        return VectorSet(torch.from_numpy(matrix.astype(np.float32)), lengths)


def open_lancedb(location: StoreLocation) -> LanceStore:
    """Open a table.

    Raises:
        ValueError: no folder, table or column.
        ImportError: without the extra `search`.
    """
    lancedb = import_extra("lancedb", "search", "LanceDB")
    if not Path(location.place).is_dir():
        raise NoTableError(f"{location}: there is no folder {location.place}")
    with engine_faults(location):
        database = lancedb.connect(location.place)
        if not Path(location.place, f"{location.table}.lance").is_dir():
            names = ", ".join(sorted(path.stem for path in Path(location.place).glob("*.lance"))) or "none"
            raise NoTableError(f"{location}: there is no table {location.table!r}, only {names}")
        table = database.open_table(location.table)
        schema = table.schema
        check_columns(location, schema.names)
        vector = vector_column(
            location, [one.name for one in schema if _of_vectors(one.type) is not None], schema.names
        )
        index = next((one.name for one in table.list_indices() if vector in one.columns), None)
        metric = metric_named(location, METRICS, table.index_stats(index).distance_type if index else None)
    kind = _of_vectors(schema.field(vector).type)
    assert kind is not None
    precision = PRECISIONS[kind.value_type]
    width = kind.list_size * (8 if precision == "binary" else 1)
    late = kind != schema.field(vector).type
    id_ = location.id or ("id" if "id" in schema.names else ROW)
    return LanceStore(location, table, id_, vector, width, metric, precision, late, index is not None)


def make_lancedb(location: StoreLocation, width: int, metric: Metric) -> LanceStore:
    """Make an empty table; it compares with every row until an index is made.

    Raises:
        ValueError: as `open_lancedb`.
        ImportError: without the extra `search`.
    """
    lancedb = import_extra("lancedb", "search", "LanceDB")
    id_, vector = str(location.id), str(location.vector)
    schema = pa.schema({id_: pa.string(), location.text: pa.string(), vector: pa.list_(pa.float32(), width)})
    with engine_faults(location):
        table = lancedb.connect(location.place).create_table(location.table, schema=schema)
    return LanceStore(location, table, id_, vector, width, metric, "float32", False, False)


def _of_vectors(kind: pa.DataType) -> Any:
    """The type of one vector of a column, None where it holds none."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        kind = kind.value_type
    return kind if pa.types.is_fixed_size_list(kind) and kind.value_type in PRECISIONS else None
