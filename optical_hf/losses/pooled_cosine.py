"""Cosine distance to the teacher's vector.

Shapes: B pairs, D width.
"""

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import cosine_similarity

from optical_hf.losses.loss import Loss
from optical_hf.losses.pair_tensors import PairTensors


@dataclass(frozen=True)
class PooledCosine(Loss):
    """One minus the cosine between the two vectors: (B,)."""

    name = "pooled_cosine"

    def __call__(self, pairs: PairTensors) -> Tensor:
        """The loss of each pair, (B,)."""
        return 1 - cosine_similarity(pairs.student_vector_BD.float(), pairs.teacher_vector_BD.float(), dim=-1)
