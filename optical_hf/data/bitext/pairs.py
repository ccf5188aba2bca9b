"""What every reader of bitext yields, and what it reads from.

Knows nothing about any format. A reader is a function from a `BitextFile` to `Pair`s, in the order of the file; what is
wrong with a row it tells the `BadRows` it is given.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

from optical_hf.data.bitext.bitext_files import LINE_LIMIT
from optical_hf.languages import canonical_language

Format = Literal["tsv", "csv", "moses", "tmx", "jsonl", "parquet", "arrow"]
Columns = tuple[int, int] | tuple[str, str]
"""Which column is the foreign text and which the English: numbers from 1, or names in the first line."""


class Pair(NamedTuple):
    """One pair of bitext.

    Attributes:
        line: the line, row or unit of the file, counted from 1.
        english: the English side.
        foreign: the other side.
        language: canonical code of the other side, where the record says it.
        id: what the record calls itself.
        origin: the file that a record came from before it was saved in this one.
    """

    line: int
    english: str
    foreign: str
    language: str | None = None
    id: str | None = None
    origin: str | None = None


@dataclass(frozen=True)
class BitextFile:
    """A file, or a pair of line-aligned files, with all that is known of it before it is read.

    Attributes:
        path: the file; for two line-aligned files the foreign one.
        format: which reader it needs.
        language: canonical code of the foreign language; None where the records say it themselves.
        english_path: the English file of two line-aligned files.
        columns: of a TSV or CSV file, the foreign and the English one; None where a TSV file must have just two.
        english_first: whether the English column is the first of just two.
        max_line_bytes: bound on a line, a unit or a text.
        stamp: sizes, modification times and the code that reads, so that a change of either is a new entry of the cache.
    """

    path: str
    format: Format
    language: str | None = None
    english_path: str | None = None
    columns: Columns | None = None
    english_first: bool = False
    max_line_bytes: int = LINE_LIMIT
    stamp: tuple[int, ...] = ()


@lru_cache(maxsize=4096)
def code_of(name: str) -> str | None:
    """Return the canonical code that a key, a suffix or a tag names, or None where it names no language."""
    try:
        return canonical_language(name)
    except ValueError:
        return None
