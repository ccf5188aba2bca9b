"""Whether a student and a teacher fit each other at all, before anything is trained. Knows nothing about data or the loop."""

from optical_hf.models import Encoder, backbone, kind_of, token_projection
from optical_hf.models.teachers.language_teachers import TeachersByLanguage, width_of
from optical_hf.models.teachers.token_cache import TeacherCache
from optical_hf.models.weights import check_full_precision


def check_pair(student: Encoder, teacher: Encoder | TeacherCache | TeachersByLanguage) -> None:
    """Refuse a student and a teacher that cannot learn from each other.

    Raises:
        ValueError: saying what is wrong and how to load them right.
    """
    kind_of(student)
    check_full_precision(student)
    for one in teacher.distinct if isinstance(teacher, TeachersByLanguage) else [teacher]:
        cached = isinstance(one, TeacherCache)
        if not cached and kind_of(one) and (student is one or backbone(student) is backbone(one)):
            raise ValueError(
                "teacher and student are the same object: load each on its own, with load_teacher and load_student"
            )
    projection = token_projection(student)
    if projection is None:
        raise ValueError("the student has no token projection: load it with load_student(path, teacher)")
    width = width_of(teacher)
    if projection.out_features != width:
        wider = "wider" if projection.out_features > width else "narrower"
        raise ValueError(
            f"the student is {wider} than the teacher: its projection gives {projection.out_features}, the teacher has {width}; "
            "load the student with load_student(path, teacher) for this teacher"
        )
