"""Exact search in torch, block by block: inner products of single vectors or MaxSim of tokens, memory for one block.

MaxSim(q, d) = sum_{i in q} max_{j in d} <q_i, d_j> (Khattab and Zaharia 2020, "ColBERT", eq. 3). A block of documents
is padded by repeating a document's own last token, which no maximum can notice: there is no mask to forget, and no
product with zero that would let padding win where all similarities are negative. The matrix of all queries times all
documents never exists; a score is kept if it beats the k-th best so far, so a block with nothing new costs one
comparison. Knows nothing about models or relevance.

Shapes: Q queries, N documents, K results, T query tokens, L document tokens, D width.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from optical_hf.evaluation.engines import Index, TopK, check_widths
from optical_hf.evaluation.vectors import VectorSet, VectorStore

BLOCKS = {"cpu": (512, 1024), "other": (4096, 32_768)}
"""Rows of queries and of documents in one product: on a CPU the scores stay in the cache, elsewhere launches cost."""

GROUP = 32
"""Columns of which the largest score is looked at first."""


@dataclass(frozen=True)
class ExactSearch:
    """Settings of the exact search.

    Args:
        device: where products are computed; None takes the GPU if there is one.
        query_block: query vectors (or query tokens) in one product; None decides by the device.
        document_block: document vectors (or document tokens) in one product; None decides by the device.

    Example:
        >>> index = ExactSearch(device="cpu").index(VectorStore.of(torch.eye(3)))
        >>> index.search(VectorSet.of(torch.tensor([[0.1, 0.9, 0.2]])), k=2).positions
        tensor([[1, 2]])
    """

    device: str | None = None
    query_block: int | None = None
    document_block: int | None = None

    @property
    def exact(self) -> bool:
        """True: the k best are found for sure."""
        return True

    def index(self, documents: VectorStore) -> Index:
        """Nothing is built: the documents are read block by block at each search."""
        device = torch.device(self.device or ("cuda" if torch.cuda.is_available() else "cpu"))
        rows, columns = BLOCKS["cpu" if device.type == "cpu" else "other"]
        return _ExactIndex(documents, device, self.query_block or rows, self.document_block or columns)


@dataclass(frozen=True)
class _ExactIndex:
    documents: VectorStore
    device: torch.device
    query_block: int
    document_block: int

    def search(self, queries: VectorSet, k: int) -> TopK:
        """The k documents with the largest inner product or MaxSim, in memory for one block of scores."""
        blocks = [block.to(self.device) for block in _query_blocks(queries, self.query_block)]
        best = [_Best(block.count, k, self.device) for block in blocks]
        product = _Product()
        for start, piece in self.documents:
            check_widths(queries, self.documents, piece)
            for first, stop in _document_blocks(piece, self.document_block):
                documents = _padded(piece, first, stop).to(self.device)
                for block, found in zip(blocks, best, strict=True):
                    found.offer(block.scores(documents, product), start + first)
        results = [found.result() for found in best]
        return TopK(torch.cat([r.scores for r in results]), torch.cat([r.positions for r in results]))


@dataclass(frozen=True)
class _QueryBlock:
    """Vectors of some queries; `owner_QT` sums tokens into their queries and is None for single vectors."""

    vectors: Tensor
    owner_QT: Tensor | None
    count: int

    def to(self, device: torch.device) -> "_QueryBlock":
        owner = None if self.owner_QT is None else self.owner_QT.to(device)
        return _QueryBlock(self.vectors.to(device), owner, self.count)

    def scores(self, documents: Tensor, product: "_Product") -> Tensor:
        """Scores (Q, N) with documents (N, D), or (L, N, D) for MaxSim; valid until the next call."""
        if self.owner_QT is None:
            return product(self.vectors, documents)
        similarity_TLN = product(self.vectors, documents.flatten(0, 1)).unflatten(1, documents.shape[:2])
        return self.owner_QT @ similarity_TLN.amax(1)


class _Product:
    """left @ right.T into memory that is used again: fresh pages for every block cost half as much as the product.

    On a CPU by numpy's BLAS, which measured a tenth faster than torch's.
    """

    def __init__(self) -> None:
        self.memory = torch.empty(0)

    def __call__(self, left: Tensor, right: Tensor) -> Tensor:
        size = len(left) * len(right)
        if len(self.memory) < size:
            self.memory = torch.empty(size, device=left.device)
        result = self.memory[:size].view(len(left), len(right))
        if left.device.type == "cpu":
            np.matmul(left.numpy(), right.numpy().T, out=result.numpy())
            return result
        return torch.matmul(left, right.T, out=result)


def _query_blocks(queries: VectorSet, size: int) -> list[_QueryBlock]:
    if queries.lengths is None:
        return [_QueryBlock(block, None, len(block)) for block in queries.vectors.split(size)]
    blocks = []
    for start, stop in _ranges(queries.lengths.tolist(), size):
        part = queries.items(start, stop)
        owner_T = torch.repeat_interleave(torch.arange(len(part)), part.lengths)
        owner_QT = torch.nn.functional.one_hot(owner_T, len(part)).T.float().contiguous()
        blocks.append(_QueryBlock(part.vectors, owner_QT, len(part)))
    return blocks


def _document_blocks(piece: VectorSet, size: int) -> list[tuple[int, int]]:
    if piece.lengths is None:
        return [(start, min(start + size, len(piece))) for start in range(0, len(piece), size)]
    return _ranges(piece.lengths.tolist(), size)


def _ranges(lengths: list[int], size: int) -> list[tuple[int, int]]:
    """Cut items into runs whose padded size, items times longest item, stays within `size` (or that are one item)."""
    ranges, start, longest = [], 0, 0
    for item, length in enumerate(lengths):
        longest = max(longest, length)
        if item > start and longest * (item - start + 1) > size:
            ranges.append((start, item))
            start, longest = item, length
    return [*ranges, (start, len(lengths))] if lengths else []


def _padded(piece: VectorSet, first: int, stop: int) -> Tensor:
    """Documents (N, D), or (L, N, D) with each document's last token repeated up to the longest."""
    part = piece.items(first, stop)
    if part.lengths is None:
        return part.vectors
    begins_N = part.lengths.cumsum(0) - part.lengths
    token_LN = torch.minimum(torch.arange(int(part.lengths.max()))[:, None], part.lengths - 1) + begins_N
    return part.vectors[token_LN]


class _Best:
    """The K best of each query among the scores offered so far.

    A score and a position make one whole number that grows with the score and, where scores are equal, falls with the
    position: no two are equal, so any selection of the largest resolves ties in the same way.
    """

    def __init__(self, queries: int, k: int, device: torch.device) -> None:
        self.keys_QK = torch.full((queries, k), NOTHING, device=device)
        self.least_Q1 = torch.full((queries, 1), -torch.inf, device=device)
        self.waiting: list[tuple[Tensor, Tensor]] = []
        self.count = 0

    def offer(self, scores_QN: Tensor, start: int) -> None:
        """Keep what beats the k-th best so far, or equals it."""
        queries, k = self.keys_QK.shape
        if not self.count and scores_QN.shape[1] >= k and torch.isneginf(self.least_Q1).all():
            self.least_Q1 = scores_QN.topk(k, dim=1, sorted=False).values.amin(1, keepdim=True)
        rows, columns, scores = _reaching(scores_QN, self.least_Q1)
        if len(rows):
            self.waiting.append((rows, _keys(scores, columns + start)))
            self.count += len(rows)
            if self.count > queries * k:
                self._sort_in()

    def result(self) -> TopK:
        """The K best, best first, on the CPU."""
        self._sort_in()
        keys_QK = self.keys_QK.sort(dim=1, descending=True).values
        found_QK = keys_QK != NOTHING
        scores_QK = torch.where(found_QK, _scores(keys_QK), -torch.inf)
        positions_QK = torch.where(found_QK, LARGEST - (keys_QK & LARGEST), -1)
        return TopK(scores_QK.cpu(), positions_QK.cpu())

    def _sort_in(self) -> None:
        if not self.waiting:
            return
        rows, keys = (torch.cat(parts) for parts in zip(*self.waiting, strict=True))
        rows, order = rows.sort()
        counts_Q = rows.bincount(minlength=len(self.keys_QK))
        slots = torch.arange(len(rows), device=rows.device) - (counts_Q.cumsum(0) - counts_Q)[rows]
        new_keys = torch.full((len(counts_Q), int(counts_Q.max())), NOTHING, device=rows.device)
        new_keys[rows, slots] = keys[order]
        self.keys_QK = torch.cat([self.keys_QK, new_keys], 1).topk(self.keys_QK.shape[1], dim=1, sorted=False).values
        worst_Q1 = self.keys_QK.amin(1, keepdim=True)
        self.least_Q1 = torch.where(worst_Q1 == NOTHING, -torch.inf, _scores(worst_Q1))
        self.waiting, self.count = [], 0


LARGEST = 2**32 - 1
NOTHING = -(2**63)


def _keys(scores: Tensor, positions: Tensor) -> Tensor:
    """Score in the upper 32 bits, so that they sort as the numbers do, and the position, counted down, in the lower."""
    bits = (scores + 0.0).view(torch.int32)  # adding zero makes one zero of both
    return (_sortable(bits).long() << 32) | (LARGEST - positions)


def _scores(keys: Tensor) -> Tensor:
    return _sortable((keys >> 32).int()).view(torch.float32)


def _sortable(bits: Tensor) -> Tensor:
    """From the bits of a float to a whole number in the same order, and back."""
    return bits ^ ((bits >> 31) & 0x7FFFFFFF)


def _reaching(scores_QN: Tensor, least_Q1: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Rows, columns and scores of what reaches a row's threshold; most groups of columns have none."""
    whole = scores_QN.shape[1] // GROUP * GROUP
    groups_QGC = scores_QN[:, :whole].unflatten(1, (-1, GROUP))
    rows, groups = (groups_QGC.amax(2) >= least_Q1).nonzero(as_tuple=True)
    scores_HC = groups_QGC[rows, groups]
    hits, columns = (scores_HC >= least_Q1[rows]).nonzero(as_tuple=True)
    found = rows[hits], groups[hits] * GROUP + columns, scores_HC[hits, columns]
    if whole == scores_QN.shape[1]:
        return found
    rows, columns = (scores_QN[:, whole:] >= least_Q1).nonzero(as_tuple=True)
    rest = rows, columns + whole, scores_QN[rows, columns + whole]
    return tuple(torch.cat(parts) for parts in zip(found, rest, strict=True))
