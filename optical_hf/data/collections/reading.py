"""Lines, tab-separated rows and JSON lines of a file, compressed or not, or of a list that is already in memory.

Knows nothing about retrieval. Decompression is fsspec's (gz, bz2, xz, zst by the suffix); a line ends at a newline and
nowhere else, because the separators U+0085 and U+2028 occur inside real sentences and would shift every line after
them.
"""

import json
from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import fsspec

Lines = str | PathLike[str] | Sequence[str]


def read_lines(source: Lines) -> Iterator[str]:
    """Yield the lines of a file (by its path) or of a list, without the newline.

    Raises:
        ValueError: when the file does not exist or is not UTF-8.

    Example:
        >>> list(read_lines(["one", "two"]))
        ['one', 'two']
    """
    if not isinstance(source, (str, PathLike)):
        yield from source
        return
    path = Path(source)
    if not path.is_file():
        raise ValueError(f"expected a text file at {path}, there is none; pass the path of a file or a list of lines")
    with fsspec.open(str(path), "rt", encoding="utf-8-sig", newline="\n", compression="infer") as file:
        try:
            for line in file:
                yield line.rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} is not UTF-8 ({error}); convert it, for example with iconv") from error


def read_rows(source: Lines, columns: int, separator: str | None = "\t") -> Iterator[list[str]]:
    """Yield the fields of each line that is not blank; separator None splits at runs of white space, as trec_eval does.

    Raises:
        ValueError: when a line has another number of fields than `columns`, with the file and the line.

    Example:
        >>> list(read_rows(["1 0 doc-7 3"], columns=4, separator=None))
        [['1', '0', 'doc-7', '3']]
    """
    for number, line in enumerate(read_lines(source), start=1):
        if not line.strip():
            continue
        row = line.split(separator)
        if len(row) != columns:
            raise ValueError(
                f"{name_of(source)}, line {number}: expected {columns} fields, found {len(row)}: {line[:80]!r}"
            )
        yield row


def read_json_lines(source: Lines) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSON-lines file.

    Raises:
        ValueError: when a line is not a JSON object, with the file and the line.

    Example:
        >>> list(read_json_lines(['{"id": "1"}']))
        [{'id': '1'}]
    """
    for number, line in enumerate(read_lines(source), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"{name_of(source)}, line {number}: not JSON ({error.msg}): {line[:80]!r}") from error
        if not isinstance(row, dict):
            raise ValueError(f"{name_of(source)}, line {number}: expected a JSON object, found {line[:80]!r}")
        yield row


def name_of(source: Lines) -> str:
    """The path of a file, or a word for a list, for messages."""
    return str(source) if isinstance(source, (str, PathLike)) else "the list given"
