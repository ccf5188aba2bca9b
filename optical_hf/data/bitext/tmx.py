"""Reads translation memories (TMX 1.4b): units of the same sentence in several languages.

The format: https://www.gala-global.org/tmx-14b. Units are read one at a time and
thrown away, and the XML goes through `defusedxml`, as a file from the web may carry entity bombs.
"""

from collections.abc import Iterator
from typing import BinaryIO
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from optical_hf.data.bitext.pairs import BitextFile, Pair, Variant, code_of, pair_up
from optical_hf.reading.bad_rows import BadRecord, BadRows
from optical_hf.reading.line_files import named_damage, open_binary, too_long

_NATIVE = frozenset({"bpt", "ept", "it", "ph", "ut"})  # their text is markup of the program that wrote the file
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"


class _Bounded:
    """A file that is read while units come to an end; what goes on without one would fill the memory."""

    def __init__(self, raw: BinaryIO, limit: int) -> None:
        self.raw, self.limit, self.since_unit = raw, limit, 0

    def read(self, size: int = -1) -> bytes:
        data = self.raw.read(size)
        if data and self.since_unit > self.limit:
            raise ValueError(f"what follows is {too_long(self.limit)}")
        self.since_unit += len(data)
        return data


def read_tmx(file: BitextFile, bad: BadRows) -> Iterator[Pair]:
    """Yield the pairs of a translation memory, one for each text beside English; `line` numbers the units."""

    def read(number: int, unit: Element) -> list[Pair]:
        try:
            pairs = _pairs(unit, number, file)
        except (ValueError, RecursionError) as error:
            reason = str(error) if isinstance(error, ValueError) else "nested too deeply"
            raise BadRecord(f"unit {number}: {reason}") from None
        if not pairs:
            codes = sorted({_tag(variant) for variant in unit.iter("tuv")})
            bad.skip(number, f"unit {number}: no English with another language, only {codes}")
        return pairs

    found = False
    for pair in bad.reading(enumerate(_units(file), start=1), read):
        found = True
        yield pair
    if not found:
        if not bad.left_out.count:
            raise ValueError(f"{file.path}: the file is empty, expected at least one translation unit <tu>")
        raise ValueError(f"{file.path}:{bad.left_out.first[0]}: {bad.left_out.reason}; the other units are no better")


def _units(file: BitextFile) -> Iterator[Element]:
    """Yield the units; each is emptied when the next is read."""
    number = 0
    try:
        with named_damage(lambda: f"{file.path}:{number + 1}"), open_binary(file.path) as raw:
            body: Element | None = None
            bounded = _Bounded(raw, file.max_line_bytes)
            for event, element in iterparse(bounded, events=("start", "end")):
                if event == "start":
                    body = element if element.tag == "body" else body
                elif element.tag == "tu":
                    number += 1
                    yield element
                    bounded.since_unit = 0
                    if body is not None:
                        body.clear()  # else every unit read so far would stay in memory
    except DefusedXmlException as error:
        raise ValueError(
            f"{file.path}: refused, it declares entities ({error}), which no translation memory needs"
        ) from None
    except ParseError as error:
        raise ValueError(f"{file.path}:{error.position[0]}: damaged XML after unit {number} ({error})") from None
    except (LookupError, ValueError) as error:  # an encoding that is unknown, or a unit without an end
        reason = str(error)
        raise ValueError(
            reason if reason.startswith(file.path) else f"{file.path}: after unit {number}: {reason}"
        ) from None


def _pairs(unit: Element, number: int, file: BitextFile) -> list[Pair]:
    """Return each English text of a unit with each other one; equal texts of one language count once."""
    variants: dict[tuple[str, str], Variant] = {}
    for element in unit.iter("tuv"):
        tag = _tag(element)
        code = code_of(tag)
        if code is None:
            raise ValueError(f"unknown language code {tag!r}")
        segment = element.find("seg")
        text = "" if segment is None else "".join(_text(segment))
        variants.setdefault((code, text), Variant(tag, code, text))
    english = [variant for variant in variants.values() if variant.code == "en"]
    foreign = [variant for variant in variants.values() if variant.code != "en"]
    foreign = [variant for variant in foreign if variant.code == file.language] or foreign
    return pair_up(number, unit.get("tuid"), english, foreign)


def _tag(variant: Element) -> str:
    return variant.get(_LANGUAGE) or variant.get("lang") or ""


def _text(element: Element) -> Iterator[str]:
    """Yield the text without native markup; `hi` and `sub` hold text, `sub` also inside markup (TMX 1.4b, section 4)."""
    own = element.tag not in _NATIVE
    if own and element.text:
        yield element.text
    for child in element:
        yield from _text(child)
        if own and child.tail:
            yield child.tail
