"""Marked captions by image id: from a `Sentences` folder (or archive), or from one file with a line an image.

The release has one file an image, a caption a line; the French marks are one file,
`val**0**e** ...`, line-aligned with a list of image names (github.com/ids-cv/Multi-Lingual-Visual-Grounding).
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from optical_hf.data.entities.marks import MarkedSentence, parse_sentence, strip_line_tag
from optical_hf.data.entities.members import DamagedFileError, Members
from optical_hf.reading.line_files import read_lines

logger = logging.getLogger(__name__)


class Caption(NamedTuple):
    """A caption of an image: its number there (from 1), the sentence, and whether it is listed as unrelated."""

    number: int
    sentence: MarkedSentence
    unrelated: bool


class SentenceFiles:
    """One file an image."""

    def __init__(self, files: Members, unrelated: frozenset[tuple[str, int]], strict: bool = False) -> None:
        self._files, self._unrelated, self._strict = files, unrelated, strict

    def captions(self, image: str) -> list[Caption]:
        """The captions of an image.

        Raises:
            ValueError: when there is no file for it; the id is named.
            DamagedFileError: when the file is not text, or (if strict) a mark is damaged; file and line are named.
        """
        where = self._files.where(image)
        content = self._files.get(image)
        if content is None:
            raise ValueError(f"no sentences for the image {image}: expected {where}")
        try:
            lines = content.decode("utf-8-sig").split("\n")
        except UnicodeDecodeError as error:
            raise DamagedFileError(f"{where} is not UTF-8 ({error.reason} at byte {error.start})") from error
        captions = []
        for number, line in enumerate(lines, start=1):
            if line.strip():
                unrelated = (image, number) in self._unrelated
                captions.append(Caption(number, _parsed(line, where, number, self._strict), unrelated))
        return captions


class SentenceLines:
    """One line an image."""

    def __init__(self, path: Path, images: Sequence[str], strict: bool = False) -> None:
        self._path, self._strict = path, strict
        self._lines: dict[str, tuple[int, str]] = {}
        lines = [line for _, line in read_lines(str(path))]
        if len(lines) != len(images):
            raise ValueError(
                f"{path} has {len(lines)} lines and the list of its images {len(images)}: they do not align"
            )
        for number, (image, line) in enumerate(zip(images, lines, strict=True), start=1):
            rest, stated = strip_line_tag(line)
            if stated is not None and stated != number - 1:
                raise ValueError(
                    f"{path}, line {number} says that it is line {stated} (from 0): lines are missing before it"
                )
            self._lines[image] = (number, rest)

    def captions(self, image: str) -> list[Caption]:
        """The caption of an image; see `SentenceFiles.captions`."""
        if image not in self._lines:
            raise ValueError(f"no sentence for the image {image} in {self._path}")
        number, line = self._lines[image]
        return [Caption(1, _parsed(line, str(self._path), number, self._strict), False)]


def read_unrelated(path: Path) -> frozenset[tuple[str, int]]:
    """The captions that do not describe their image, from UNRELATED_CAPTIONS: `<image> <caption number from 1>`.

    Raises:
        ValueError: for a line of another form.
    """
    found = set()
    for number, line in read_lines(str(path)):
        if not line.strip() or line.startswith("#"):
            continue
        image, _, caption = line.strip().partition(" ")
        if not caption.strip().isdigit():
            raise ValueError(f"{path}, line {number}: expected `<image> <caption number>`, found {line!r}")
        found.add((image, int(caption)))
    return frozenset(found)


def _parsed(line: str, where: str, number: int, strict: bool) -> MarkedSentence:
    sentence = parse_sentence(line)
    for damage in sentence.damaged:
        if strict:
            raise DamagedFileError(f"{where}, line {number}: {damage}")
        logger.warning("%s, line %d: %s; the mark is left out, its words stay", where, number, damage)
    return sentence
