"""What every reader of bitext yields, and what it reads from.

Knows nothing about any format. A reader is a function from a `BitextFile` to `Pair`s, in the order of the file.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

Format = Literal["tsv", "moses", "tmx", "jsonl", "parquet", "arrow"]


class Pair(NamedTuple):
    """One line of bitext: where it stands (counted from 1), English, the other language, and whose they are."""

    line: int
    english: str
    foreign: str
    language: str | None = None
    id: str | None = None


@dataclass(frozen=True)
class BitextFile:
    """A file, or a pair of line-aligned files, with all that is known of it before it is read.

    Attributes:
        path: the file; for two line-aligned files the foreign one.
        format: which reader it needs.
        language: canonical code of the foreign language; None where the records say it themselves.
        english_path: the English file of two line-aligned files.
        english_first: whether the English column of a TSV file is the first one.
        stamp: sizes and modification times, so that a changed file is a new entry of the cache.
    """

    path: str
    format: Format
    language: str | None = None
    english_path: str | None = None
    english_first: bool = False
    stamp: tuple[int, ...] = ()
