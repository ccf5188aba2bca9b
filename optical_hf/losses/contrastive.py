"""InfoNCE by one vector a text: each student text must find its own English text among those of the batch, and of a bank.

van den Oord et al. 2018, arXiv:1807.03748, with the other texts of the batch as negatives, and those of the bank: a memory
bank (Wu et al. 2018, arXiv:1805.01978) whose vectors never age, for the teacher does not change.

Shapes: B pairs, C candidates: the whole batch and the bank, D width.
"""

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import normalize

from optical_hf.losses.loss import SearchLoss
from optical_hf.losses.negatives import own_among_others
from optical_hf.losses.pair_tensors import PairTensors
from optical_hf.losses.scores import candidate_vectors


@dataclass(frozen=True)
class Contrastive(SearchLoss):
    """Cross-entropy of cosines over the temperature, by one vector a text: (B,).

    Other copies of a text's own English side, and other English sides of the same text, are no wrong answers.

    Args:
        temperature: the cosines are divided by it before the softmax.
        bank: English texts of the bitext that each batch is searched among beside its own.

    Example:
        >>> str(Contrastive(bank=4096))
        'contrastive(bank=4096)'
    """

    name = "contrastive"

    def __call__(self, pairs: PairTensors) -> Tensor:
        """The loss of each pair, (B,)."""
        pairs = pairs.with_bank_of(self.bank)
        candidate_CD = candidate_vectors(pairs)
        student_BC = normalize(pairs.student_vector_BD.float(), dim=-1) @ candidate_CD.T
        return own_among_others(student_BC, candidate_CD, pairs, self.temperature)
