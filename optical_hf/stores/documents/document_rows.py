"""Reads the rows of documents of every format, a batch at a time: texts, vectors where they are a column, and bad rows in place.

A bad row keeps its place, so that vectors from another file stay in step. What is wrong with texts and vectors that could be read
is not looked at here.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa

from optical_hf.extras import import_extra
from optical_hf.reading.bad_rows import BadRecord
from optical_hf.reading.line_files import lines_of
from optical_hf.reading.record_batches import arrow_batches, json_object, parquet_batches, parquet_schema
from optical_hf.reading.table_lines import csv_rows, tsv_rows
from optical_hf.stores.document_store import DocumentStore
from optical_hf.stores.documents.document_sources import DocumentSource, Format
from optical_hf.stores.documents.vector_columns import column_of

logger = logging.getLogger(__name__)

BATCH = 8192
"""Rows read together."""


class Columns(NamedTuple):
    """Names of the columns that are read; `vector` None reads texts alone, `others` are kept as strings."""

    text: str
    vector: str | None
    others: tuple[str, ...] = ()


class DocumentRows(NamedTuple):
    """Some rows of a source.

    Attributes:
        numbers: the row or line of each in its file, from 1.
        texts: strings; null where a row cannot be read.
        vectors: lists of numbers; None where there is no such column.
        faults: position in the batch -> what is wrong with a row that cannot be read.
        others: further columns by name, as strings; null where a row has none.
    """

    numbers: Sequence[int]
    texts: pa.Array
    vectors: pa.Array | None
    faults: dict[int, str]
    others: dict[str, pa.Array]


def document_rows(source: DocumentSource, columns: Columns) -> Iterator[DocumentRows]:
    """Yield all rows of a source, in order.

    Raises:
        ValueError: it is empty or damaged, or a column is missing.
        ImportError: for LanceDB without the extra `search`.
    """
    columns = columns._replace(text=source.text or columns.text)
    if columns.vector is not None:
        columns = columns._replace(vector=source.vector or columns.vector)
    if source.store is not None:
        yield from _of_store(source.store, columns.vector is not None)
        return
    if source.vectors is not None:
        columns = columns._replace(vector=None)
    if source.format in LINES:
        yield from _of_records(LINES[source.format](source.path, columns), columns.others)
    else:
        yield from _of_batches(source, columns)


class Record(NamedTuple):
    """One row of a file of lines."""

    text: str
    vector: np.ndarray | None = None
    others: tuple[str | None, ...] = ()


Records: TypeAlias = Iterator[tuple[int, Record | BadRecord]]


def _plain_records(path: str, columns: Columns) -> Records:
    if columns.others:
        check_columns(path, [columns.text], *columns.others)
    for number, line in lines_of(path):
        yield number, line if isinstance(line, BadRecord) else Record(line)


def _csv_records(path: str, columns: Columns) -> Records:
    return _table_records(path, csv_rows(path), columns)


def _tsv_records(path: str, columns: Columns) -> Records:
    return _table_records(path, tsv_rows(path), columns)


def _table_records(path: str, rows: Iterator[Any], columns: Columns) -> Records:
    _, header = next(rows)
    if isinstance(header, BadRecord):
        raise ValueError(f"{path}:1: {header}")
    check_columns(path, header, columns.text, *columns.others)
    if columns.vector in header:
        raise ValueError(
            f"{path}: has a column {columns.vector!r}, and vectors are not read from text: write Parquet or JSON lines, or pass "
            "vector=None to read the texts alone"
        )
    place, others = header.index(columns.text), [header.index(name) for name in columns.others]
    for number, row in rows:
        if isinstance(row, BadRecord):
            yield number, row
        elif len(row) != len(header):
            yield number, BadRecord(f"expected {len(header)} columns like the first line, got {len(row)}")
        else:
            yield number, Record(row[place], others=tuple(row[other] for other in others))


def _json_records(path: str, columns: Columns) -> Records:
    first = True
    for number, line in lines_of(path):
        try:
            if isinstance(line, BadRecord):
                raise line
            found = json_object(line)
            if first:
                check_columns(path, list(found), columns.text, *columns.others)
                _advise_vectors(
                    path, [name for name, value in found.items() if _is_numbers(value)], list(found), columns
                )
                has_vectors, first = columns.vector in found, False
            yield number, _json_record(found, columns if has_vectors else columns._replace(vector=None))
        except BadRecord as error:
            yield number, error


def _json_record(found: dict[str, Any], columns: Columns) -> Record:
    text = found.get(columns.text)
    if not isinstance(text, str):
        raise BadRecord(f"expected a text in {columns.text!r}, got {type(text).__name__}")
    if not text.isprintable():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise BadRecord(f"the text in {columns.text!r} holds half a character, which no UTF-8 can hold") from None
    others = tuple(None if found.get(name) is None else str(found[name]) for name in columns.others)
    if columns.vector is None:
        return Record(text, others=others)
    value = found.get(columns.vector)
    if not isinstance(value, list) or not _is_numbers(value):
        raise BadRecord(f"expected a list of numbers in {columns.vector!r}, got {type(value).__name__}")
    return Record(text, np.array([np.nan if number is None else number for number in value], np.float64), others)


def _is_numbers(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(number is None or isinstance(number, int | float) for number in value)
    )


LINES: dict[Format, Callable[[str, Columns], Records]] = {
    "lines": _plain_records,
    "jsonl": _json_records,
    "csv": _csv_records,
    "tsv": _tsv_records,
}
"""The reader of each format of lines."""


def _of_records(records: Records, others: tuple[str, ...]) -> Iterator[DocumentRows]:
    given = False
    while batch := list(islice(records, BATCH)):
        rows = [row for _, row in batch]
        texts = [row.text if isinstance(row, Record) else None for row in rows]
        vectors = [row.vector if isinstance(row, Record) else None for row in rows]
        given = given or any(vector is not None for vector in vectors)
        further = [row.others if isinstance(row, Record) else (None,) * len(others) for row in rows]
        yield DocumentRows(
            [number for number, _ in batch],
            pa.array(texts, pa.string()),
            pa.array(vectors, pa.list_(pa.float64())) if given else None,
            {place: str(row) for place, row in enumerate(rows) if isinstance(row, BadRecord)},
            {name: pa.array([one[at] for one in further], pa.string()) for at, name in enumerate(others)},
        )


def _of_batches(source: DocumentSource, columns: Columns) -> Iterator[DocumentRows]:
    """Yield the rows of a format with typed columns."""
    schema, read = _opened(source)
    check_columns(source.path, schema.names, columns.text, *columns.others)
    _advise_vectors(source.path, [f.name for f in schema if _holds_vectors(f.type)], schema.names, columns)
    given = columns.vector in schema.names
    if given and not _holds_vectors(kind := schema.field(columns.vector).type):
        raise ValueError(f"{source.path}: expected lists of numbers in the column {columns.vector!r}, got {kind}")
    wanted = [columns.text, *columns.others, *([columns.vector] if columns.vector is not None and given else [])]
    names = list(dict.fromkeys(wanted))
    number = 1
    for large in read(names):
        for start in range(0, len(large), BATCH):
            batch = large.slice(start, BATCH)
            texts = _strings(source.path, columns.text, batch.column(columns.text))
            vectors = batch.column(columns.vector) if given else None
            others = {name: batch.column(name).cast(pa.string()) for name in columns.others}
            yield DocumentRows(range(number, number + len(batch)), texts, vectors, {}, others)
            number += len(batch)


def _of_store(store: DocumentStore, with_vectors: bool) -> Iterator[DocumentRows]:
    number = 1
    for rows in store.rows(BATCH):
        numbers = range(number, number + len(rows.ids))
        vectors = column_of(rows.vectors.vectors.numpy()) if with_vectors and rows.vectors is not None else None
        yield DocumentRows(numbers, pa.array(rows.texts, pa.string()), vectors, {}, {})
        number = numbers.stop


Read: TypeAlias = Callable[[list[str]], Iterator[pa.RecordBatch]]


def _opened(source: DocumentSource) -> tuple[pa.Schema, Read]:
    """The schema of a source with typed columns, and how some of its columns are read."""
    if source.format == "parquet":
        return parquet_schema(source.path), partial(parquet_batches, source.path, batch_size=BATCH)
    if source.format == "arrow":
        batches = arrow_batches(source.path)
        first = next(batches)
        return first.schema, lambda names: (batch.select(names) for batch in chain([first], batches))
    if source.format == "lancedb":
        lancedb = import_extra("lancedb", "search", "reading documents from LanceDB")
        place = Path(source.path)
        opened = lancedb.connect(place.parent).open_table(place.stem)
        scan = opened.search().limit(opened.count_rows())
        return opened.schema, lambda names: scan.select(names).to_batches(BATCH)
    assert source.table is not None
    table = source.table.with_format("arrow")
    return table.features.arrow_schema, lambda names: (
        batch for part in table.select_columns(names).iter(BATCH) for batch in part.combine_chunks().to_batches()
    )


def _strings(path: str, name: str, column: pa.Array) -> pa.Array:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        raise ValueError(f"{path}: expected texts in the column {name!r}, got {column.type}")
    return column.cast(pa.string())


def _holds_vectors(kind: pa.DataType) -> bool:
    listed = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return listed and (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type))


def check_columns(path: str, names: Sequence[str], text: str, *others: str) -> None:
    """Raise ValueError where a column is missing, naming those that are there."""
    if text not in names:
        raise ValueError(
            f"{path}: there is no column {text!r}, only {', '.join(names) or 'none'}; name the column of the texts with text=..."
        )
    if missing := [name for name in others if name not in names]:
        raise ValueError(f"{path}: there is no column {missing[0]!r}, only {', '.join(names)}")


def _advise_vectors(path: str, like: Sequence[str], names: Sequence[str], columns: Columns) -> None:
    """Warn where vectors seem to stand in a column that is not read."""
    if columns.vector is not None and columns.vector not in names and like:
        logger.warning(
            "%s: the texts are read without vectors: there is no column %r, but lists of numbers in %s; name it with vector=%r",
            path, columns.vector, ", ".join(like), like[0],
        )  # fmt: skip
