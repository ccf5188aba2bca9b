"""FAISS for single vectors: flat (exact), IVF-PQ and HNSW (approximate), by inner product. Needs the extra `search`.

Douze et al. 2024, "The Faiss library" (arXiv:2401.08281).
"""

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch

from optical_hf.extras import import_extra
from optical_hf.settings_checks import check_choices, check_counts
from optical_hf.stores.search_engine import Index, SearchResult, check_widths, order_results
from optical_hf.stores.vectors import VectorSet, VectorStore

Kind = Literal["flat", "ivfpq", "hnsw"]

PQ_CENTROIDS = 256
SINGLE_VECTORS = (
    "FAISS compares single vectors, MaxSim one vector a token: take engine='exact' or 'lancedb', or search='vector'"
)


@dataclass(frozen=True)
class FaissSearch:
    """Settings of a FAISS index.

    Args:
        kind: "flat" compares with every document, "ivfpq" with compressed ones in near lists, "hnsw" along a graph.
        lists: IVF lists; None takes 4 sqrt(documents).
        probes: IVF lists looked at by a query.
        subvectors: bytes a compressed vector; None takes the largest divisor of the width up to 64.
        neighbours: HNSW links of a document.
        breadth: HNSW candidates kept while searching, and twice as many while building.

    Raises:
        ValueError: another kind, or counts below 1.

    Example:
        >>> index = FaissSearch("flat").index(VectorStore.of(torch.eye(3)))
        >>> index.search(VectorSet.of(torch.tensor([[0.1, 0.9, 0.2]])), k=2).positions
        tensor([[1, 2]])
    """

    kind: Kind = "flat"
    lists: int | None = None
    probes: int = 32
    subvectors: int | None = None
    neighbours: int = 32
    breadth: int = 128

    def __post_init__(self) -> None:
        check_choices(kind=(self.kind, get_args(Kind)))
        check_counts(probes=self.probes, neighbours=self.neighbours, breadth=self.breadth)
        check_counts(**{name: value for name in ("lists", "subvectors") if (value := getattr(self, name)) is not None})

    @property
    def exact(self) -> bool:
        """Whether the k best are found for sure."""
        return self.kind == "flat"

    def index(self, documents: VectorStore) -> Index:
        """Train where the kind needs it, and add all documents, piece by piece.

        Raises:
            ImportError: without the extra `search`.
            ValueError: for token vectors, or fewer documents than IVF-PQ can learn from.
        """
        faiss = import_extra("faiss", "search", "this engine")
        index = None
        for _, piece in documents:
            if piece.lengths is not None:
                raise ValueError(SINGLE_VECTORS)
            if index is None:
                description = self._description(documents, piece)
                index = faiss.index_factory(piece.width, description, faiss.METRIC_INNER_PRODUCT)
                if self.kind == "hnsw":
                    index.hnsw.efConstruction, index.hnsw.efSearch = 2 * self.breadth, self.breadth
                if self.kind == "ivfpq":
                    index.nprobe = self.probes
                    index.train(_training_sample(documents, PQ_CENTROIDS * max(PQ_CENTROIDS, self._lists(documents))))
            index.add(piece.vectors.numpy())
        return _FaissIndex(index, documents)

    def _lists(self, documents: VectorStore) -> int:
        return self.lists or max(1, int(4 * math.sqrt(len(documents))))

    def _description(self, documents: VectorStore, piece: VectorSet) -> str:
        if self.kind == "flat":
            return "Flat"
        if self.kind == "hnsw":
            return f"HNSW{self.neighbours},Flat"
        if len(documents) < PQ_CENTROIDS:
            raise ValueError(
                f"IVF-PQ learns {PQ_CENTROIDS} centroids and there are {len(documents)} documents: take "
                "engine='exact', which needs no time for so few"
            )
        subvectors = self.subvectors or next(m for m in range(min(64, piece.width), 0, -1) if piece.width % m == 0)
        lists = min(self._lists(documents), len(documents) // 8)
        return f"IVF{lists},PQ{subvectors}x8np"  # np: without training that only polysemous search would use


@dataclass(frozen=True)
class _FaissIndex:
    index: Any
    documents: VectorStore

    def search(self, queries: VectorSet, k: int) -> SearchResult:
        """The k documents with the largest inner product, as far as the index finds them."""
        if self.index is None:
            return SearchResult.empty(len(queries), k)
        check_widths(queries, self.documents, VectorSet(torch.empty(0, self.index.d)))
        scores_QK, numbers_QK = (torch.from_numpy(values) for values in self.index.search(queries.vectors.numpy(), k))
        return order_results(scores_QK, _positions(self.documents, numbers_QK))


def _positions(documents: VectorStore, numbers_QK: torch.Tensor) -> torch.Tensor:
    """From the order of adding to the position in the whole, which differ where processes share the documents."""
    position_N = torch.cat([torch.arange(start, start + len(piece)) for start, piece in documents])
    return torch.where(numbers_QK < 0, -1, position_N[numbers_QK.clamp(min=0)])


def _training_sample(documents: VectorStore, wanted: int) -> Any:
    """Vectors spread over all pieces: the first piece alone would be the shortest texts."""
    step = max(1, len(documents) // wanted)
    return torch.cat([piece.vectors[::step] for _, piece in documents]).numpy()
