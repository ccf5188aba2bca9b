"""One grammar a language: ``sentence(scene, pick)`` gives the pieces of one of the language's ways to say a scene."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from optical_hf.scenes.grammars import (
    english,
    finnish,
    french,
    german,
    marathi,
    somali,
    swahili,
)
from optical_hf.scenes.scene_captions import Pick, Piece
from optical_hf.scenes.world import Scene

GRAMMARS: Final[dict[str, Callable[[Scene, Pick], list[Piece]]]] = {
    "en": english.sentence,
    "de": german.sentence,
    "fr": french.sentence,
    "fi": finnish.sentence,
    "sw": swahili.sentence,
    "so": somali.sentence,
    "mr": marathi.sentence,
}
