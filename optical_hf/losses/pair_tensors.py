"""What a loss sees of a batch of translated pairs: tensors and masks, never models.

Shapes: B pairs, C pairs of the whole batch, K texts of the bank, N student tokens, M teacher tokens, D width.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class PairTensors(NamedTuple):
    """Both sides of a batch of pairs in the teacher's space; the teacher's side carries no gradient.

    Attributes:
        student_BND: student tokens after projection.
        student_mask_BN: True where a student token is no padding.
        student_content_BN: True where it is no special token and no punctuation either.
        teacher_BMD: teacher tokens.
        teacher_mask_BM: True where a teacher token is no padding.
        teacher_content_BM: True where it is no special token and no punctuation either.
        student_vector_BD: the student's one vector a text.
        teacher_vector_BD: the teacher's one vector a text.
        batch: the whole batch, where it is spread over devices and a loss compares its pairs.
        bank: English texts beside those of the batch, for a `SearchLoss`.
        target_B: a number a student text, equal where the texts are; None where nobody numbered them.
        relevant_BD: the teacher's vectors of the texts to be found; None where those are the English sides.
    """

    student_BND: Tensor
    student_mask_BN: Tensor
    student_content_BN: Tensor
    teacher_BMD: Tensor
    teacher_mask_BM: Tensor
    teacher_content_BM: Tensor
    student_vector_BD: Tensor
    teacher_vector_BD: Tensor
    batch: "WholeBatch | None" = None
    bank: "TextBank | None" = None
    target_B: Tensor | None = None
    relevant_BD: Tensor | None = None

    @property
    def whole_batch(self) -> "WholeBatch":
        """The whole batch; these pairs alone where nothing was gathered."""
        return self.batch or WholeBatch(
            self.teacher_vector_BD,
            0,
            self.teacher_BMD,
            self.teacher_content_BM,
            self.target_B,
            self.relevant_BD,
        )

    def with_bank_of(self, texts: int) -> "PairTensors":
        """These pairs with the first `texts` of the bank, none for 0."""
        if self.bank is None:
            return self
        return self._replace(bank=self.bank.first(texts) if texts else None)

    @property
    def candidate_target_C(self) -> Tensor | None:
        """The numbers of the student texts that the candidates, the batch's and then the bank's, are translations of."""
        parts = [self.whole_batch.target_C, *([] if self.bank is None else [self.bank.target_K])]
        numbered = [part for part in parts if part is not None]
        return torch.cat(numbered) if len(numbered) == len(parts) else None


class WholeBatch(NamedTuple):
    """The English side of all the pairs that are compared with one another, on every device together.

    Attributes:
        teacher_CD: the teacher's vectors.
        offset: row at which the pairs of this device begin.
        teacher_CMD: the teacher's tokens; None where no `MaxSimLoss` asked for them.
        teacher_mask_CM: True where a teacher token is content.
        target_C: as `PairTensors.target_B`.
        relevant_CD: as `PairTensors.relevant_BD`.
    """

    teacher_CD: Tensor
    offset: int
    teacher_CMD: Tensor | None = None
    teacher_mask_CM: Tensor | None = None
    target_C: Tensor | None = None
    relevant_CD: Tensor | None = None


class TextBank(NamedTuple):
    """English texts that every batch is compared with beside its own.

    Attributes:
        vectors_KD: the teacher's vectors.
        target_K: as `PairTensors.target_B`, of the texts they are translations of.
    """

    vectors_KD: Tensor
    target_K: Tensor | None = None

    def first(self, texts: int) -> "TextBank":
        """The first `texts` of the bank; all of it where it has no more."""
        return TextBank(self.vectors_KD[:texts], None if self.target_K is None else self.target_K[:texts])
