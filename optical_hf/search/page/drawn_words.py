"""A token alignment drawn over its two texts: which pieces of each are words, and which words belong together.

A word of the query has a number. A word of the document has the numbers of those query words that give it a good part of their
mass, and the strength of the strongest.
"""

from collections.abc import Sequence
from typing import NamedTuple

from optical_hf.search.token_alignment import TokenAlignment

LEAST = 0.25
"""Share of a query word's mass from which a word of the document has its number; the word that takes most has it always."""


class Piece(NamedTuple):
    """A piece of a text.

    Attributes:
        text: as it stands there.
        numbers: of the query words that it belongs to, from 1, the strongest first; none for what stands between words.
        share: of the strongest, in [0, 1].
    """

    text: str
    numbers: list[int]
    share: float = 0.0


def drawn_query(one: TokenAlignment) -> list[Piece]:
    """The query in pieces; each word has its own number."""
    marks = [([number], link.share) for number, link in enumerate(one.links, start=1)]
    return _pieces(one.query.text, one.query_words, marks)


def drawn_document(one: TokenAlignment) -> list[Piece]:
    """The document in pieces; a word has the numbers of the query words that chose it."""
    chosen = one.share_QW.argmax(1).tolist()
    marks = []
    for place, shares in enumerate(one.share_QW.T.tolist()):
        numbers = [row + 1 for row, share in enumerate(shares) if share >= LEAST or chosen[row] == place]
        numbers.sort(key=lambda number: -shares[number - 1])
        marks.append((numbers, shares[numbers[0] - 1] if numbers else 0.0))
    return _pieces(one.document.text, one.document_words, marks)


def _pieces(text: str, words: Sequence[str], marks: Sequence[tuple[list[int], float]]) -> list[Piece]:
    """A text cut at its words. A word that its reader spells otherwise than the text stands where the last one ended."""
    pieces, end = [], 0
    for word, (numbers, share) in zip(words, marks, strict=True):
        start = text.find(word, end)
        if start < 0:
            pieces += [Piece(" ", []), Piece(word, numbers, share)]
            continue
        if start > end:
            pieces.append(Piece(text[end:start], []))
        end = start + len(word)
        pieces.append(Piece(word, numbers, share))
    return [*pieces, Piece(text[end:], [])] if end < len(text) else pieces
