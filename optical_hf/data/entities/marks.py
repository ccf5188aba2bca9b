"""Sentences with phrase marks, as Flickr30k Entities writes them: `[/EN#<chain>/<type 1>/<type 2> word word]`.

The same notation carries the translated marks (French, Japanese). Phrases of one
chain name the same entity; chain 0 means "not visual" and joins nothing. Format: the README of
github.com/BryanPlummer/flickr30k_entities; the Japanese release (github.com/nlab-mpg/Flickr30kEnt-JP) puts before each
mark the place that the phrase has in the English sentence, `2:[/EN#...]`.
"""

import re
from dataclasses import dataclass

_MARK = re.compile(r"(?:(?P<order>\d+):)?\[/EN#(?P<chain>\d+)(?P<types>(?:/[^\s/\]\[]+)+)\s+(?P<words>[^\[\]]*?)\s*\]")
_OPENING = re.compile(r"(?:\d+:)?\[/EN#\S*\s?")
_LINE_TAG = re.compile(r"^(?P<split>train|val|test)\*\*(?P<line>\d+)\*\*(?:e\*\*)?\s*")


@dataclass(frozen=True)
class PhraseMark:
    """One marked phrase.

    Attributes:
        text: the words.
        start: first character of the phrase in the plain sentence.
        end: one past its last character.
        chain_id: the coreference chain; "0" where the phrase is not visual.
        types: one or more of people, clothing, bodyparts, animals, vehicles, instruments, scene, other, notvisual.
        order: place of the phrase in the English sentence (from 1), where a translated file says it.
    """

    text: str
    start: int
    end: int
    chain_id: str
    types: tuple[str, ...]
    order: int | None = None


@dataclass(frozen=True)
class MarkedSentence:
    """A sentence without its marks, the marks, and what was wrong with those that were left out."""

    text: str
    phrases: tuple[PhraseMark, ...]
    damaged: tuple[str, ...] = ()


def parse_sentence(line: str) -> MarkedSentence:
    """Take the marks out of a sentence and say where each phrase stands.

    A mark that is not closed before the next one opens (67 of 1,014 lines of the French validation marks have one), or
    has no words, is left out and listed in `damaged`; its words stay in the text.

    Args:
        line: one line of a `Sentences` file, or of a translated file of the same notation.

    Returns:
        The plain sentence and its phrases, `sentence.text[phrase.start:phrase.end] == phrase.text`.

    Example:
        >>> sentence = parse_sentence("[/EN#1/people Two men] in [/EN#9/scene a yard] .")
        >>> sentence.text, sentence.phrases[1]
        ('Two men in a yard .', PhraseMark(text='a yard', start=11, end=17, chain_id='9', types=('scene',), order=None))
        >>> parse_sentence("[/EN#1/people a boy [/EN#0/notvisual who] runs").damaged
        ("the mark at character 0 is damaged: '[/EN#1/people a boy '",)
    """
    line = line.strip()
    text, position = "", 0
    phrases: list[PhraseMark] = []
    damaged: list[str] = []
    for match in _MARK.finditer(line):
        text += _plain(line, position, match.start(), damaged)
        position = match.end()
        words = match["words"]
        if not words:
            damaged.append(f"the mark at character {match.start()} has no words: {match[0]!r}")
            continue
        order = int(match["order"]) if match["order"] else None
        types = tuple(match["types"].split("/")[1:])
        phrases.append(PhraseMark(words, len(text), len(text) + len(words), match["chain"], types, order))
        text += words
    text += _plain(line, position, len(line), damaged)
    return MarkedSentence(text, tuple(phrases), tuple(damaged))


def strip_line_tag(line: str) -> tuple[str, int | None]:
    """Take the tag `val**12**e** ` off a line of the French release; returns the rest and the line number it states.

    Example:
        >>> strip_line_tag("val**12**e** [/EN#1/people un homme]")
        ('[/EN#1/people un homme]', 12)
    """
    match = _LINE_TAG.match(line)
    return (line[match.end() :], int(match["line"])) if match else (line, None)


def _plain(line: str, start: int, end: int, damaged: list[str]) -> str:
    """The text between two marks; what still looks like a mark there is a damaged one, and only its words are text."""
    part = line[start:end]
    openings = list(_OPENING.finditer(part))
    if not openings:
        return part
    damaged += [
        f"the mark at character {start + found.start()} is damaged: {part[found.start() :]!r}" for found in openings
    ]
    return _OPENING.sub("", part).replace("]", "")
