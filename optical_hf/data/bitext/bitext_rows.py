"""The columns of a bitext table, and how a pair that a reader found becomes a row of it.

Knows nothing about formats or about where tables lie.
"""

from collections.abc import Iterable, Iterator
from typing import Literal

from datasets import Dataset, Features, Value
from datasets.utils.logging import get_logger

from optical_hf.data.bitext.bad_rows import BadRows, OnBadRow
from optical_hf.data.bitext.bitext_files import too_long
from optical_hf.data.bitext.readers import BitextFile, Pair

logger = get_logger(__name__)

BITEXT_FEATURES = Features({name: Value("string") for name in ("source", "target", "language", "origin", "id")})
"""The columns of a bitext table: English, the other language, its canonical code, the file, an id."""

OnBadPair = OnBadRow | Literal["keep"]
"""Also: keep a pair that has an empty side, for a report."""


LEFT_OUT = "left out of "
"""How a line of a table's description begins that says which rows of a file were left out."""


def bitext_rows(
    pairs: Iterable[Pair], file: BitextFile, wanted: tuple[str, ...] | None, bad: BadRows
) -> Iterator[dict[str, str]]:
    """Yield the rows of a file's pairs.

    Args:
        pairs: what a reader yields.
        file: where they come from.
        wanted: canonical codes of the languages to keep; None keeps all.
        bad: is told of pairs with an empty side, unless it keeps them, and of sides that are too long.

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
        yield {
            "source": pair.english,
            "target": pair.foreign,
            "language": language,
            "origin": pair.origin or file.path,
            "id": pair.id if pair.origin and pair.id else f"{file.path}:{pair.id or pair.line}",
        }


def note_of(bad: BadRows) -> dict[str, str]:
    """What was left out of a file as a row without a language, so that a table in the cache still tells it."""
    return {"source": "", "target": "", "language": "", "origin": bad.path, "id": bad.left_out.to_json()}


def told_notes(bad: BadRows, notes: bool) -> Iterator[dict[str, str]]:
    """Say what was left out: as a row of the table, or in the log."""
    if bad.left_out.count and notes:
        yield note_of(bad)
    elif bad.left_out.count:
        logger.warning(f"{bad.path}: {bad.left_out}")


def describe_left_out(bitext: Dataset, lines: Iterable[str]) -> None:
    """Keep in a table's description what was left out of it; it stays there when rows are chosen."""
    bitext.info.description = "\n".join(LEFT_OUT + line for line in lines)


def left_out_of(bitext: object) -> tuple[str, ...]:
    """What was left out of a table when it was read, a line a file; nothing where that is not known."""
    description = bitext.info.description if isinstance(bitext, Dataset) else ""
    lines = (description or "").splitlines()
    return tuple(line.removeprefix(LEFT_OUT) for line in lines if line.startswith(LEFT_OUT))
