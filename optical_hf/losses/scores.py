"""Scores of queries and candidates that losses are made from: cosines of vectors, MaxSim of tokens, and their divergence.

The candidates are the English sides of the whole batch, or `PairTensors.relevant_BD` where relevance is known, and behind them
those of a bank.

Shapes: B pairs, C candidates: the whole batch and the bank, N student tokens, M teacher tokens, D width.
"""

import torch
from sentence_transformers.util import mean_maxsim
from torch import Tensor
from torch.nn.functional import kl_div, log_softmax, normalize

from optical_hf.losses.pair_tensors import PairTensors


def candidate_vectors(pairs: PairTensors) -> Tensor:
    """The teacher's vectors of the candidates, of unit length, the batch's first, then the bank's: (C, D)."""
    batch = pairs.whole_batch
    candidate_CD = batch.teacher_CD if batch.relevant_CD is None else batch.relevant_CD
    if pairs.bank is not None:
        candidate_CD = torch.cat([candidate_CD, pairs.bank.vectors_KD.to(candidate_CD)])
    return normalize(candidate_CD.float(), dim=-1)


def vector_scores(pairs: PairTensors) -> tuple[Tensor, Tensor]:
    """Cosines of each query with each candidate (B, C): the student's, the teacher's."""
    candidate_DC = candidate_vectors(pairs).T
    student_BD, teacher_BD = (normalize(v.float(), dim=-1) for v in (pairs.student_vector_BD, pairs.teacher_vector_BD))
    return student_BD @ candidate_DC, teacher_BD @ candidate_DC


def student_maxsim(pairs: PairTensors) -> Tensor:
    """MaxSim of each query of the student with each candidate, the mean over the query's tokens: (B, C)."""
    return _maxsim(pairs.student_BND, pairs.student_content_BN, pairs)


def teacher_maxsim(pairs: PairTensors) -> Tensor:
    """The same of the teacher's queries."""
    return _maxsim(pairs.teacher_BMD, pairs.teacher_content_BM, pairs)


def divergence(student_BC: Tensor, teacher_BC: Tensor, temperature: float) -> Tensor:
    """`KL(softmax(T_b / t) || softmax(S_b / t))` of the rows, (B,)."""
    student_BC, teacher_BC = (log_softmax(scores / temperature, dim=-1) for scores in (student_BC, teacher_BC))
    return kl_div(student_BC, teacher_BC, reduction="none", log_target=True).sum(dim=-1)


def _maxsim(query_BND: Tensor, mask_BN: Tensor, pairs: PairTensors) -> Tensor:
    batch = pairs.whole_batch
    assert batch.teacher_CMD is not None
    assert batch.teacher_mask_CM is not None
    candidate_CMD, mask_CM = _unit(batch.teacher_CMD, batch.teacher_mask_CM), batch.teacher_mask_CM
    return mean_maxsim(_unit(query_BND, mask_BN), candidate_CMD, mask_BN, mask_CM)


def _unit(tokens_BND: Tensor, mask_BN: Tensor) -> Tensor:
    """Tokens of unit length, in float32; whatever stands at padding, NaN included, becomes 0 and has gradient 0."""
    return normalize(tokens_BND.float().masked_fill(~mask_BN.unsqueeze(-1), 0.0), dim=-1)
