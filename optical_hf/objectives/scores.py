"""Baselines that teach scores: the student as a query ranks the batch's English texts as the teacher ranks them.

The documents are the teacher's own texts of the batch, so no relevance judgement is needed, or, by one vector a text,
`PairTensors.document_BD` where relevance is known: row b of the student's scores is held to row b of the teacher's. Where the batch
is spread over devices, `PairTensors.batch` holds the documents of all of it; by one vector a text, those of `PairTensors.bank` are
ranked too. A batch of one without a bank has nothing to rank and costs 0.

Shapes: B pairs, C documents: the whole batch and the bank, N student tokens, M teacher tokens, D width.
"""

import torch
from sentence_transformers.util import mean_maxsim
from torch import Tensor
from torch.nn.functional import kl_div, log_softmax, normalize

from optical_hf.objectives.pairs import PairTensors

TEMPERATURE = 0.05


def kl_dot(pairs: PairTensors, temperature: float = TEMPERATURE) -> Tensor:
    """Kullback-Leibler divergence between the teacher's and the student's ranking of the batch by one vector a text: (B,).

    `KL(softmax(T_b / t) || softmax(S_b / t))`, S_bc and T_bc the dot products of the unit vectors of query b, the student's
    and the teacher's, with the teacher's of document c. Not multiplied by t^2.

    Source: Hinton, Vinyals, Dean 2015, arXiv:1503.02531.
    """
    student_BC, teacher_BC = vector_scores(pairs)
    return _divergence(student_BC, teacher_BC, temperature)


def kl_maxsim(pairs: PairTensors, temperature: float = TEMPERATURE) -> Tensor:
    """The same with late interaction: S_bc = mean over the query's tokens of the largest cosine to a token of c: (B,).

    The mean, where ColBERT sums: the two sides of a pair have different numbers of tokens, and their scores one scale.

    Source: KL on ColBERT scores, Santhanam et al. 2022 (ColBERTv2), arXiv:2112.01488, section 3.2.
    """
    documents = _unit_documents(pairs)
    student_BC = _maxsim(pairs.student_BND, pairs.student_mask_BN, *documents)
    teacher_BC = _maxsim(pairs.teacher_BMD, pairs.teacher_mask_BM, *documents)
    return _divergence(student_BC, teacher_BC, temperature)


def vector_scores(pairs: PairTensors) -> tuple[Tensor, Tensor]:
    """Cosines of each query with each document (B, C), the batch's first, then the bank's: the student's, the teacher's."""
    document_DC = document_vectors(pairs).T
    student_BD, teacher_BD = (normalize(v.float(), dim=-1) for v in (pairs.student_vector_BD, pairs.teacher_vector_BD))
    return student_BD @ document_DC, teacher_BD @ document_DC


def document_vectors(pairs: PairTensors) -> Tensor:
    """The teacher's vectors of the documents, of unit length, the batch's first, then the bank's: (C, D)."""
    batch = pairs.whole_batch
    documents_CD = batch.teacher_CD if batch.document_CD is None else batch.document_CD
    if pairs.bank is not None:
        documents_CD = torch.cat([documents_CD, pairs.bank.vectors_KD.to(documents_CD)])
    return normalize(documents_CD.float(), dim=-1)


def student_maxsim(pairs: PairTensors) -> Tensor:
    """MaxSim of each query of the student with each document, the mean over the query's tokens: (B, C)."""
    return _maxsim(pairs.student_BND, pairs.student_mask_BN, *_unit_documents(pairs))


def _maxsim(query_BND: Tensor, mask_BN: Tensor, document_CMD: Tensor, document_mask_CM: Tensor) -> Tensor:
    return mean_maxsim(_unit(query_BND, mask_BN), document_CMD, mask_BN, document_mask_CM)


def _unit_documents(pairs: PairTensors) -> tuple[Tensor, Tensor]:
    """The teacher's tokens of the whole batch, of unit length, and their mask."""
    batch = pairs.whole_batch
    assert batch.teacher_CMD is not None
    assert batch.teacher_mask_CM is not None
    return _unit(batch.teacher_CMD, batch.teacher_mask_CM), batch.teacher_mask_CM


def _divergence(student_BC: Tensor, teacher_BC: Tensor, temperature: float) -> Tensor:
    student_BC, teacher_BC = (log_softmax(scores / temperature, dim=-1) for scores in (student_BC, teacher_BC))
    return kl_div(student_BC, teacher_BC, reduction="none", log_target=True).sum(dim=-1)


def _unit(tokens_BND: Tensor, mask_BN: Tensor) -> Tensor:
    """Tokens of unit length, in float32; whatever stands at padding, NaN included, becomes 0 and has gradient 0."""
    return normalize(tokens_BND.float().masked_fill(~mask_BN.unsqueeze(-1), 0.0), dim=-1)
