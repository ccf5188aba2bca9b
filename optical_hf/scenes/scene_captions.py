"""From the pieces of a sentence to a caption: text with phrase marks, plain or tokenised.

A grammar gives a list of pieces: plain words, and ``Mark``s, whose words stand for an entity of the scene. This module
joins them into one string and notes where every mark fell. It knows no language beyond spaces, commas and apostrophes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from optical_hf.scenes.world import Entity, EntityType

Pick = Callable[[Sequence[Any]], Any]
"""Chooses one of several equally good options: a synonym, a word order. ``random.Random(...).choice`` is one."""


class Mark(NamedTuple):
    """The words of a sentence that stand for one entity."""

    entity: Entity
    text: str


Piece = str | Mark


@dataclass(frozen=True)
class Phrase:
    """Characters ``start`` to ``end`` (exclusive) of a caption name the entity ``entity_id``."""

    start: int
    end: int
    entity_id: int
    type: EntityType


@dataclass(frozen=True)
class Caption:
    """A sentence and its phrase marks, in the order of the text; phrases never overlap."""

    text: str
    phrases: tuple[Phrase, ...]

    def words(self, phrase: Phrase) -> str:
        """The words that a phrase covers."""
        return self.text[phrase.start : phrase.end]


def assemble(pieces: Sequence[Piece], *, tokenised: bool = False) -> Caption:
    """Join pieces into a sentence with a capital and a full stop.

    Args:
        pieces: words and marks in order; empty pieces are left out.
        tokenised: with spaces around punctuation and after an apostrophe, as in the official Flickr30k Entities files.

    Returns:
        The caption, its phrases in the order of the text.
    """
    text = ""
    phrases = []
    for piece in [*pieces, "."]:
        words = piece.text if isinstance(piece, Mark) else piece
        if not words:
            continue
        glued = not text or (not tokenised and (words in (".", ",") or text.endswith("'")))
        text += words if glued else f" {words}"
        if isinstance(piece, Mark):
            phrases.append(Phrase(len(text) - len(words), len(text), piece.entity.id, piece.entity.type))
    return Caption(text[0].upper() + text[1:], tuple(phrases))
