"""Reads translation memories (TMX 1.4b): units of the same sentence in several languages.

Knows nothing about anything but that format, https://www.gala-global.org/tmx-14b. Units are read one at a time and
thrown away, and the XML goes through `defusedxml`, as a file from the web may carry entity bombs.
"""

from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from optical_hf.data.readers.files import open_binary
from optical_hf.data.readers.pairs import BitextFile, Pair, code_of

_NATIVE = frozenset({"bpt", "ept", "it", "ph", "ut"})  # their text is markup of the program that wrote the file
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"


def read_tmx(file: BitextFile) -> Iterator[Pair]:
    """Yield the pairs of a translation memory, one for each language beside English; `line` numbers the units."""
    number = 0
    try:
        with open_binary(file.path) as raw:
            body: Element | None = None
            for event, element in iterparse(raw, events=("start", "end")):
                if event == "start":
                    body = element if element.tag == "body" else body
                elif element.tag == "tu":
                    number += 1
                    yield from _unit(element, number, file)
                    if body is not None:
                        body.clear()  # else every unit read so far would stay in memory
    except DefusedXmlException as error:
        raise ValueError(
            f"{file.path}: refused, it declares entities ({error}), which no translation memory needs"
        ) from None
    except ParseError as error:
        raise ValueError(f"{file.path}:{error.position[0]}: damaged XML after unit {number} ({error})") from None
    if number == 0:
        raise ValueError(f"{file.path}: the file is empty, expected at least one translation unit <tu>")


def _unit(unit: Element, number: int, file: BitextFile) -> Iterator[Pair]:
    texts: dict[str, str] = {}
    for variant in unit.iter("tuv"):
        tag = variant.get(_LANGUAGE) or variant.get("lang") or ""
        code = code_of(tag)
        if code is None:
            raise ValueError(f"{file.path}: unit {number}: unknown language code {tag!r}")
        segment = variant.find("seg")
        texts.setdefault(code, "" if segment is None else "".join(_text(segment)))
    if "en" not in texts:
        raise ValueError(f"{file.path}: unit {number}: no English, only {sorted(texts)}")
    english = texts.pop("en")
    wanted = {file.language: texts[file.language]} if file.language in texts else texts
    given = unit.get("tuid")
    for language, foreign in wanted.items():
        one = given if given is None or len(wanted) == 1 else f"{given}:{language}"
        yield Pair(number, english, foreign, language, one)


def _text(element: Element) -> Iterator[str]:
    """Yield the text without native markup; `hi` and `sub` hold text, `sub` also inside markup (TMX 1.4b, section 4)."""
    own = element.tag not in _NATIVE
    if own and element.text:
        yield element.text
    for child in element:
        yield from _text(child)
        if own and child.tail:
            yield child.tail
