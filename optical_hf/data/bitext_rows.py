"""The columns of a bitext table, and how a pair that a reader found becomes a row of it.

Knows nothing about formats or about where tables lie.
"""

from collections.abc import Iterable, Iterator
from typing import Literal

from datasets import Features, Value
from datasets.utils.logging import get_logger

from optical_hf.data.readers import BitextFile, Pair

logger = get_logger(__name__)

BITEXT_FEATURES = Features({name: Value("string") for name in ("source", "target", "language", "origin", "id")})
"""The columns of a bitext table: English, the other language, its canonical code, the file, an id."""

OnEmpty = Literal["error", "drop", "keep"]


def bitext_rows(
    pairs: Iterable[Pair], file: BitextFile, wanted: tuple[str, ...] | None, on_empty: OnEmpty
) -> Iterator[dict[str, str]]:
    """Yield the rows of a file's pairs.

    Args:
        pairs: what a reader yields.
        file: where they come from.
        wanted: canonical codes of the languages to keep; None keeps all.
        on_empty: what to do with a pair that has an empty side.

    Raises:
        ValueError: a pair has an empty side and `on_empty` is "error"; file and line are named.
    """
    dropped = 0
    for pair in pairs:
        language = pair.language or file.language
        assert language is not None
        if wanted is not None and language not in wanted:
            continue
        if on_empty != "keep" and not (pair.english.strip() and pair.foreign.strip()):
            if on_empty == "error":
                side = "English" if not pair.english.strip() else language
                raise ValueError(
                    f"{file.path}:{pair.line}: the {side} side is empty; a student would learn to put nothing where "
                    'the other side is. Repair the line, or load with on_empty="drop"'
                )
            dropped += 1
            continue
        yield {
            "source": pair.english,
            "target": pair.foreign,
            "language": language,
            "origin": pair.origin or file.path,
            "id": pair.id if pair.origin and pair.id else f"{file.path}:{pair.id or pair.line}",
        }
    if dropped:
        logger.warning(f"{file.path}: dropped {dropped} pairs with an empty side")
