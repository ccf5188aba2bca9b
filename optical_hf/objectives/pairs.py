"""What an objective sees of a batch of translated pairs: tensors and masks, never models.

Shapes: B pairs, N student tokens, M teacher tokens, D width.
"""

from typing import NamedTuple

from torch import Tensor


class PairTensors(NamedTuple):
    """Both sides of a batch of pairs in the teacher's space; the teacher's side carries no gradient.

    Attributes:
        student_BND: student tokens after projection.
        student_mask_BN: True where a student token takes part.
        teacher_BMD: teacher tokens.
        teacher_mask_BM: True where a teacher token takes part.
        student_vector_BD: the student's one vector a text.
        teacher_vector_BD: the teacher's one vector a text.
    """

    student_BND: Tensor
    student_mask_BN: Tensor
    teacher_BMD: Tensor
    teacher_mask_BM: Tensor
    student_vector_BD: Tensor
    teacher_vector_BD: Tensor
