"""The tokens of both models in a folder: a fit that was killed while it read them goes on, and another one reads no text again.

What is read is rounded to float16.
"""

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from optical_hf.models.teachers.teacher import EncoderTeacher, Teacher
from optical_hf.models.teachers.token_cache import TeacherCache

SHARD_BYTES = 16 * 2**20
"""What a kill loses at most."""


def kept_tokens(
    readers: tuple[Teacher, Teacher],
    folder: str | PathLike[str],
    bitext: Iterable[Mapping[str, Any]],
    documents: Sequence[str],
    also_english: bool,
    *,
    batch_size: int,
    progress: bool,
) -> tuple[Teacher, Teacher]:
    """Student and teacher with the tokens of all texts in a folder, which are read here where they are missing.

    Args:
        readers: the student's backbone and the teacher. One that is no encoder, such as a cache, is given back as it is.
        folder: of the caches.
        bitext: the student reads its foreign sides, the teacher its English ones.
        documents: the student reads them as queries, the teacher as documents.
        also_english: whether the student reads the English sides too.
        batch_size: texts read together.
        progress: show progress bars.

    Raises:
        OSError: where the folder has not the room.
    """
    sides = [(row["target"], row["source"]) for row in bitext]
    foreign, english = ([side[place] for side in sides] for place in (0, 1))
    options: dict[str, Any] = {"shard_bytes": SHARD_BYTES, "batch_size": batch_size, "progress": progress}
    student, teacher = readers
    if isinstance(student, EncoderTeacher):
        texts = [*foreign, *(english if also_english else ()), *documents]
        student = TeacherCache.build(student.model, texts, Path(folder), **options)
    if isinstance(teacher, EncoderTeacher):
        teacher = TeacherCache.build(teacher.model, english, Path(folder), documents=documents or None, **options)
    return student, teacher
