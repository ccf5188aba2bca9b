"""Baselines that compare the pairs of a batch with one another: contrastive, and relational (similarity matrices).

Where the batch is spread over devices, `PairTensors.batch` holds the vectors of all of it, gathered by the caller.

Shapes: B pairs, C pairs of the whole batch, D width.
"""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from optical_hf.objectives.pairs import PairTensors


def contrastive(pairs: PairTensors, temperature: float = 0.05) -> Tensor:
    """InfoNCE: each student vector must find its own teacher vector among those of the batch: (B,).

    Source: van den Oord et al. 2018, arXiv:1807.03748. A batch of one costs 0.
    """
    batch = pairs.whole_batch
    student_BD, teacher_CD = normalize(pairs.student_vector_BD.float()), normalize(batch.teacher_CD.float())
    scores_BC = student_BD @ teacher_CD.T / temperature
    own_B = batch.offset + torch.arange(len(scores_BC), device=scores_BC.device)
    return cross_entropy(scores_BC, own_B, reduction="none")


def relational(pairs: PairTensors) -> Tensor:
    """Keep the teacher's similarities: the squared difference of the two cosine matrices, averaged by row: (B,).

    Source: Park et al. 2019, arXiv:1904.05068.
    """
    batch = pairs.whole_batch
    student_CD, teacher_CD = normalize(batch.student_CD.float()), normalize(batch.teacher_CD.float())
    own = slice(batch.offset, batch.offset + len(pairs.student_vector_BD))
    return (student_CD[own] @ student_CD.T - teacher_CD[own] @ teacher_CD.T).square().mean(dim=-1)
