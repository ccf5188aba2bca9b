"""Pairs of bitext: what every reader yields, what it reads from, and how a pair becomes a row of a table."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import product
from typing import Literal, NamedTuple

from datasets import Dataset, Features, Value
from datasets.utils.logging import get_logger

from optical_hf.languages import canonical_language
from optical_hf.reading.bad_rows import BadRows, OnBadRow
from optical_hf.reading.line_files import LINE_LIMIT, too_long

logger = get_logger(__name__)

BITEXT_FEATURES = Features({name: Value("string") for name in ("source", "target", "language", "origin", "id")})
"""The columns of a bitext table: English, the other language, its canonical code, the file, an id."""
ORIGINAL = "english"
"""The column of a query file that holds the English original of each query."""
OnBadPair = OnBadRow | Literal["keep"]
"""Also: keep a pair that has an empty side, for a report."""
Format = Literal["tsv", "csv", "moses", "tmx", "jsonl", "parquet", "arrow"]
Columns = tuple[int, int] | tuple[str, str]
"""Which column is the foreign text and which the English: numbers from 1 (TSV, CSV), or names."""
_LEFT_OUT = "left out of "  # begins a line of a table's description that says which rows of a file were left out


class Pair(NamedTuple):
    """One pair of bitext.

    Attributes:
        line: the line, row or unit of the file, counted from 1.
        english: the English side.
        foreign: the other side.
        language: canonical code of the other side, where the record says it.
        id: what the record calls itself.
        origin: the file that a record came from before it was saved in this one.
        original: the English of the foreign side, from a column `english` beside the English side. Of a query file, whose
            English side is the document.
    """

    line: int
    english: str
    foreign: str
    language: str | None = None
    id: str | None = None
    origin: str | None = None
    original: str | None = None


@dataclass(frozen=True)
class BitextFile:
    """A file, or a pair of line-aligned files, with all that is known of it before it is read.

    Attributes:
        path: the file; for two line-aligned files the foreign one.
        format: which reader it needs.
        language: canonical code of the foreign language; None where the records say it themselves.
        english_path: the English file of two line-aligned files.
        columns: the foreign and the English one; None where a TSV file must have just two, or records say it themselves.
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


class Variant(NamedTuple):
    """A text of a record in one language, with the tag or column that names the language and its canonical code."""

    tag: str
    code: str
    text: str


@lru_cache(maxsize=4096)
def code_of(name: str) -> str | None:
    """Return the canonical code that a key, a suffix or a tag names, or None where it names no language."""
    try:
        return canonical_language(name)
    except ValueError:
        return None


def pair_up(number: int, name: str | None, english: Sequence[Variant], foreign: Sequence[Variant]) -> list[Pair]:
    """Pair each English text of a record with each other text.

    Several pairs get ids of their own: by code; by tag where a language has several texts; by place where even tags repeat.
    """
    if len(english) == len(foreign) == 1:
        return [Pair(number, english[0].text, foreign[0].text, foreign[0].code, name)]
    sides = list(product(english, foreign))
    suffixes = []
    for part in ("code", "tag"):
        suffixes = ["-".join(getattr(one, part) for one in pair[len(english) == 1 :]) for pair in sides]
        if len(set(suffixes)) == len(suffixes):
            break
    else:
        suffixes = [str(place) for place in range(1, len(sides) + 1)]
    return [
        Pair(number, one.text, two.text, two.code, f"{name or number}:{suffix}")
        for (one, two), suffix in zip(sides, suffixes, strict=True)
    ]


def bitext_rows(
    pairs: Iterable[Pair],
    file: BitextFile,
    wanted: tuple[str, ...] | None,
    bad: BadRows,
    notes: bool,
    originals: bool = False,
) -> Iterator[dict[str, str]]:
    """Yield the rows of a file's pairs.

    Args:
        pairs: what a reader yields.
        file: where they come from.
        wanted: canonical codes of the languages to keep; None keeps all.
        bad: takes note of pairs with an empty side, unless it keeps them, and of sides that are too long.
        notes: end with a row without a language that says what was left out, so that a table in the cache still says it;
            else it is logged.
        originals: also a column `english`, "" where a pair has no original.

    Raises:
        ValueError: as `bad` does.
    """
    for pair in pairs:
        language = pair.language or file.language
        assert language is not None
        if wanted is not None and language not in wanted:
            continue
        if bad.on_bad_row != "keep" and not (pair.english.strip() and pair.foreign.strip()):
            side = "English" if not pair.english.strip() else language
            bad(
                pair.line,
                f"the {side} side is empty; a student would learn to put nothing where the other side is. Repair the row, "
                'or load with on_bad_row="drop"',
            )
            continue
        if max(len(pair.english), len(pair.foreign)) > file.max_line_bytes:
            bad(pair.line, f"a text is {too_long(file.max_line_bytes)}")
            continue
        name = pair.id if pair.origin and pair.id else f"{file.path}:{pair.id or pair.line}"
        row = _row(pair.english, pair.foreign, language, pair.origin or file.path, name)
        yield row | {ORIGINAL: pair.original or ""} if originals else row
    if bad.left_out.count and notes:
        yield _row("", "", "", bad.path, json.dumps(asdict(bad.left_out)))
    elif bad.left_out.count:
        logger.warning(f"{bad.path}: {bad.left_out}")


def _row(*values: str) -> dict[str, str]:
    return dict(zip(BITEXT_FEATURES, values, strict=True))


def describe_left_out(bitext: Dataset, lines: Iterable[str]) -> None:
    """Keep in a table's description what was left out of it; it stays there when rows are chosen."""
    bitext.info.description = "\n".join(_LEFT_OUT + line for line in lines)


def left_out_of(bitext: object) -> tuple[str, ...]:
    """What was left out of a table when it was read, a line a file; nothing where that is not known."""
    description = bitext.info.description if isinstance(bitext, Dataset) else ""
    lines = (description or "").splitlines()
    return tuple(line.removeprefix(_LEFT_OUT) for line in lines if line.startswith(_LEFT_OUT))
