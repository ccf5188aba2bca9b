"""One grammar a language: ``sentence(scene, pick)`` gives the pieces of one of the language's ways to say a scene."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from optical_hf.data.scenes.captions import Pick, Piece
from optical_hf.data.scenes.grammars import (
    english,
    finnish,
    french,
    german,
    marathi,
    somali,
    spanish,
    swahili,
    tagalog,
)
from optical_hf.data.scenes.world import Scene

GRAMMARS: Final[dict[str, Callable[[Scene, Pick], list[Piece]]]] = {
    "en": english.sentence,
    "de": german.sentence,
    "fr": french.sentence,
    "es": spanish.sentence,
    "fi": finnish.sentence,
    "sw": swahili.sentence,
    "tl": tagalog.sentence,
    "so": somali.sentence,
    "mr": marathi.sentence,
}
