"""The systems that can be compared: which model reads which column of the queries.

| name | reads | with |
|---|---|---|
| student | the query as it was asked | the student |
| untrained | the query as it was asked | a student nobody trained: its backbone and a projection as `load_student` makes it |
| teacher | the query as it was asked | the teacher: what an English model does with a language it was not made for |
| teacher_english | the query in English | the teacher: the ceiling |
| translate_query | a machine translation of the query | the teacher: the baseline to beat |
| bm25 | a machine translation of the query | BM25 (`bm25s`), no model |

Knows nothing about search.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from optical_hf.data import RetrievalCollection
from optical_hf.evaluation.encode.processes import Processes
from optical_hf.evaluation.translate.seq2seq import Translator
from optical_hf.models.layers import averaged_layers, layer_average
from optical_hf.models.loading import build_student, load_teacher
from optical_hf.models.prompts import prompt_of
from optical_hf.models.text_length import set_max_seq_length
from optical_hf.models.tokens import Encoder
from optical_hf.models.views import token_projection
from optical_hf.settings_checks import check_lists

SystemName = Literal["student", "untrained", "teacher", "teacher_english", "translate_query", "bm25"]

ENGLISH = "en"

TRANSLATED_AT_ONCE = 256
"""Texts in one call of the translator, and what processes share out: cut alike for any number of processes."""


class System(NamedTuple):
    """A name, the model that reads the foreign side (None: no model), and the column it reads."""

    name: str
    model: Encoder | None
    column: Literal["text", "english", "translation"]


def resolve_systems(
    student: Encoder | None,
    teacher: Encoder | None,
    systems: Sequence[SystemName],
    models: Mapping[str, Encoder],
    untrained: Encoder | str | Path | None = None,
) -> list[System]:
    """The systems by name, further models last.

    Raises:
        ValueError: for an unknown name, one that is used twice, nothing to evaluate, or an untrained student that is
            not named, or not untrained.
    """
    known: dict[str, System] = {
        "student": System("student", student, "text"),
        "untrained": System("untrained", None, "text"),
        "teacher": System("teacher", teacher, "text"),
        "teacher_english": System("teacher_english", teacher, "english"),
        "translate_query": System("translate_query", teacher, "translation"),
        "bm25": System("bm25", None, "translation"),
    }
    check_lists(systems=systems)
    unknown = [name for name in systems if name not in known]
    if unknown:
        raise ValueError(
            f"unknown systems {', '.join(unknown)}; known are {', '.join(get_args(SystemName))}. "
            "Give your own models by name in models={'name': model}"
        )
    resolved = [known[name] for name in systems] + [System(name, model, "text") for name, model in models.items()]
    names = [system.name for system in resolved]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two systems are called {', '.join(twice)}: one would have hidden the other; rename a model")
    if not resolved:
        raise ValueError("nothing to evaluate: name at least one of systems or models")
    return [
        system._replace(model=untrained_student(untrained, teacher, student))
        if system is known["untrained"]
        else system
        for system in resolved
    ]


def untrained_student(
    untrained: Encoder | str | Path | None, teacher: Encoder | None, student: Encoder | None
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
    model = load_teacher(untrained, device=str(teacher.device), query_prompt=prompt, role="student")
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
    collection: RetrievalCollection,
    column: Literal["text", "english", "translation"],
    translator: Translator | None,
    processes: Processes,
) -> list[Any]:
    """The queries of a collection as a system reads them; a query asked in English needs no English and no translation.

    Translating is shared among the processes, all of which must call this.

    Raises:
        ValueError: where the column is missing or has gaps and there is no translator.
    """
    queries = collection.queries
    texts = queries["text"][:]
    if column == "text":
        return texts
    languages = queries["language"][:]
    values = queries[column][:] if column in queries.column_names else [None] * len(texts)
    filled = [
        text if value is None and language == ENGLISH else value
        for text, value, language in zip(texts, values, languages, strict=True)
    ]
    missing = [row for row, value in enumerate(filled) if value is None]
    if missing and column == "translation" and translator is not None:
        for language in dict.fromkeys(languages[row] for row in missing):
            rows = [row for row in missing if languages[row] == language]
            for row, text in _translated({row: texts[row] for row in rows}, language, translator, processes).items():
                filled[row] = text
        missing = []
    if missing:
        first = queries["id"][missing[0]]
        hint = {
            "english": "give (foreign, english) pairs to RetrievalCollection.from_lines, or leave out teacher_english",
            "translation": "give translations to RetrievalCollection.from_lines, pass translator=, or leave it out",
        }[column]
        raise ValueError(
            f"{len(missing)} of {len(texts)} queries of {collection.name} have no {column} (first: {first}); {hint}"
        )
    return filled


def _translated(
    texts: Mapping[int, str], language: str, translator: Translator, processes: Processes
) -> dict[int, str]:
    rows = sorted(texts, key=lambda row: len(texts[row]))
    pieces = [rows[i : i + TRANSLATED_AT_ONCE] for i in range(0, len(rows), TRANSLATED_AT_ONCE)]
    mine = [
        pair
        for piece in processes.share(pieces)
        for pair in zip(piece, translator([texts[row] for row in piece], language), strict=True)
    ]
    return dict(pair for part in processes.gather(mine) for pair in part)
