"""Baselines on one vector a text: mean squared error and cosine to the teacher's vector.

MSE is the multilingual distillation of Reimers and Gurevych (EMNLP 2020, arXiv:2004.09813), which sentence-transformers
trains as `MSELoss`.

Shapes: B pairs, D width.
"""

from torch import Tensor
from torch.nn.functional import cosine_similarity

from optical_hf.objectives.pairs import PairTensors


def pooled_mse(pairs: PairTensors) -> Tensor:
    """Squared distance between the two vectors, averaged over the width: (B,)."""
    difference_BD = pairs.student_vector_BD.float() - pairs.teacher_vector_BD.float()
    return difference_BD.square().mean(dim=-1)


def pooled_cosine(pairs: PairTensors) -> Tensor:
    """One minus the cosine between the two vectors: (B,)."""
    return 1 - cosine_similarity(pairs.student_vector_BD.float(), pairs.teacher_vector_BD.float(), dim=-1)
