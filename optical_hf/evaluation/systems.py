"""The systems that can be compared: which model reads which column of the queries.

| name | reads | with |
|---|---|---|
| student | the query as it was asked | the student |
| teacher | the query as it was asked | the teacher: what an English model does with a language it was not made for |
| teacher_english | the query in English | the teacher: the ceiling |
| translate_query | a machine translation of the query | the teacher: the baseline to beat |
| bm25 | a machine translation of the query | BM25 (`bm25s`), no model |

Knows nothing about search.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

from optical_hf.data import RetrievalCollection
from optical_hf.models.tokens import Encoder

SystemName = Literal["student", "teacher", "teacher_english", "translate_query", "bm25"]
Translator = Callable[[list[str], str], list[str]]
"""Texts and the code of their language in, translations into the documents' language out."""

ENGLISH = "en"


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
) -> list[System]:
    """The systems by name, further models last.

    Raises:
        ValueError: for an unknown name, one that is used twice, or nothing to evaluate.
    """
    known: dict[str, System] = {
        "student": System("student", student, "text"),
        "teacher": System("teacher", teacher, "text"),
        "teacher_english": System("teacher_english", teacher, "english"),
        "translate_query": System("translate_query", teacher, "translation"),
        "bm25": System("bm25", None, "translation"),
    }
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
    return resolved


def query_texts(
    collection: RetrievalCollection, column: Literal["text", "english", "translation"], translator: Translator | None
) -> list[Any]:
    """The queries of a collection as a system reads them; a query asked in English needs no English and no translation.

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
            for row, text in zip(rows, translator([texts[row] for row in rows], language), strict=True):
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
