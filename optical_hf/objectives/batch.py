"""Baselines that compare the pairs of a batch with one another: contrastive, and relational (similarity matrices).

They see the pairs they are given and no others; a caller who trains on several devices gathers first.

Shapes: B pairs, D width.
"""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from optical_hf.objectives.pairs import PairTensors


def contrastive(pairs: PairTensors, temperature: float = 0.05) -> Tensor:
    """InfoNCE: each student vector must find its own teacher vector among those of the batch (van den Oord et al. 2018,
    arXiv:1807.03748). Returns (B,), 0 for a batch of one.
    """
    student_BD, teacher_BD = normalize(pairs.student_vector_BD.float()), normalize(pairs.teacher_vector_BD.float())
    scores_BB = student_BD @ teacher_BD.T / temperature
    return cross_entropy(scores_BB, torch.arange(len(scores_BB), device=scores_BB.device), reduction="none")


def relational(pairs: PairTensors) -> Tensor:
    """Keep the teacher's similarities among the texts of a batch (Park et al. 2019, arXiv:1904.05068): the squared difference of
    the two cosine matrices, averaged over each pair's row. Returns (B,).
    """
    student_BD, teacher_BD = normalize(pairs.student_vector_BD.float()), normalize(pairs.teacher_vector_BD.float())
    return (student_BD @ student_BD.T - teacher_BD @ teacher_BD.T).square().mean(dim=-1)
