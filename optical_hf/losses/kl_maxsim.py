"""Teach the teacher's ranking of the batch's English texts by late interaction.

KL on ColBERT scores: Santhanam et al. 2022 (ColBERTv2), arXiv:2112.01488, section 3.2.

Shapes: B pairs, C pairs of the whole batch.
"""

from dataclasses import dataclass

from torch import Tensor

from optical_hf.losses.loss import MaxSimLoss
from optical_hf.losses.pair_tensors import PairTensors
from optical_hf.losses.scores import divergence, student_maxsim, teacher_maxsim


@dataclass(frozen=True)
class KLMaxSim(MaxSimLoss):
    """Kullback-Leibler divergence between the teacher's and the student's ranking of the batch by mean MaxSim: (B,).

    The mean over a query's tokens, where ColBERT sums: the two sides of a pair have different numbers of tokens, and their
    scores one scale.

    Args:
        temperature: the scores are divided by it before the softmax.
    """

    name = "kl_maxsim"

    def __call__(self, pairs: PairTensors) -> Tensor:
        """The loss of each pair, (B,)."""
        return divergence(student_maxsim(pairs), teacher_maxsim(pairs), self.temperature)
