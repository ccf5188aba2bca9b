"""Tells whether a text is in the language it should be in, with `lingua` (the extra [quality]).

Related languages are easily taken for each other, so a text only counts as wrong when
another language is the most likely one and the right one has next to no chance.
"""

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

import numpy as np

from optical_hf.extras import import_extra
from optical_hf.languages import canonical_language

_MIN_LETTERS = 20  # shorter texts are not judged
_NO_CHANCE = 0.02
_BATCH = 1_000
_LINGUA = "lingua", "quality", "the language check"


def lingua_is_here() -> bool:
    """Return whether the extra is installed."""
    return find_spec("lingua") is not None


def wrong_language(texts: Sequence[str], language: str) -> list[bool] | None:
    """Return for each text whether it is in another language, or None where the detector does not know the language.

    Args:
        texts: the texts; those of fewer than 20 letters are never wrong.
        language: canonical code of the language they should be in.

    Raises:
        ImportError: lingua is not installed.
    """
    expected = _languages().get(language)
    if expected is None:
        return None
    judged = [place for place, text in enumerate(texts) if sum(map(_is_letter, text)) >= _MIN_LETTERS]
    found = _detector().compute_language_confidence_values_in_parallel([texts[place] for place in judged])
    wrong = [False] * len(texts)
    for place, values in zip(judged, found, strict=True):
        chances = {value.language: value.value for value in values}
        wrong[place] = values[0].language != expected and chances.get(expected, 0.0) < _NO_CHANCE
    return wrong


class LanguageSample:
    """Pairs of one language for the detector: at most so many, evenly spread over its rows, or all."""

    def __init__(self, language: str, most: int | None) -> None:
        self.language, self.most = language, most
        self.wrong: list[int] = []
        self.looked_at, self.unknown = 0, False
        self._seen, self._step = 0, 1
        self._held: list[tuple[int, str, str]] = []

    def add(self, row: int, english: str, foreign: str) -> None:
        """Take the next pair of the language."""
        if self._seen % self._step == 0:
            self._held.append((row, english, foreign))
        self._seen += 1
        if self.most is None and len(self._held) == _BATCH:
            self.detect()
        elif self.most is not None and len(self._held) > 2 * self.most:  # more than is wanted: take every second
            self._held, self._step = self._held[::2], 2 * self._step

    def detect(self) -> None:
        """Look at the pairs that are held."""
        last, count = len(self._held) - 1, min(len(self._held), self.most or len(self._held))
        chosen = [self._held[place] for place in np.linspace(0, last, count).astype(int)]
        self._held = []
        foreign = wrong_language([other for _, _, other in chosen], self.language)
        if foreign is None:
            self.unknown = True
            return
        self.looked_at += len(chosen)
        english = wrong_language([one for _, one, _ in chosen], "en") or foreign
        self.wrong += [row for (row, *_), *sides in zip(chosen, foreign, english, strict=True) if any(sides)]


def _is_letter(character: str) -> bool:
    return unicodedata.category(character)[0] == "L"


@lru_cache(maxsize=1)
def _detector() -> Any:
    return import_extra(*_LINGUA).LanguageDetectorBuilder.from_all_languages().build()


@lru_cache(maxsize=1)
def _languages() -> dict[str, Any]:
    """Return the languages of the detector by canonical code; its Norwegian ones also stand for plain Norwegian."""
    known = {canonical_language(one.iso_code_639_1.name): one for one in import_extra(*_LINGUA).Language.all()}
    return {"no": known["nb"], **known} if "nb" in known else known
