"""LanceDB: an embedded table on disk that searches one vector or one vector a token (MaxSim). Needs the extra `search`.

Without an index it compares with every document (exact); with one (IVF-PQ on tokens, re-ranked) it is approximate.
MaxSim there is by cosine: LanceDB reports sum_i (1 - max_j cos(q_i, d_j)).

Shapes: Q queries, K results.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch

from optical_hf.extras import import_extra
from optical_hf.files import expand_path
from optical_hf.settings_checks import check_counts
from optical_hf.stores.search_engine import Index, SearchResult, check_widths, order_results
from optical_hf.stores.vectors import VectorSet, VectorStore

TOLERANCE = 1e-3
"""How far lengths of vectors may be from each other, relatively, to count as one."""


@dataclass(frozen=True)
class LanceSearch:
    """Settings of a LanceDB table.

    Args:
        folder: where the table is kept; None takes a temporary folder that goes when the index goes.
        approximate: build an IVF-PQ index, which needs at least 256 vectors, instead of comparing with every document.
        probes: lists looked at by a query vector.
        refine: how many times k candidates are compared exactly at the end.
    """

    folder: Path | None = None
    approximate: bool = False
    probes: int = 32
    refine: int = 10

    def __post_init__(self) -> None:
        check_counts(probes=self.probes, refine=self.refine)

    @property
    def exact(self) -> bool:
        """Whether the k best are found for sure."""
        return not self.approximate

    def index(self, documents: VectorStore) -> Index:
        """Write the documents to a table, piece by piece.

        Raises:
            ImportError: without the extra `search`.
            ValueError: for token vectors that are not of unit length.
        """
        lancedb = import_extra("lancedb", "search", "this engine")
        _, first = next(iter(documents), (0, None))
        if first is None:
            return _LanceIndex(None, documents, None, self)
        temporary, folder = None, self.folder
        if folder is None:
            temporary = tempfile.TemporaryDirectory(prefix="optical_hf_lance_")
            folder = Path(temporary.name)
        database = lancedb.connect(expand_path(folder))
        table = database.create_table("documents", data=_batches(documents), schema=_schema(first), mode="overwrite")
        if self.approximate:
            table.create_index("vector", config=lancedb.index.IvfPq(distance_type="cosine"))
        return _LanceIndex(table, documents, first.items(0, 0), self, temporary)


@dataclass(frozen=True)
class _LanceIndex:
    table: Any
    documents: VectorStore
    shape: VectorSet | None
    settings: LanceSearch
    temporary: Any = field(default=None, repr=False)

    def search(self, queries: VectorSet, k: int) -> SearchResult:
        """The k documents with the largest MaxSim or inner product, one query after the other.

        Raises:
            ValueError: for a query whose token vectors differ in length.
        """
        scores_QK, positions_QK = result = SearchResult.empty(len(queries), k)
        if self.shape is None:
            return result
        check_widths(queries, self.documents, self.shape)
        parts = queries.vectors.split(1 if queries.lengths is None else queries.lengths.tolist())
        for row, part in enumerate(parts):
            length = _common_length(part)
            vector = part[0] if queries.lengths is None else part
            search = self.table.search(vector.numpy(), vector_column_name="vector").distance_type("cosine").limit(k)
            if self.settings.approximate:
                search = search.nprobes(self.settings.probes).refine_factor(self.settings.refine)
            found = search.select(["position", "_distance"]).to_arrow()
            distance = torch.tensor(found["_distance"].to_pylist(), dtype=torch.float32)
            scores_QK[row, : len(distance)] = length * (len(part) - distance)
            positions_QK[row, : len(distance)] = torch.tensor(found["position"].to_pylist(), dtype=torch.int64)
        return order_results(scores_QK, positions_QK)


def _common_length(query: torch.Tensor) -> torch.Tensor:
    """The length that all vectors of a query share: what the cosines are multiplied by to give the model's scores."""
    lengths = query.norm(dim=-1)
    if lengths.max() - lengths.min() > TOLERANCE * lengths.max():
        raise ValueError(
            f"LanceDB compares by cosine and a query has token vectors of {lengths.min():.3g} to {lengths.max():.3g} in length: "
            "its order would differ from that of the model; take engine='exact'"
        )
    return lengths.mean()


def _schema(piece: VectorSet) -> pa.Schema:
    vector = pa.list_(pa.float32(), piece.width)
    return pa.schema({"position": pa.int64(), "vector": vector if piece.lengths is None else pa.list_(vector)})


def _batches(documents: VectorStore) -> Iterator[pa.RecordBatch]:
    for start, piece in documents:
        if not torch.allclose(piece.vectors.norm(dim=-1), torch.ones(()), atol=TOLERANCE):
            raise ValueError(
                "LanceDB compares by cosine and the documents have vectors that are not of unit length: its order "
                "would differ from that of the model; take engine='exact'"
            )
        column: pa.Array = pa.FixedSizeListArray.from_arrays(pa.array(piece.vectors.flatten().numpy()), piece.width)
        if piece.lengths is not None:
            ends = torch.cat([torch.zeros(1, dtype=torch.int64), piece.lengths.cumsum(0)])
            column = pa.ListArray.from_arrays(pa.array(ends.int().numpy()), column)
        positions = pa.array(range(start, start + len(piece)), pa.int64())
        yield pa.record_batch([positions, column], schema=_schema(piece))
