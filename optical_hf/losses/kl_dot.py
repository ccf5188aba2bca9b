"""Teach the teacher's ranking of the batch's English texts by one vector a text.

Hinton, Vinyals, Dean 2015, arXiv:1503.02531, on scores. The candidates are the teacher's own texts of the batch, so no relevance
judgement is needed.

Shapes: B pairs, C candidates: the whole batch and the bank.
"""

from dataclasses import dataclass

from torch import Tensor

from optical_hf.losses.loss import SearchLoss
from optical_hf.losses.pair_tensors import PairTensors
from optical_hf.losses.scores import divergence, vector_scores


@dataclass(frozen=True)
class KLDot(SearchLoss):
    """Kullback-Leibler divergence between the teacher's and the student's ranking of the batch: (B,).

    `KL(softmax(T_b / t) || softmax(S_b / t))`, S_bc and T_bc the cosines of query b, the student's and the teacher's, with the
    teacher's candidate c. Not multiplied by t^2.

    Args:
        temperature: t.
        bank: English texts of the bitext that are ranked beside the batch's.
    """

    name = "kl_dot"

    def __call__(self, pairs: PairTensors) -> Tensor:
        """The loss of each pair, (B,)."""
        student_BC, teacher_BC = vector_scores(pairs.with_bank_of(self.bank))
        return divergence(student_BC, teacher_BC, self.temperature)
