"""Reads bitext that is kept in lines: columns in one file (TSV, CSV), or two files with one sentence a line (Moses).

Knows nothing about languages. Strict: a line that does not fit is a bad row with its number, as one line lost on one
side puts every later pair out of step and nothing in a training loss would show it.
"""

import csv
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import TypeAlias

from optical_hf.data.bitext.bad_rows import BadRows
from optical_hf.data.bitext.bitext_files import BadLine, lines_of
from optical_hf.data.bitext.pairs import BitextFile, Pair

Row: TypeAlias = "tuple[int, list[str] | BadLine]"


def read_tsv(file: BitextFile, bad: BadRows) -> Iterator[Pair]:
    """Yield the pairs of a file with tabs between its columns; a quote is a letter like any other."""
    lines = lines_of(file.path, file.max_line_bytes)
    rows = ((number, line if isinstance(line, BadLine) else line.split("\t")) for number, line in lines)
    return _pairs(rows, file, bad)


def read_csv(file: BitextFile, bad: BadRows) -> Iterator[Pair]:
    """Yield the pairs of a file with commas between its columns, quoted as RFC 4180 says."""
    return _pairs(_csv_rows(file), file, bad)


def _csv_rows(file: BitextFile) -> Iterator[Row]:
    """Yield the rows with the number of the line they begin in."""
    fault: BadLine | None = None

    def texts() -> Iterator[str]:
        nonlocal fault
        for _, line in lines_of(file.path, file.max_line_bytes, keep_ends=True):
            fault = line if isinstance(line, BadLine) else fault
            yield "\n" if isinstance(line, BadLine) else line

    reader = csv.reader(texts(), strict=True)
    while True:
        begin, fault = reader.line_num + 1, None
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            lines = f"lines {begin} to {reader.line_num}" if reader.line_num > begin else "the line"
            fault = BadLine(f"not CSV ({error}), so {lines} cannot be read; is a quote not closed?")
            row = []
        yield begin, fault or row


def _pairs(rows: Iterable[Row], file: BitextFile, bad: BadRows) -> Iterator[Pair]:
    """Yield the pairs of rows that all have as many columns as the first."""
    width, sides = (2, (1, 0) if file.english_first else (0, 1)) if file.columns is None else (0, None)
    for number, row in rows:
        if isinstance(row, BadLine):
            bad(number, row.told)
            continue
        if sides is None:
            width, sides = len(row), _sides(file, number, row)
            if isinstance(file.columns[0], str):  # type: ignore[index]
                continue
        if len(row) != width:
            bad(number, _expected(width, file) + f", got {len(row)}{_way_out(file)}")
            continue
        yield Pair(number, row[sides[1]], row[sides[0]])


def _sides(file: BitextFile, number: int, first: list[str]) -> tuple[int, int]:
    """Return the places of the foreign and the English column, from the first row."""
    assert file.columns is not None
    places = []
    for column in file.columns:
        if isinstance(column, int) and column > len(first):
            raise ValueError(f"{file.path}:{number}: there is no column {column}, the line has {len(first)}")
        if isinstance(column, str) and first.count(column) != 1:
            told = "no column is" if column not in first else "several columns are"
            raise ValueError(f"{file.path}:{number}: {told} named {column!r} in the first line; it has {first}")
        places.append(column - 1 if isinstance(column, int) else first.index(column))
    return places[0], places[1]


def _expected(width: int, file: BitextFile) -> str:
    if file.columns is None:
        return "expected exactly two columns with a tab between them"
    return f"expected {width} columns like the first line"


def _way_out(file: BitextFile) -> str:
    if file.columns is not None:
        return "; a text with a separator in it would put the columns out of step"
    return (
        "; say which hold the foreign text and the English, such as columns=(2, 1), or on the command line "
        f"{file.language or 'so'}={file.path}:2,1"
    )


def read_moses(file: BitextFile, bad: BadRows) -> Iterator[Pair]:
    """Yield the pairs of two files whose lines belong together."""
    assert file.english_path is not None
    sides = (lines_of(path, file.max_line_bytes) for path in (file.path, file.english_path))
    for foreign, english in zip_longest(*sides):
        if foreign is None or english is None:
            short, long = (file.path, file.english_path) if foreign is None else (file.english_path, file.path)
            number = (foreign or english)[0]
            raise ValueError(
                f"{short}:{number}: the file ends here but {long} goes on; line-aligned files must have equally many "
                "lines, and where they differ the pairs before the end may be out of step too"
            )
        for path, (number, line) in ((file.path, foreign), (file.english_path, english)):
            if isinstance(line, BadLine):
                bad(number, line.told, path)
                break
        else:
            yield Pair(english[0], str(english[1]), str(foreign[1]))
