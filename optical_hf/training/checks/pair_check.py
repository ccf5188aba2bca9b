"""Whether a student and a teacher fit each other at all, before anything is trained."""

from collections.abc import Iterable

from optical_hf.losses import Loss
from optical_hf.models import Encoder, backbone, kind_of, token_projection
from optical_hf.models.teachers.teacher import Teacher
from optical_hf.models.weights import check_full_precision


def check_pair(student: Encoder, teacher: Teacher) -> None:
    """Refuse a student and a teacher that cannot learn from each other.

    Raises:
        ValueError: saying what is wrong and how to load them right.
    """
    kind_of(student)
    check_full_precision(student)
    if any(student is one or backbone(student) is backbone(one) for one in teacher.encoders):
        raise ValueError(
            "teacher and student are the same object: load each on its own, with load_teacher and load_student"
        )
    projection = token_projection(student)
    if projection is None:
        raise ValueError("the student has no token projection: load it with load_student(path, teacher)")
    if projection.out_features != teacher.width:
        wider = "wider" if projection.out_features > teacher.width else "narrower"
        raise ValueError(
            f"the student is {wider} than the teacher: its projection gives {projection.out_features}, the teacher has "
            f"{teacher.width}; load the student with load_student(path, teacher) for this teacher"
        )


def check_tokens(losses: Iterable[Loss], teacher: Teacher) -> None:
    """Refuse losses that compare tokens where the teacher has none.

    Raises:
        ValueError: naming them, and those that can be taken.
    """
    names = ", ".join(str(loss) for loss in losses if loss.needs_tokens)
    if names and not teacher.has_tokens:
        raise ValueError(
            f"{names}: compares tokens, and the teacher is vectors alone, one a text; take losses on one vector: contrastive, "
            "pooled_mse, pooled_cosine, kl_dot"
        )
