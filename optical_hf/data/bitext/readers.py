"""Reads bitext of every format: a reader is a function from a `BitextFile` to its `Pair`s, in the order of the file.

Here are the formats of lines: columns in one file (TSV, CSV), or two files with one sentence a line (Moses). A line that
does not fit is a bad row with its number. One line lost on one side puts every later pair out of step, and nothing in a
training loss would show it.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import zip_longest

from optical_hf.data.bitext.bitext_records import read_arrow, read_jsonl, read_parquet
from optical_hf.data.bitext.pairs import ORIGINAL, BitextFile, Format, Pair
from optical_hf.data.bitext.tmx import read_tmx
from optical_hf.reading.bad_rows import BadRecord, BadRows
from optical_hf.reading.line_files import lines_of
from optical_hf.reading.table_lines import Row, csv_rows, tsv_rows


def read_tsv(file: BitextFile, bad: BadRows) -> Iterator[Pair]:
    """Yield the pairs of a file with tabs between its columns; a quote is a letter like any other."""
    return _pairs(tsv_rows(file.path, file.max_line_bytes), file, bad)


def read_csv(file: BitextFile, bad: BadRows) -> Iterator[Pair]:
    """Yield the pairs of a file with commas between its columns, quoted as RFC 4180 says."""
    return _pairs(csv_rows(file.path, file.max_line_bytes), file, bad)


def _pairs(rows: Iterable[Row], file: BitextFile, bad: BadRows) -> Iterator[Pair]:
    """Yield the pairs of rows that all have as many columns as the first."""
    width, sides = (2, (1, 0) if file.english_first else (0, 1)) if file.columns is None else (0, None)
    original: int | None = None

    def pair(number: int, row: list[str]) -> list[Pair]:
        nonlocal width, sides, original
        if sides is None:
            width, sides = len(row), _sides(file, number, row)
            if isinstance(file.columns[0], str):  # type: ignore[index]
                named = row.count(ORIGINAL) == 1 and ORIGINAL not in file.columns  # type: ignore[operator]
                original = row.index(ORIGINAL) if named else None
                return []
        if len(row) == width:
            text = None if original is None else row[original]
            return [Pair(number, row[sides[1]], row[sides[0]], original=text)]
        if file.columns is not None:
            raise BadRecord(
                f"expected {width} columns like the first line, got {len(row)}; a text with a separator in it would put the "
                "columns out of step"
            )
        raise BadRecord(
            f"expected exactly two columns with a tab between them, got {len(row)}; say which hold the foreign text and the "
            f"English, such as columns=(2, 1), or on the command line {file.language or 'so'}={file.path}:2,1"
        )

    return bad.reading(rows, pair)


def _sides(file: BitextFile, number: int, first: list[str]) -> tuple[int, int]:
    """Return the places of the foreign and the English column, from the first row."""
    assert file.columns is not None
    places = []
    for column in file.columns:
        if isinstance(column, int) and column > len(first):
            raise ValueError(f"{file.path}:{number}: there is no column {column}, the line has {len(first)}")
        if isinstance(column, str) and first.count(column) != 1:
            wrong = "no column is" if column not in first else "several columns are"
            raise ValueError(f"{file.path}:{number}: {wrong} named {column!r} in the first line; it has {first}")
        places.append(column - 1 if isinstance(column, int) else first.index(column))
    return places[0], places[1]


def read_moses(file: BitextFile, bad: BadRows) -> Iterator[Pair]:
    """Yield the pairs of two files whose lines belong together."""
    return bad.reading(_lines_side_by_side(file), lambda number, sides: [Pair(number, *sides)])


def _lines_side_by_side(file: BitextFile) -> Iterator[tuple[int, tuple[str, str] | BadRecord]]:
    """Yield English and foreign line, or the one of them that is no text."""
    paths = file.english_path or "", file.path
    for sides in zip_longest(*(lines_of(path, file.max_line_bytes) for path in paths)):
        if None in sides:
            short, long = paths if sides[0] is None else paths[::-1]
            raise ValueError(
                f"{short}:{(sides[0] or sides[1])[0]}: the file ends here but {long} goes on; line-aligned files must have "
                "equally many lines, and where they differ the pairs before the end may be out of step too"
            )
        (number, english), (_, foreign) = sides
        if isinstance(foreign, BadRecord):
            yield number, foreign
        elif isinstance(english, BadRecord):
            yield number, english
        else:
            yield number, (english, foreign)


READERS: dict[Format, Callable[[BitextFile, BadRows], Iterator[Pair]]] = {
    "tsv": read_tsv,
    "csv": read_csv,
    "moses": read_moses,
    "tmx": read_tmx,
    "jsonl": read_jsonl,
    "parquet": read_parquet,
    "arrow": read_arrow,
}
"""The reader of each format."""
