"""Lines, rows and JSON lines of a file, compressed or not, or of a list that is already in memory.

Files are opened by `data.bitext.bitext_files`, which ends a line at a line feed and nowhere else.
"""

from collections.abc import Iterator, Sequence
from os import PathLike
from typing import Any

from optical_hf.data.bitext.bitext_records import BadRecord, json_object
from optical_hf.files import expand_path
from optical_hf.reading.line_files import read_lines as read_file

DOCUMENT_LIMIT = 2**26
"""Bytes that one line may have: documents are longer than sentences, and SQuAD's JSON is one line."""
Lines = str | PathLike[str] | Sequence[str]


def read_lines(source: Lines) -> Iterator[str]:
    """Yield the lines of a file (by its path, also inside a zip archive) or of a list, without the newline.

    Raises:
        ValueError: when the file does not exist, is empty, damaged or not UTF-8.

    Example:
        >>> list(read_lines(["one", "two"]))
        ['one', 'two']
    """
    if not isinstance(source, (str, PathLike)):
        yield from source
        return
    for _, line in read_file(str(expand_path(source)), DOCUMENT_LIMIT):
        yield line


def read_rows(source: Lines, columns: int | tuple[int, ...], separator: str | None = "\t") -> Iterator[list[str]]:
    """Yield the fields of each line that is not blank; separator None splits at runs of white space, as trec_eval does.

    Raises:
        ValueError: when a line has another number of fields than `columns`, with the file and the line.

    Example:
        >>> list(read_rows(["1 0 doc-7 3"], columns=4, separator=None))
        [['1', '0', 'doc-7', '3']]
    """
    allowed = (columns,) if isinstance(columns, int) else columns
    for number, line in enumerate(read_lines(source), start=1):
        if not line.strip():
            continue
        row = line.split(separator)
        if len(row) not in allowed:
            raise ValueError(
                f"{name_of(source)}, line {number}: expected {' or '.join(map(str, allowed))} fields, "
                f"found {len(row)}: {line[:80]!r}"
            )
        yield row


def read_pairs(source: Lines, columns: int | tuple[int, ...] = 2) -> dict[str, str]:
    """The first and the last field of each line, `id<TAB>text`, as a mapping.

    Raises:
        ValueError: as `read_rows` does, and when an id comes twice.

    Example:
        >>> read_pairs(["7\\tWho?"])
        {'7': 'Who?'}
    """
    pairs: dict[str, str] = {}
    for key, *_, text in read_rows(source, columns):
        if key in pairs:
            raise ValueError(f"{name_of(source)}: the id {key!r} comes twice; one of the two texts would be lost")
        pairs[key] = text
    return pairs


def read_json_lines(source: Lines, *required: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSON-lines file.

    Args:
        source: the file, or its lines.
        *required: keys that every object must have.

    Raises:
        ValueError: when a line is not a JSON object or lacks a key, with the file and the line.

    Example:
        >>> list(read_json_lines(['{"id": "1"}'], "id"))
        [{'id': '1'}]
    """
    for number, line in enumerate(read_lines(source), start=1):
        if not line.strip():
            continue
        try:
            row = json_object(line)
        except BadRecord as error:
            raise ValueError(f"{name_of(source)}, line {number}: {error}: {line[:80]!r}") from None
        if missing := [name for name in required if name not in row]:
            raise ValueError(f"{name_of(source)}, line {number}: lacks {', '.join(missing)}; found {', '.join(row)}")
        yield row


def name_of(source: Lines) -> str:
    """The path of a file, or a word for a list, for messages."""
    return str(source) if isinstance(source, (str, PathLike)) else "the list given"
