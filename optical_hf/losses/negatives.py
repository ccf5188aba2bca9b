"""Which candidates of a batch are wrong answers to a query, and the cross-entropy of its own among them.

Shapes: B pairs, C candidates: the whole batch and the bank, D width.
"""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from optical_hf.losses.pair_tensors import PairTensors

SAME = 1 - 1e-4
"""Cosine of two teacher vectors from which on they are those of one text, half precision allowed for."""


def own_among_others(scores_BC: Tensor, candidate_CD: Tensor, pairs: PairTensors, temperature: float) -> Tensor:
    """Cross-entropy of each query's own candidate among all that are wrong answers, (B,).

    Left out are other copies of its own candidate, as many-way bitext has them, and the candidates of rows with the same
    student text, as captions of one image and variants of a translation are.

    Args:
        scores_BC: of each query with each candidate.
        candidate_CD: the candidates' vectors, of unit length.
        pairs: the batch.
        temperature: the scores are divided by it.
    """
    own_B = pairs.whole_batch.offset + torch.arange(len(scores_BC), device=scores_BC.device)
    right_BC = candidate_CD[own_B] @ candidate_CD.T > SAME
    if pairs.target_B is not None and pairs.candidate_target_C is not None:
        right_BC |= pairs.target_B.unsqueeze(1) == pairs.candidate_target_C
    others_BC = right_BC.scatter(1, own_B.unsqueeze(1), False)
    return cross_entropy((scores_BC / temperature).masked_fill(others_BC, float("-inf")), own_B, reduction="none")
