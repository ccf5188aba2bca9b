"""Contrastive objectives: each student text must find its own English text among those of the batch, and of a bank.

That is the English side of its pair, or for `contrastive` the pair's document where it has one. What is no wrong answer is left
out: another copy of a text's own English side, as many-way bitext has it, and another English side of the same text, as captions
of one image and variants of a translation are. Where the batch is spread over devices, `PairTensors.batch` holds the documents
of all of it. A batch of one without a bank has nothing to find and costs 0.

Shapes: B pairs, C documents: the whole batch and the bank, D width.
"""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from optical_hf.objectives.pairs import PairTensors
from optical_hf.objectives.scores import TEMPERATURE, document_vectors, student_maxsim

SAME = 1 - 1e-4
"""Cosine of two teacher vectors from which on they are those of one text, half precision allowed for."""


def contrastive(pairs: PairTensors, temperature: float = TEMPERATURE) -> Tensor:
    """InfoNCE by one vector a text, cosines over the temperature: (B,).

    Source: van den Oord et al. 2018, arXiv:1807.03748, with the other texts of the batch as negatives, and those of the
    bank: a memory bank, Wu et al. 2018, arXiv:1805.01978, whose vectors never age, for the teacher does not change.
    """
    documents_CD = document_vectors(pairs)
    student_BC = normalize(pairs.student_vector_BD.float(), dim=-1) @ documents_CD.T
    return _own_among_others(student_BC, documents_CD, pairs, temperature)


def contrastive_maxsim(pairs: PairTensors, temperature: float = TEMPERATURE) -> Tensor:
    """The same with late interaction: the mean over the student's tokens of the largest cosine to a token of the text: (B,).

    Source: ColBERT's scores, Khattab and Zaharia 2020, arXiv:2004.12832, with a mean in place of the sum (see `kl_maxsim`).
    """
    pairs = pairs._replace(bank=None)
    return _own_among_others(student_maxsim(pairs), document_vectors(pairs), pairs, temperature)


def _own_among_others(scores_BC: Tensor, documents_CD: Tensor, pairs: PairTensors, temperature: float) -> Tensor:
    own_B = pairs.whole_batch.offset + torch.arange(len(scores_BC), device=scores_BC.device)
    right_BC = documents_CD[own_B] @ documents_CD.T > SAME
    if pairs.target_B is not None and pairs.document_target_C is not None:
        right_BC |= pairs.target_B.unsqueeze(1) == pairs.document_target_C
    others_BC = right_BC.scatter(1, own_B.unsqueeze(1), False)
    return cross_entropy((scores_BC / temperature).masked_fill(others_BC, float("-inf")), own_B, reduction="none")
