"""Gold alignments of words: XL-WA dev (es, hu, et), en-fr and ro-en, as pairs of sentences with their links."""

import gzip
import re
from pathlib import Path
from typing import NamedTuple

CHOICE = ("es", "hu", "et")
"""Languages that settings are chosen on."""
Words = set[tuple[int, int]]


class Sentence(NamedTuple):
    """A pair of sentences, English first, and its gold links by word."""

    english: list[str]
    other: list[str]
    sure: Words
    possible: Words


def lines(file: Path) -> list[str]:
    with gzip.open(file, "rt", encoding="utf-8") as opened:
        return opened.read().splitlines()


def gold(data: Path, count: int) -> dict[str, list[Sentence]]:
    """At most `count` sentences of each language."""
    folder, found = data / "word_alignment", {}
    for code in CHOICE:
        cut = [line.split("\t") for line in lines(folder / f"xlwa.{code}.dev.tsv.gz")]
        found[code] = [Sentence(one.split(), other.split(), *(links(pairs, 0)[0],) * 2) for one, other, pairs in cut]
    for name, code in (("enfr", "fr"), ("roen", "ro")):
        texts = [line.split("|||") for line in lines(folder / f"{name}.src-tgt.gz")]
        both = [links(pairs, 1) for pairs in lines(folder / f"{name}.gold.gz")]
        found[code] = [Sentence(a.split(), b.split(), *two) for (a, b), two in zip(texts, both, strict=True)]
    found["ro"] = [turned(sentence) for sentence in found["ro"]]
    return {code: rows[:count] for code, rows in found.items()}


def turned(sentence: Sentence) -> Sentence:
    sides = ({(b, a) for a, b in kind} for kind in (sentence.sure, sentence.possible))
    return Sentence(sentence.other, sentence.english, *sides)


def links(line: str, first: int) -> tuple[Words, Words]:
    """Sure links, and all of them; counted from `first`."""
    read = [(int(a) - first, int(b) - first, kind) for a, kind, b in re.findall(r"(\d+)([-p])(\d+)", line)]
    return {(a, b) for a, b, kind in read if kind == "-"}, {(a, b) for a, b, _ in read}
