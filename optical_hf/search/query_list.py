"""Queries to search for: a text, a list, or a file with their ids."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from optical_hf.files import expand_path
from optical_hf.languages import canonical_language
from optical_hf.reading.bad_rows import BadRecord
from optical_hf.reading.line_files import lines_of, name_parts, read_lines
from optical_hf.reading.record_batches import json_object
from optical_hf.reading.table_lines import csv_rows, tsv_rows

T = TypeVar("T")

COLUMNS = {
    "id": ("id", "_id", "qid", "query_id"),
    "text": ("text", "query", "question"),
    "language": ("language", "lang"),
}
"""What a column or field may be called; upper case is as lower case."""
KNOWN = "x.txt (one query a line), x.tsv and x.csv (id and text, or columns named in the first line), x.jsonl"


class Query(NamedTuple):
    """A query.

    Attributes:
        id: its id, one of its own.
        text: what is searched for.
        language: its code; None where it is not said.
    """

    id: str
    text: str
    language: str | None = None


def as_queries(given: str | Sequence[str] | Sequence[Query], language: str | None = None) -> list[Query]:
    """Queries from texts; a text's id is its number, from 1.

    Args:
        given: a text, texts, or queries.
        language: of those that say none.

    Raises:
        ValueError: no query, an empty one, two with one id, or an unknown language.

    Example:
        >>> as_queries("habari za leo", "swh")
        [Query(id='1', text='habari za leo', language='sw')]
    """
    listed: list[Any] = [given] if isinstance(given, str | Query) else list(given)
    if not listed or not all(isinstance(one, str | Query) for one in listed):
        raise ValueError("expected a query, or a list of queries: texts, or Query(id, text, language)")
    stated = None if language is None else canonical_language(language)
    queries = [Query(str(number), one) if isinstance(one, str) else one for number, one in enumerate(listed, start=1)]
    for query in queries:
        if not query.text.strip():
            raise ValueError(f"query {query.id!r} is empty: leave it out")
    twice = [key for key, count in Counter(query.id for query in queries).items() if count > 1]
    if twice:
        raise ValueError(
            f"{len(twice)} ids stand twice (first: {twice[0]!r}): expected an id of its own for each query"
        )
    return [
        query._replace(language=canonical_language(query.language) if query.language else stated) for query in queries
    ]


def read_query_file(path: str | Path) -> list[Query]:
    """The queries of a file: plain text, TSV, CSV or JSON lines, each also packed (.gz, .bz2, .xz, .zst).

    A line of plain text is a query, and its id is the number of the line. A TSV or CSV file names its columns in its first line, or
    has two columns, id and text, as topics of TREC have them. The columns and fields are `id`, `text` and, where it is known,
    `language`; those of BEIR (`_id`) are read too.

    Raises:
        ValueError: no such file, one of another format, damaged, or a line that holds no query.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "queries.tsv")
        >>> _ = file.write_text("q1\\thabari za leo\\n", encoding="utf-8")
        >>> read_query_file(file)
        [Query(id='q1', text='habari za leo', language=None)]
    """
    place = expand_path(path)
    if not place.is_file():
        raise ValueError(f"{place}: no such file of queries")
    ending = name_parts(place.name)[-1].lower()
    if ending not in READERS:
        raise ValueError(f"{place}: its name says no format; known are {KNOWN}")
    found = [query for query in READERS[ending](str(place)) if query.text.strip()]
    if not found:
        raise ValueError(f"{place}: holds no query, only empty lines")
    try:
        return as_queries(found)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None


def _plain(path: str) -> Iterator[Query]:
    for number, line in read_lines(path):
        yield Query(str(number), line)


def _json(path: str) -> Iterator[Query]:
    for number, line in lines_of(path):
        try:
            record = json_object(_sound(line, path, number))
        except BadRecord as error:
            raise ValueError(f"{path}:{number}: {error}") from None
        names = {name: _column(list(record), name) for name in COLUMNS}
        if names["text"] is None:
            raise ValueError(f"{path}:{number}: no field 'text', only {', '.join(record) or 'none'}")
        said = {name: str(record[key]) for name, key in names.items() if key is not None and record[key] is not None}
        yield Query(said.get("id", str(number)), said.get("text", ""), said.get("language") or None)


def _tsv(path: str) -> Iterator[Query]:
    return _table(path, tsv_rows(path))


def _csv(path: str) -> Iterator[Query]:
    return _table(path, csv_rows(path))


def _table(path: str, rows: Iterator[tuple[int, list[str] | BadRecord]]) -> Iterator[Query]:
    number, first = next(rows)
    header = _sound(first, path, number)
    places = {name: None if (key := _column(header, name)) is None else header.index(key) for name in COLUMNS}
    if places["text"] is None:
        if len(header) > 2:
            raise ValueError(
                f"{path}: has {len(header)} columns and its first line names none 'text'; expected id and text, or a first line "
                "such as id, text, language"
            )
        places = {"id": 0 if len(header) == 2 else None, "text": len(header) - 1, "language": None}
        yield _of_row(number, header, places)
    for number, row in rows:
        cells = _sound(row, path, number)
        if cells != [""] and len(cells) != len(header):
            raise ValueError(f"{path}:{number}: expected {len(header)} columns like the first line, got {len(cells)}")
        if cells != [""]:
            yield _of_row(number, cells, places)


def _of_row(number: int, row: list[str], places: dict[str, int | None]) -> Query:
    cell = {name: row[place].strip() for name, place in places.items() if place is not None}
    return Query(cell.get("id") or str(number), cell["text"], cell.get("language") or None)


def _column(names: Sequence[str], wanted: str) -> str | None:
    """The name under which a column stands; None where it does not."""
    return next((name for name in names if name.strip().lower() in COLUMNS[wanted]), None)


def _sound(value: T | BadRecord, path: str, number: int) -> T:
    if isinstance(value, BadRecord):
        raise ValueError(f"{path}:{number}: {value}")
    return value


READERS = {"txt": _plain, "tsv": _tsv, "csv": _csv, "jsonl": _json, "ndjson": _json, "json": _json}
