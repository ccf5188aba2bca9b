"""The systems that can be compared: which model reads which column of the queries.

| name | reads | with |
|---|---|---|
| student | the query as it is | the student |
| untrained | the query as it is | the student before training: its backbone and a projection as `load_student` makes it |
| own_index | the query as it is | the student's untrained checkpoint, which reads the documents too: what re-indexing would give |
| teacher | the query as it is | the teacher: what an English model does with a language it was not made for |
| teacher_english | the query in English | the teacher: the ceiling |
| student_english | the query in English | the student: what one encoder for all languages costs English |
| translate_query | a machine translation of the query | the teacher: the baseline to beat |
| hybrid | the query as it is | the student, and BM25 of the same words, fused by reciprocal rank |
| bm25 | a machine translation of the query | BM25 (`bm25s`), no model |
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from optical_hf.data import RetrievalCollection
from optical_hf.evaluation.own_index import Reading, own_index_encoder, readings
from optical_hf.models.layers import averaged_layers, layer_average
from optical_hf.models.loading import build_student, load_teacher
from optical_hf.models.prompts import prompt_of
from optical_hf.models.teacher_space import teacher_space
from optical_hf.models.teachers.vector_teacher import VectorTeacher
from optical_hf.models.text_length import set_max_seq_length
from optical_hf.models.tokens import Encoder
from optical_hf.models.translation.seq2seq import Translator
from optical_hf.models.views import token_projection
from optical_hf.processes import Processes
from optical_hf.settings_checks import check_lists

SystemName = Literal[
    "student", "untrained", "own_index", "teacher", "teacher_english", "student_english", "translate_query", "hybrid", "bm25"
]  # fmt: skip

Column = Literal["text", "english", "translation"]

READS: dict[str, Column] = dict.fromkeys(get_args(SystemName), "text")
READS |= {"teacher_english": "english", "student_english": "english"}
READS |= {"translate_query": "translation", "bm25": "translation"}
"""The column of the queries that each system reads."""

HINTS = {
    "english": "give (foreign, english) pairs to RetrievalCollection.from_lines or the query file a column english, or leave out "
    "teacher_english and student_english",
    "translation": "give translations to RetrievalCollection.from_lines, pass translator=, or leave it out",
}

ENGLISH = "en"

TRANSLATED_AT_ONCE = 256
"""Texts in one call of the translator, and what processes share out: cut alike for any number of processes."""


class System(NamedTuple):
    """A system.

    Attributes:
        name: of the system.
        model: reads the queries; None: no model.
        column: of the queries that it reads.
        readings: the prompts it tries on documents that it reads itself; none: it searches the documents of the teacher.
    """

    name: str
    model: Encoder | VectorTeacher | None
    column: Column
    readings: tuple[Reading, ...] = ()


def resolve_systems(
    student: Encoder | None,
    teacher: Encoder | VectorTeacher | None,
    systems: Sequence[SystemName],
    models: Mapping[str, Encoder],
    untrained: Encoder | str | Path | None = None,
) -> list[System]:
    """The systems by name, further models last.

    Raises:
        ValueError: for an unknown name, one that is used twice, nothing to evaluate, or an untrained
            student or checkpoint that is not named, or not untrained.
    """
    check_lists(systems=systems)
    if unknown := [name for name in systems if name not in READS]:
        raise ValueError(
            f"unknown systems {', '.join(unknown)}; known are {', '.join(READS)}. "
            "Give your own models by name in models={'name': model}"
        )
    names = [*systems, *models]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two systems are called {', '.join(twice)}: one would have hidden the other; rename a model")
    if not names:
        raise ValueError("nothing to evaluate: name at least one of systems or models")
    readers = {"student": student, "student_english": student, "hybrid": student, "bm25": None}
    if "untrained" in systems:
        readers["untrained"] = untrained_student(untrained, teacher, student)
    tried: tuple[Reading, ...] = ()
    if "own_index" in systems:
        device = next((str(model.device) for model in (teacher, student) if isinstance(model, Encoder)), None)
        own = readers["own_index"] = own_index_encoder(untrained, student, device)
        tried = tuple(readings(own, student))
    known = [
        System(name, readers.get(name, teacher), READS[name], tried if name == "own_index" else ()) for name in systems
    ]
    return known + [System(name, model, "text") for name, model in models.items()]


def untrained_student(
    untrained: Encoder | str | Path | None, teacher: Encoder | VectorTeacher | None, student: Encoder | None
) -> Encoder:
    """The student before training: a backbone behind which there is a new projection to the teacher's width.

    Args:
        untrained: the backbone, by name or path or loaded; a model that is not named is taken as it is if it has a
            projection already.
        teacher: for its width and its pooling.
        student: whose prompt, limit of tokens and layers are kept, so that only the training differs.

    Raises:
        ValueError: where it or the teacher is missing, or the name is that of a student saved with its projection.
    """
    if untrained is None or teacher is None:
        raise ValueError(
            "the system 'untrained' needs the teacher and the student's backbone before training: "
            "untrained='intfloat/multilingual-e5-small', or a folder, or a model"
        )
    if not isinstance(untrained, str | Path):
        return build_student(untrained, teacher)
    prompt = None if student is None else prompt_of(student, "query")
    model = load_teacher(untrained, device=teacher_space(teacher).device, query_prompt=prompt, role="student")
    if token_projection(model) is not None:
        raise ValueError(
            f"{untrained} has a projection, as a trained student has: it would be shown as untrained; name the "
            "checkpoint it was made from, or give it as models={'name': model}"
        )
    layers = None if student is None or layer_average(student) is None else averaged_layers(student)
    model = build_student(model, teacher, layers=layers)
    if student is not None and student.max_seq_length is not None:
        set_max_seq_length(model, min(student.max_seq_length, model.max_seq_length or student.max_seq_length))
    return model


def query_texts(
    collection: RetrievalCollection, column: Column, translator: Translator | None, processes: Processes
) -> list[Any]:
    """The queries of a collection as a system reads them; an English query needs no English and no translation.

    Translating is shared among the processes, all of which must call this.

    Raises:
        ValueError: where the column is missing or has gaps and there is no translator.
    """
    queries = collection.queries
    texts, languages = queries["text"][:], queries["language"][:]
    if column == "text":
        return texts
    values = queries[column][:] if column in queries.column_names else [None] * len(texts)
    filled = [
        text if value is None and language == ENGLISH else value
        for text, value, language in zip(texts, values, languages, strict=True)
    ]
    missing = [row for row, value in enumerate(filled) if value is None]
    if missing and (column == "english" or translator is None):
        raise ValueError(
            f"{len(missing)} of {len(texts)} queries of {collection.name} have no {column} "
            f"(first: {queries['id'][missing[0]]}); {HINTS[column]}"
        )
    for language in dict.fromkeys(languages[row] for row in missing):
        rows = sorted((row for row in missing if languages[row] == language), key=lambda row: len(texts[row]))
        pieces = [rows[i : i + TRANSLATED_AT_ONCE] for i in range(0, len(rows), TRANSLATED_AT_ONCE)]
        mine: list[tuple[int, str]] = []
        for piece in processes.share(pieces):
            mine += zip(piece, translator([texts[row] for row in piece], language), strict=True)
        for row, text in chain.from_iterable(processes.gather(mine)):
            filled[row] = text
    return filled
