"""Mean squared error to the teacher's vector: multilingual distillation.

Reimers and Gurevych, EMNLP 2020, arXiv:2004.09813; sentence-transformers trains it as `MSELoss`.

Shapes: B pairs, D width.
"""

from dataclasses import dataclass

from torch import Tensor

from optical_hf.losses.loss import Loss
from optical_hf.losses.pair_tensors import PairTensors


@dataclass(frozen=True)
class PooledMSE(Loss):
    """Squared distance between the two vectors, averaged over the width: (B,)."""

    name = "pooled_mse"

    def __call__(self, pairs: PairTensors) -> Tensor:
        """The loss of each pair, (B,)."""
        difference_BD = pairs.student_vector_BD.float() - pairs.teacher_vector_BD.float()
        return difference_BD.square().mean(dim=-1)
