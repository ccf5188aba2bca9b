"""The steps that loaders of judged collections share: qrels, queries of several languages, documents on disk.

A topic in several languages becomes one query a language, `<language>/<topic>`, all
with the judgements of the topic, and the topic as their group: so languages can be compared topic by topic.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from os import PathLike
from typing import Any, Unpack

from datasets import Dataset
from datasets.fingerprint import Hasher

from optical_hf.data.collections.collection import TEXT_DOCUMENTS, BuildOptions, RetrievalCollection, query_table
from optical_hf.data.collections.collection_files import Lines
from optical_hf.data.collections.soundness import Qrels
from optical_hf.data.entities.members import stamp
from optical_hf.files import expand_path
from optical_hf.languages import canonical_language
from optical_hf.reading.reader_errors import reader_errors

logger = logging.getLogger(__name__)


def titled(title: str | None, text: str) -> str:
    """Title and text as one string, joined by a blank, as BEIR does it.

    Example:
        >>> titled("Nepal", "A country."), titled(None, "A country.")
        ('Nepal A country.', 'A country.')
    """
    return f"{title or ''} {text}".strip()


def qrels_from(rows: Iterable[Sequence[Any]], where: str) -> dict[str, dict[str, int]]:
    """Rows (query, document, grade) as a mapping.

    Raises:
        ValueError: for a grade that is no whole number, and for one pair with two different grades.

    Example:
        >>> qrels_from([("1", "d7", "3"), ("1", "d9", "0")], "demo")
        {'1': {'d7': 3, 'd9': 0}}
    """
    qrels: dict[str, dict[str, int]] = {}
    for query, document, value in rows:
        try:
            number = float(value)
            grade = int(number)
        except (ValueError, OverflowError):
            number, grade = 0.5, 0
        if number != grade:
            raise ValueError(f"{where}: grade of ({query}, {document}) is {value!r}, expected a whole number")
        known = qrels.setdefault(query, {}).setdefault(document, grade)
        if known != grade:
            raise ValueError(f"{where}: ({query}, {document}) is judged twice, as {known} and as {grade}; keep one")
    return qrels


def judged_collection(
    name: str,
    topics: Mapping[str, Mapping[str, str]],
    qrels: Qrels,
    documents: Dataset,
    *,
    english: Mapping[str, str] | None = None,
    translations: Mapping[str, str] | None = None,
    groups: Mapping[str, str] | None = None,
    **options: Unpack[BuildOptions],
) -> RetrievalCollection:
    """One query for each topic in each language; topics that nobody judged are left out, and counted in the log.

    Args:
        name: what reports call it.
        topics: language -> topic id -> text.
        qrels: topic id -> document id -> grade.
        documents: columns `id` and `text`.
        english: topic id -> the topic in English.
        translations: topic id -> machine translation of it into the language of the documents.
        groups: topic id -> group; the topic itself by default.
        **options: as `RetrievalCollection.build` takes them.
    """
    rows: list[dict[str, str | None]] = []
    # a judged topic that no file has stays in the qrels, so that the collection's own check reports it
    known = {topic for texts in topics.values() for topic in texts}
    by_query = {topic: grades for topic, grades in qrels.items() if topic not in known}
    for code, texts in topics.items():
        language = canonical_language(code)
        judged = [topic for topic in texts if topic in qrels]
        if left_out := len(texts) - len(judged):
            logger.info("%s: %d of %d topics have no judgement and are left out", code, left_out, len(texts))
        for topic in judged:
            key = f"{language}/{topic}"
            by_query[key] = qrels[topic]
            row: dict[str, str | None] = {
                "id": key,
                "text": texts[topic],
                "language": language,
                "group": (groups or {}).get(topic, topic),
            }
            rows.append(row | {"english": (english or {}).get(topic), "translation": (translations or {}).get(topic)})
    return RetrievalCollection.build(name, query_table(rows), documents, by_query, **options)


def document_table(read: Callable[[Lines], Iterator[dict[str, Any]]], source: Lines) -> Dataset:
    """Documents from a reader; those of a file go to the cache of `datasets` as they come, in constant memory.

    The cache is keyed by the reader and the file's path, size and time, so a changed file is read again.

    Raises:
        ValueError: when there is no such file, or the reader finds a fault.
    """
    if not isinstance(source, (str, PathLike)):
        return Dataset.from_list(list(read(source)), features=TEXT_DOCUMENTS)
    path = expand_path(source).absolute()
    if not path.exists():
        raise ValueError(f"expected a file of documents at {path}, there is none")
    with reader_errors():
        return Dataset.from_generator(
            read,
            features=TEXT_DOCUMENTS,
            gen_kwargs={"source": str(path)},
            fingerprint=Hasher.hash((read.__module__, read.__qualname__, str(path), stamp(path))),
        )
