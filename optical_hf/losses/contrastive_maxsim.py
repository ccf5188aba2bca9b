"""InfoNCE by late interaction: each student text must find its own English text among those of the batch by MaxSim.

ColBERT's scores (Khattab and Zaharia 2020, arXiv:2004.12832), with a mean over the query's tokens in place of the sum.

Shapes: B pairs, C pairs of the whole batch.
"""

from dataclasses import dataclass

from torch import Tensor

from optical_hf.losses.loss import MaxSimLoss
from optical_hf.losses.negatives import own_among_others
from optical_hf.losses.pair_tensors import PairTensors
from optical_hf.losses.scores import candidate_vectors, student_maxsim


@dataclass(frozen=True)
class ContrastiveMaxSim(MaxSimLoss):
    """Cross-entropy of mean MaxSim over the temperature: (B,).

    Args:
        temperature: the scores are divided by it before the softmax.
    """

    name = "contrastive_maxsim"

    def __call__(self, pairs: PairTensors) -> Tensor:
        """The loss of each pair, (B,)."""
        pairs = pairs.with_bank_of(0)
        return own_among_others(student_maxsim(pairs), candidate_vectors(pairs), pairs, self.temperature)
