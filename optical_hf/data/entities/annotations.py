"""The boxes of one image, from an `Annotations/<image>.xml` file of Flickr30k Entities.

The files follow Pascal VOC: an `object` has one or more `name`s (chain ids) and either a `bndbox` or the flags `scene`
and `nobndbox`. Published corners count pixels from 1 and belong to the box (the makers' own reader takes 1 off all
four); here a box is x0, y0, x1, y1 counted from 0, the last two one past the box, which is what Pillow crops. Read with
defusedxml: no DTD, so neither entity bombs nor external entities.
Format: the README of github.com/BryanPlummer/flickr30k_entities.
"""

from dataclasses import dataclass
from typing import NamedTuple
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException, ElementTree

from optical_hf.data.entities.members import DamagedFileError


class Box(NamedTuple):
    """A rectangle of pixels, x1 and y1 one past its last column and row; `image.crop(box)` cuts it out."""

    x0: int
    y0: int
    x1: int
    y1: int


@dataclass(frozen=True)
class ImageAnnotation:
    """What is known of the entities of one image.

    Attributes:
        width: of the image, in pixels.
        height: of the image, in pixels.
        boxes: chain id -> its boxes, in the order of the file.
        scenes: chains that are the whole scene.
        without_box: chains that no box was drawn for.
        clipped: how many boxes reached over the edge of the image, and were cut at it.
        outside: how many boxes lay wholly outside, and were left out.
    """

    width: int
    height: int
    boxes: dict[str, tuple[Box, ...]]
    scenes: frozenset[str]
    without_box: frozenset[str]
    clipped: int = 0
    outside: int = 0


def parse_annotation(content: bytes, where: str) -> ImageAnnotation:
    """The boxes and flags in the XML of one image.

    Args:
        content: the file.
        where: what errors call it.

    Raises:
        DamagedFileError: for a file that is damaged or declares a DTD or entities; it names the line or the object.

    Example:
        >>> corners = b"<xmin>1</xmin><ymin>2</ymin><xmax>4</xmax><ymax>12</ymax>"
        >>> xml = b"<annotation><size><width>9</width><height>9</height></size>"
        >>> xml += b"<object><name>7</name><bndbox>" + corners + b"</bndbox></object></annotation>"
        >>> parse_annotation(xml, "7.xml").boxes
        {'7': (Box(x0=0, y0=1, x1=4, y1=9),)}
    """
    try:
        root = ElementTree.fromstring(content, forbid_dtd=True)
    except ParseError as error:
        raise DamagedFileError(f"{where}, line {error.position[0]}: damaged XML ({error})") from error
    except DefusedXmlException as error:
        raise DamagedFileError(f"{where}: refused, the file declares a DTD or an entity ({error})") from error
    width, height = (_number(root, f"size/{name}", where) or 0 for name in ("width", "height"))
    if min(width, height) < 1:
        raise DamagedFileError(f"{where}: no width and height of the image")
    boxes: dict[str, tuple[Box, ...]] = {}
    flagged: dict[str, set[str]] = {"scene": set(), "nobndbox": set()}
    clipped = outside = 0
    for number, entry in enumerate(root.iter("object"), start=1):
        at = f"{where}, object {number}"
        chains = [(name.text or "").strip() for name in entry.findall("name")]
        if not chains or not all(chains):
            raise DamagedFileError(f"{at} has no name (chain id)")
        for flag, marked in flagged.items():
            marked.update(chains if _number(entry, flag, at) else ())
        stated = _corners(entry, at)
        if stated is None:
            continue
        box = Box(max(stated.x0, 0), max(stated.y0, 0), min(stated.x1, width), min(stated.y1, height))
        if box.x0 >= box.x1 or box.y0 >= box.y1:
            outside += 1
            continue
        clipped += box != stated
        for chain in dict.fromkeys(chains):
            boxes[chain] = (*boxes.get(chain, ()), box)
    scenes, without_box = (frozenset(marked) for marked in flagged.values())
    return ImageAnnotation(width, height, boxes, scenes, without_box, clipped, outside)


def _corners(entry: Element, at: str) -> Box | None:
    """The box of an object as the file has it; None for one that is flagged to have none."""
    named = {name: _number(entry, f"bndbox/{name}", at) for name in ("xmin", "ymin", "xmax", "ymax")}
    known = [corner for corner in named.values() if corner is not None]
    if not known:
        if entry.find("scene") is None and entry.find("nobndbox") is None:
            raise DamagedFileError(f"{at} has neither a box nor the flags scene and nobndbox")
        return None
    if len(known) < 4:
        raise DamagedFileError(f"{at}: a box with {len(known)} of its 4 corners")
    xmin, ymin, xmax, ymax = known
    if xmax < xmin or ymax < ymin:
        raise DamagedFileError(f"{at}: a box that ends before it begins: {xmin}, {ymin}, {xmax}, {ymax}")
    return Box(xmin - 1, ymin - 1, xmax, ymax)


def _number(parent: Element, path: str, where: str) -> int | None:
    """The whole number in an element below another; None where there is no such element."""
    text = parent.findtext(path)
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        raise DamagedFileError(f"{where}: {path} is {text.strip()!r}, expected a whole number") from None
