"""Reciprocal rank fusion of several searches of the same queries: score = sum over searches of 1 / (constant + rank).

Cormack, Clarke, Büttcher 2009, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning Methods" (SIGIR). Ranks
need no common scale, so a cosine and BM25 can be fused.

Shapes: Q queries, K results.
"""

from collections.abc import Sequence

import torch

from optical_hf.stores.search_engine import SearchResult, order_results

CONSTANT = 60
FIRST = 1e-4
"""By how much more the first search counts: where each of two documents heads one list, its own comes first."""
AT_ONCE = 256
"""Queries fused together: each compares all its documents with each other."""


def fuse_ranks(results: Sequence[SearchResult], count: int, constant: int = CONSTANT) -> SearchResult:
    """The best documents of several searches by their ranks.

    Args:
        results: of the same queries in the same documents, each best first; the first one decides between equal documents.
        count: documents of each query, at most.
        constant: the higher, the less the first ranks count.

    Raises:
        ValueError: no result, or a constant below 0.

    Example:
        >>> one = SearchResult(torch.tensor([[0.9, 0.8]]), torch.tensor([[4, 7]]))
        >>> other = SearchResult(torch.tensor([[12.0, 3.0]]), torch.tensor([[7, 2]]))
        >>> fuse_ranks([one, other], 3).positions
        tensor([[7, 4, 2]])
    """
    if not results or constant < 0:
        raise ValueError(f"expected results to fuse and a constant of at least 0, got {len(results)} and {constant}")
    parts = [[SearchResult(*rows) for rows in zip(*(t.split(AT_ONCE) for t in one), strict=True)] for one in results]
    fused = [_fused(part, count, constant) for part in zip(*parts, strict=True)]
    return SearchResult(torch.cat([one.scores for one in fused]), torch.cat([one.positions for one in fused]))


def _fused(results: Sequence[SearchResult], count: int, constant: int) -> SearchResult:
    weights = [
        (1 if number else 1 + FIRST) / (constant + torch.arange(1, result.positions.shape[1] + 1, dtype=torch.float32))
        for number, result in enumerate(results)
    ]
    position_QK = torch.cat([result.positions for result in results], 1)
    # A document that several searches found stands once, with its sum.
    same_QKK = position_QK.unsqueeze(2) == position_QK.unsqueeze(1)
    sum_QK = same_QKK.float() @ torch.cat(weights)
    earlier_QK = same_QKK.tril(-1).any(2)
    fused = order_results(sum_QK, position_QK.masked_fill(earlier_QK, -1))
    return SearchResult(fused.scores[:, :count], fused.positions[:, :count])
