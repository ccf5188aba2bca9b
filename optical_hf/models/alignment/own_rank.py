"""The rank at which each held-out query retrieves its own English side, where an English side may occur more than once.

A copy of the right answer is neither right nor wrong: the same English text beside another translation, or another text with the
same vector, takes no part in the ranking. A tie with anything else counts as a miss.

Shapes: S pairs, K width of the English sides' vectors.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from optical_hf.models.teachers.token_cache.cache_shards import text_hash

SAME = 1 - 1e-5  # cosine from which two vectors are one: float32 and padding move it by less


def mean_reciprocal_rank(score_SS: Tensor, text_S: Tensor, vector_SK: Tensor) -> float:
    """The mean reciprocal rank of each query's own English side; arguments as `own_rank` and `same_targets` take them."""
    return float((1 / own_rank(score_SS, same_targets(text_S, vector_SK))).mean())


def text_numbers(texts: Sequence[str]) -> Tensor:
    """A number for each text (S,), equal where the texts are."""
    return torch.tensor([int.from_bytes(text_hash(text)[:8], "big", signed=True) for text in texts], dtype=torch.int64)


def first_of_each(text_N: Tensor) -> Tensor:
    """The places of the first row of each different text (M,), in order.

    Example:
        >>> first_of_each(torch.tensor([7, 8, 7]))
        tensor([0, 1])
    """
    return torch.from_numpy(np.sort(np.unique(text_N.cpu().numpy(), return_index=True)[1]))


def same_targets(text_S: Tensor, vector_SK: Tensor) -> Tensor:
    """Which English sides count as the same: equal texts or equal vectors; (S, S), True on the diagonal.

    Args:
        text_S: from `text_numbers`.
        vector_SK: one vector of each English side.
    """
    unit_SK = normalize(vector_SK.float(), dim=1)
    text_S = text_S.to(unit_SK.device)
    return (text_S.unsqueeze(1) == text_S) | (unit_SK @ unit_SK.T >= SAME)


def own_rank(score_SS: Tensor, same_SS: Tensor) -> Tensor:
    """The rank of each query's own English side, (S,): 1 where everything else scores less.

    Args:
        score_SS: of query i and English side j; NaN counts as a miss.
        same_SS: from `same_targets`.

    Example:
        >>> score = torch.tensor([[0.9, 0.9, 0.1], [0.9, 0.9, 0.1], [0.5, 0.5, 0.5]])
        >>> own_rank(score, same_targets(torch.tensor([7, 7, 8]), torch.eye(3)))
        tensor([1, 1, 3])
    """
    ahead_SS = ~(score_SS < score_SS.diagonal().unsqueeze(1))
    return 1 + (ahead_SS & ~same_SS.to(score_SS.device)).sum(dim=1)
