"""Milvus: a server or cluster by its URL, or the file of milvus-lite. Needs the extra `milvus`.

One vector a text, of float32. milvus-lite holds no other numbers, and no server was at hand to read others from.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    closed_on_fault,
    engine_faults,
    metric_named,
    secret_of,
    vector_column,
)
from optical_hf.stores.store_location import StoreLocation
from optical_hf.stores.vectors import VectorSet

KEY = "MILVUS_TOKEN"
METRICS: dict[str, Metric] = {"COSINE": "cosine", "IP": "dot", "L2": "euclidean"}
MOST_ROWS = 16_384
"""That Milvus gives at once."""
QUERIES_AT_ONCE = 64
TEXT_BYTES = 65_535
"""The longest text that a field of Milvus holds."""


@dataclass
class MilvusStore:
    """A collection; see `DocumentStore`."""

    location: StoreLocation
    client: Any
    id: str
    vector: str
    width: int
    metric: Metric
    secret: str | None
    precision: Precision = "float32"
    late_interaction: bool = False

    @property
    def count(self) -> int:
        """Rows."""
        with _faults(self.location, self.secret):
            found = self.client.query(self.location.table, filter="", output_fields=["count(*)"])
            return int(found[0]["count(*)"])

    @property
    def stamp(self) -> tuple[Any, ...]:
        """The count, and when the collection was changed last, as far as Milvus says."""
        with _faults(self.location, self.secret):
            described = self.client.describe_collection(self.location.table)
        return (self.count, described.get("update_timestamp"))

    def rows(self, batch_size: int = ROWS_AT_ONCE) -> Iterator[StoreRows]:
        """All rows in the order of their ids, a batch in memory at a time."""
        names = [self.id, self.location.text, self.vector, *([self.location.title] if self.location.title else [])]
        with _faults(self.location, self.secret):
            every = self.client.query_iterator(
                self.location.table, filter="", batch_size=min(batch_size, MOST_ROWS), output_fields=names
            )
        try:
            while True:
                with _faults(self.location, self.secret):
                    batch = every.next()
                if not batch:
                    return
                title = self.location.title
                yield StoreRows(
                    [str(row[self.id]) for row in batch],
                    [row.get(self.location.text) for row in batch],
                    VectorSet.of(torch.tensor([row[self.vector] for row in batch])),
                    None if title is None else [row.get(title) for row in batch],
                )
        finally:
            every.close()

    def search(self, queries: VectorSet, k: int) -> StoreHits:
        """The k best rows of each query, along the collection's own index."""
        check_queries(queries, self, k)
        found: list[Any] = []
        for start in range(0, len(queries), QUERIES_AT_ONCE):
            with _faults(self.location, self.secret):
                found += self.client.search(
                    self.location.table, data=queries.vectors[start : start + QUERIES_AT_ONCE].tolist(), limit=k,
                    anns_field=self.vector, output_fields=[self.id, self.location.text],
                )  # fmt: skip
        sign = -1.0 if self.metric == "euclidean" else 1.0
        return StoreHits(
            [[str(hit["entity"].get(self.id, hit.get(self.id))) for hit in hits] for hits in found],
            [[sign * hit["distance"] for hit in hits] for hits in found],
            [[str(hit["entity"].get(self.location.text) or "") for hit in hits] for hits in found],
        )

    def add(self, rows: StoreRows) -> None:
        """Write rows, in place of those that have their ids."""
        assert rows.vectors is not None
        data = [
            {self.id: int(id_), self.location.text: text, self.vector: vector}
            for id_, text, vector in zip(rows.ids, rows.texts, rows.vectors.vectors.tolist(), strict=True)
        ]
        with _faults(self.location, self.secret):
            self.client.upsert(self.location.table, data)

    def close(self) -> None:
        """Close the connection."""
        self.client.close()


def open_milvus(location: StoreLocation) -> MilvusStore:
    """Open a collection.

    Raises:
        ValueError: no server, file, collection, or field; a refused key; vectors that are not float32.
        ImportError: without the extra `milvus`.
    """
    if location.scheme == "milvus-lite" and not Path(location.place).exists():
        raise NoTableError(f"{location}: there is no file {location.place}")
    client, pymilvus, secret = _connected(location)
    with closed_on_fault(client), _faults(location, secret):
        if not client.has_collection(location.table):
            names = ", ".join(client.list_collections()) or "none"
            raise NoTableError(f"{location}: there is no collection {location.table!r}, only {names}")
        described = client.describe_collection(location.table)
        fields = {field["name"]: field for field in described["fields"]}
        if not described.get("enable_dynamic_field"):
            check_columns(location, fields)
        kinds = {name: pymilvus.DataType(field["type"]).name for name, field in fields.items()}
        vector = vector_column(location, [name for name, kind in kinds.items() if kind.endswith("_VECTOR")], fields)
        if kinds[vector] != "FLOAT_VECTOR":
            raise ValueError(f"{location}: the field {vector!r} is a {kinds[vector]}: expected a FLOAT_VECTOR")
        primary = next(name for name, field in fields.items() if field.get("is_primary"))
        index = client.list_indexes(location.table, field_name=vector)
        metric = client.describe_index(location.table, index[0])["metric_type"] if index else None
        client.load_collection(location.table)
    width = int(fields[vector]["params"]["dim"])
    return MilvusStore(
        location, client, location.id or primary, vector, width, metric_named(location, METRICS, metric), secret
    )


def make_milvus(location: StoreLocation, width: int, metric: Metric) -> MilvusStore:
    """Make an empty collection, with the index that Milvus chooses.

    Raises:
        ValueError: as `open_milvus`.
    """
    if location.scheme == "milvus-lite":
        Path(location.place).parent.mkdir(parents=True, exist_ok=True)
    client, pymilvus, secret = _connected(location)
    id_, vector = str(location.id), str(location.vector)
    with closed_on_fault(client), _faults(location, secret):
        schema = client.create_schema(auto_id=False)
        schema.add_field(id_, pymilvus.DataType.INT64, is_primary=True)
        schema.add_field(location.text, pymilvus.DataType.VARCHAR, max_length=TEXT_BYTES)
        schema.add_field(vector, pymilvus.DataType.FLOAT_VECTOR, dim=width)
        index = client.prepare_index_params()
        name = next(name for name, value in METRICS.items() if value == metric)
        index.add_index(vector, index_type="AUTOINDEX", metric_type=name)
        client.create_collection(location.table, schema=schema, index_params=index)
    return MilvusStore(location, client, id_, vector, width, metric, secret)


def _connected(location: StoreLocation) -> tuple[Any, Any, str | None]:
    pymilvus = import_extra("pymilvus", "milvus", "Milvus")
    if location.scheme == "milvus-lite":
        import_extra("milvus_lite", "milvus", "a file of Milvus")
        with _faults(location):
            return pymilvus.MilvusClient(location.place), pymilvus, None
    secret = secret_of(location, KEY)
    https = location.options.get("https", "no") == "yes"
    address = f"{'https' if https else 'http'}://{location.place}{'' if ':' in location.place else ':19530'}"
    token = f"{location.user}:{secret}" if location.user and secret else secret or ""
    with _faults(location, secret):
        client = pymilvus.MilvusClient(
            address, token=token, db_name=location.options.get("database", ""),
            timeout=float(location.options.get("timeout", 30)),
        )  # fmt: skip
    return client, pymilvus, secret


@contextmanager
def _faults(location: StoreLocation, secret: str | None = None) -> Iterator[None]:
    """As `engine_faults`, without the traces that pymilvus and the server of milvus-lite log beside what is raised."""
    names = [name for name in logging.root.manager.loggerDict if name.startswith(("pymilvus", "grpc._server"))]
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        with engine_faults(location, secret):
            yield
    finally:
        for logger, disabled in zip(loggers, before, strict=True):
            logger.disabled = disabled
