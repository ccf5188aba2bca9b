"""Exact search, block by block: inner products of single vectors or MaxSim of tokens, in memory for one block of scores.

MaxSim(q, d) = sum_{i in q} max_{j in d} <q_i, d_j> (Khattab and Zaharia 2020, "ColBERT", eq. 3). A block of documents is padded
by repeating a document's own last token, which changes no maximum: zeros would win where all similarities are negative. A score
is kept if it reaches the k-th best so far, so a block with nothing new costs one comparison. On a CPU comparing, sorting and the
product itself are numpy's, which is faster there than torch.

Shapes: Q queries, N documents, K results, T query tokens, L document tokens, D width.
"""

import threading
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from optical_hf.settings_checks import check_counts
from optical_hf.stores.search_engine import Index, SearchResult, check_widths
from optical_hf.stores.vectors import VectorSet, VectorStore

BLOCKS = {"cpu": (512, 8192), "other": (4096, 32_768)}
"""Queries and documents in one product: on a CPU the scores stay in the cache, elsewhere launches cost."""


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
    exact: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_counts(**{n: size for n in ("query_block", "document_block") if (size := getattr(self, n)) is not None})

    def index(self, documents: VectorStore) -> Index:
        """Nothing is built: the documents are read block by block at each search."""
        device = torch.device(self.device or ("cuda" if torch.cuda.is_available() else "cpu"))
        rows, columns = BLOCKS["cpu" if device.type == "cpu" else "other"]
        return _ExactIndex(documents, device, self.query_block or rows, self.document_block or columns)


class _Product(threading.local):
    """left @ right.T into memory that is used again: fresh pages for every block cost half as much as the product.

    On a CPU by numpy's BLAS, which took a fifth less time than torch's. Each thread has memory of its own.
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


@dataclass(frozen=True)
class _ExactIndex:
    documents: VectorStore
    device: torch.device
    query_block: int
    document_block: int
    product: _Product = field(default_factory=_Product, repr=False)

    def search(self, queries: VectorSet, k: int) -> SearchResult:
        """The k documents with the largest inner product or MaxSim, in memory for one block of scores."""
        parts = [queries.items(first, stop) for first, stop in _blocks(queries, self.query_block)]
        blocks = [_query_block(part, self.device) for part in parts]
        best = [_Best(len(part), k, self.device) for part in parts]
        product = self.product if self.device.type == "cpu" else _Product()  # an accelerator's memory is given back
        for start, piece in self.documents:
            check_widths(queries, self.documents, piece)
            for first, stop in _blocks(piece, self.document_block):
                documents = _padded(piece.items(first, stop)).to(self.device)
                for block, kept in zip(blocks, best, strict=True):
                    kept.offer(block.scores(documents, product), start + first)
        results = [kept.result() for kept in best]
        return SearchResult(torch.cat([r.scores for r in results]), torch.cat([r.positions for r in results]))


class _QueryBlock(NamedTuple):
    """Vectors of some queries; `owner_TQ` sums tokens into their queries and is None for single vectors."""

    vectors: Tensor
    owner_TQ: Tensor | None

    def scores(self, documents: Tensor, product: _Product) -> Tensor:
        """Scores (N, Q) with documents (N, D), or (L, N, D) for MaxSim; valid until the next call."""
        if self.owner_TQ is None:
            return product(documents, self.vectors)
        similarity_LNT = product(documents.flatten(0, 1), self.vectors).unflatten(0, documents.shape[:2])
        return similarity_LNT.amax(0) @ self.owner_TQ


def _query_block(part: VectorSet, device: torch.device) -> _QueryBlock:
    if part.lengths is None:
        return _QueryBlock(part.vectors.to(device), None)
    owner_T = torch.repeat_interleave(torch.arange(len(part)), part.lengths)
    return _QueryBlock(part.vectors.to(device), torch.nn.functional.one_hot(owner_T, len(part)).float().to(device))


def _blocks(items: VectorSet, size: int) -> list[tuple[int, int]]:
    """Cut items into runs of `size` vectors: items times the longest of them where items have tokens, or one item."""
    if items.lengths is None:
        return [(start, min(start + size, len(items))) for start in range(0, len(items), size)]
    ranges, start, longest = [], 0, 0
    for item, length in enumerate(items.lengths.tolist()):
        longest = max(longest, length)
        if item > start and longest * (item - start + 1) > size:
            ranges.append((start, item))
            start, longest = item, length
    return [*ranges, (start, len(items))] if len(items) else []


def _padded(part: VectorSet) -> Tensor:
    """Documents (N, D), or (L, N, D) with each document's last token repeated up to the longest."""
    if part.lengths is None:
        return part.vectors
    begins_N = part.lengths.cumsum(0) - part.lengths
    token_LN = torch.minimum(torch.arange(int(part.lengths.max()))[:, None], part.lengths - 1) + begins_N
    return part.vectors[token_LN]


class _Best:
    """The K best of each query among the scores offered so far.

    A score and a position make one whole number that grows with the score and, where scores are equal, falls with the
    position: no two are equal, so any selection of the largest resolves ties in the same way. What reaches a query's
    threshold, the K-th best when it was last looked at, waits until there is enough of it to look again.
    """

    def __init__(self, queries: int, k: int, device: torch.device) -> None:
        self.keys_QK = torch.full((queries, k), NOTHING, device=device)
        self.least_Q = torch.full((queries,), -torch.inf, device=device)
        self.waiting: list[tuple[Tensor, Tensor]] = []
        self.count = 0

    def offer(self, scores_NQ: Tensor, start: int) -> None:
        """Keep what beats the k-th best so far, or equals it."""
        queries, k = self.keys_QK.shape
        if not self.count and torch.isneginf(self.least_Q[0]) and len(scores_NQ) >= k:
            self.least_Q = _reached_by(k, scores_NQ)
        found = _reaching(scores_NQ, self.least_Q)
        self.waiting.append((found + start * queries, scores_NQ.flatten()[found]))
        self.count += len(found)
        if self.count > queries * k:
            self._sort_in()

    def result(self) -> SearchResult:
        """The K best, best first, on the CPU."""
        keys_QK = _descending(self._candidates(), self.keys_QK.shape[1])
        found_QK = keys_QK != NOTHING
        scores_QK = torch.where(found_QK, _scores(keys_QK), -torch.inf)
        positions_QK = torch.where(found_QK, LARGEST - (keys_QK & LARGEST), -1)
        return SearchResult(scores_QK.cpu(), positions_QK.cpu())

    def _sort_in(self) -> None:
        """Drop all but the K best so far and raise the threshold to the last of them."""
        self.keys_QK = self._candidates().topk(self.keys_QK.shape[1], dim=1, sorted=False).values
        worst_Q = self.keys_QK.amin(1)
        self.least_Q = torch.where(worst_Q == NOTHING, self.least_Q, _scores(worst_Q))
        self.waiting, self.count = [], 0

    def _candidates(self) -> Tensor:
        """Keys of the K best so far and of what waits (Q, K + largest number that waits for a query)."""
        if not self.count:
            return self.keys_QK
        found, scores = (torch.cat(parts) for parts in zip(*self.waiting, strict=True))
        queries = len(self.keys_QK)
        owner = found % queries
        order = _sorting(owner, queries)
        owner, counts_Q = owner[order], owner.bincount(minlength=queries)
        slots = torch.arange(len(owner), device=owner.device) - (counts_Q.cumsum(0) - counts_Q)[owner]
        new_keys = torch.full((queries, int(counts_Q.max())), NOTHING, device=owner.device)
        new_keys[owner, slots] = _keys(scores, found // queries)[order]
        return torch.cat([self.keys_QK, new_keys], 1)


def _reached_by(k: int, scores_NQ: Tensor) -> Tensor:
    """A score (Q,) that at least k documents reach: the k-th largest among the maxima of twice as many groups."""
    size = max(1, len(scores_NQ) // (2 * k))
    peaks_GQ = scores_NQ[: len(scores_NQ) // size * size].unflatten(0, (-1, size)).amax(1)
    return peaks_GQ.topk(k, dim=0, sorted=False).values.amin(0)


def _reaching(scores_NQ: Tensor, least_Q: Tensor) -> Tensor:
    """Places in the flattened scores that reach the threshold; on a CPU by numpy, in a third of torch's time."""
    if scores_NQ.device.type == "cpu":
        return torch.from_numpy(np.flatnonzero(scores_NQ.numpy() >= least_Q.numpy()))
    return (scores_NQ >= least_Q).flatten().nonzero().squeeze(1)


def _sorting(owner: Tensor, queries: int) -> Tensor:
    """The order in which a query's finds are neighbours; numpy sorts 16 bits by radix, in a seventh of torch's time."""
    if owner.device.type == "cpu":
        return torch.from_numpy(owner.numpy().astype(np.min_scalar_type(queries)).argsort(kind="stable"))
    return owner.argsort()


def _descending(keys_QC: Tensor, k: int) -> Tensor:
    """The k largest of each row, largest first; numpy sorts whole numbers in a tenth of torch's time."""
    if keys_QC.device.type == "cpu":
        return torch.from_numpy(np.sort(keys_QC.numpy(), axis=1)[:, : -k - 1 : -1].copy())
    return keys_QC.sort(dim=1, descending=True).values[:, :k]


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
