"""Qdrant: a server or cluster by its URL, or the folder of the client's local mode. Needs the extra `qdrant`.

A local folder holds pickles, which run code when they are read: it is opened where the URL says `allow_pickle=yes`.
Fields with one vector a token (multivectors, MaxSim) are searched; a quantised collection is compared again by its own vectors.
"""

import json
from collections.abc import Iterator, Sequence
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

KEY = "QDRANT_API_KEY"
METRICS: dict[str, Metric] = {"Cosine": "cosine", "Dot": "dot", "Euclid": "euclidean"}
PRECISIONS: dict[str | None, Precision] = {None: "float32", "float32": "float32", "float16": "float16", "uint8": "int8"}
QUERIES_AT_ONCE = 64


@dataclass
class QdrantStore:
    """A collection; see `DocumentStore`."""

    location: StoreLocation
    client: Any
    models: Any
    name: str
    width: int
    metric: Metric
    precision: Precision
    late_interaction: bool
    secret: str | None

    @property
    def count(self) -> int:
        """Points."""
        with engine_faults(self.location, self.secret):
            return int(self.client.count(self.location.table, exact=True).count)

    @property
    def stamp(self) -> tuple[Any, ...]:
        """Qdrant keeps no number of changes: the count alone."""
        return (self.count,)

    def rows(self, batch_size: int = ROWS_AT_ONCE) -> Iterator[StoreRows]:
        """All points in the order of their ids, a batch in memory at a time."""
        following, first = None, True
        while first or following is not None:
            with engine_faults(self.location, self.secret):
                points, following = self.client.scroll(
                    self.location.table, limit=batch_size, offset=following, with_payload=self._fields(),
                    with_vectors=[self.name] if self.name else True,
                )  # fmt: skip
            first = False
            if points:
                yield self._rows(points)

    def search(self, queries: VectorSet, k: int) -> StoreHits:
        """The k best points of each query, along the collection's own index."""
        check_queries(queries, self, k)
        sign = -1.0 if self.metric == "euclidean" else 1.0
        found: list[Sequence[Any]] = []
        for start in range(0, len(queries), QUERIES_AT_ONCE):
            requests = [
                self.models.QueryRequest(query=query, using=self.name or None, limit=k, with_payload=self._fields())
                for query in _lists(queries.items(start, start + QUERIES_AT_ONCE))
            ]
            with engine_faults(self.location, self.secret):
                found += [one.points for one in self.client.query_batch_points(self.location.table, requests)]
        return StoreHits(
            [[self._id(point) for point in points] for points in found],
            [[sign * point.score for point in points] for points in found],
            [[str(point.payload.get(self.location.text, "")) for point in points] for points in found],
        )

    def add(self, rows: StoreRows) -> None:
        """Write rows, in place of those that have their ids."""
        assert rows.vectors is not None
        points = [
            self.models.PointStruct(
                id=int(id_), vector={self.name: vector} if self.name else vector, payload={self.location.text: text}
            )
            for id_, text, vector in zip(rows.ids, rows.texts, _lists(rows.vectors), strict=True)
        ]
        with engine_faults(self.location, self.secret):
            self.client.upsert(self.location.table, points, wait=True)

    def close(self) -> None:
        """Let go of the connection, or of the folder's lock."""
        self.client.close()

    def _fields(self) -> list[str]:
        return [name for name in (self.location.text, self.location.title, self.location.id) if name is not None]

    def _id(self, point: Any) -> str:
        return str(point.id if self.location.id is None else point.payload.get(self.location.id))

    def _rows(self, points: Sequence[Any]) -> StoreRows:
        values = [point.vector[self.name] if self.name else point.vector for point in points]
        vectors = VectorSet.of(
            [torch.tensor(value) for value in values] if self.late_interaction else torch.tensor(values)
        )
        texts = [point.payload.get(self.location.text) for point in points]
        title = self.location.title
        titles = None if title is None else [point.payload.get(title) for point in points]
        return StoreRows([self._id(point) for point in points], texts, vectors, titles)


def open_qdrant(location: StoreLocation) -> QdrantStore:
    """Open a collection.

    Raises:
        ValueError: no server, folder, collection, vector or field; a refused key; a folder that is not trusted.
        ImportError: without the extra `qdrant`.
    """
    client, models, secret = _connected(location)
    with closed_on_fault(client), engine_faults(location, secret):
        if not client.collection_exists(location.table):
            names = ", ".join(one.name for one in client.get_collections().collections) or "none"
            raise NoTableError(f"{location}: there is no collection {location.table!r}, only {names}")
        configured = client.get_collection(location.table).config.params.vectors
        fields = configured if isinstance(configured, dict) else {"": configured}
        name = vector_column(location, list(fields), fields)
        params = fields[name]
        store = QdrantStore(
            location, client, models, name, params.size, metric_named(location, METRICS, params.distance.value),
            PRECISIONS[None if params.datatype is None else params.datatype.value], params.multivector_config is not None, secret,
        )  # fmt: skip
        if first := client.scroll(location.table, limit=1, with_payload=True)[0]:
            check_columns(location, first[0].payload)
    return store


def make_qdrant(location: StoreLocation, width: int, metric: Metric) -> QdrantStore:
    """Make an empty collection of single vectors.

    Raises:
        ValueError: as `open_qdrant`.
    """
    client, models, secret = _connected(location, new=True)
    distance = next(name for name, value in METRICS.items() if value == metric)
    vectors = models.VectorParams(size=width, distance=models.Distance(distance))
    with closed_on_fault(client), engine_faults(location, secret):
        client.create_collection(location.table, {location.vector: vectors} if location.vector else vectors)
    return QdrantStore(location, client, models, location.vector or "", width, metric, "float32", False, secret)


def _connected(location: StoreLocation, new: bool = False) -> tuple[Any, Any, str | None]:
    qdrant = import_extra("qdrant_client", "qdrant", "Qdrant")
    if location.scheme == "qdrant-local":
        _check_trusted(location, new)
        with engine_faults(location):
            return qdrant.QdrantClient(path=location.place), qdrant.models, None
    secret = secret_of(location, KEY)
    https = location.options.get("https", "no") == "yes"
    address = f"{'https' if https else 'http'}://{location.place}{'' if ':' in location.place else ':6333'}"
    with engine_faults(location, secret):
        timeout = int(location.options.get("timeout", 60))
        client = qdrant.QdrantClient(url=address, api_key=secret, timeout=timeout, check_compatibility=False)
    return client, qdrant.models, secret


def _check_trusted(location: StoreLocation, new: bool) -> None:
    """Refuse a folder that is none of Qdrant's, or that nobody said to trust, before anything in it is read."""
    described = Path(location.place, "meta.json")
    if new and not described.exists():
        return
    if not described.is_file():
        raise NoTableError(f"{location}: {location.place} is no folder of Qdrant's local mode: it has no meta.json")
    if location.options.get("allow_pickle") != "yes":
        names = ", ".join(json.loads(described.read_text(encoding="utf-8")).get("collections", {}))
        raise ValueError(
            f"{location}: a local folder of Qdrant (collections {names}) holds pickles, which can run code when they are "
            "read; if you trust who wrote it, say so with allow_pickle=yes in the URL"
        )


def _lists(vectors: VectorSet) -> list[Any]:
    """Each item as Qdrant's client takes it: a list of numbers, or of token vectors."""
    if vectors.lengths is None:
        return list(vectors.vectors.tolist())
    return [part.tolist() for part in vectors.vectors.split(vectors.lengths.tolist())]
