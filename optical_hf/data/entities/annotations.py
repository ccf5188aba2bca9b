"""The boxes of one image, from an `Annotations/<image>.xml` file of Flickr30k Entities.

Knows nothing about sentences or folders. The files follow Pascal VOC: an `object` has one or more `name`s (chain ids)
and either a `bndbox` or the flags `scene` and `nobndbox`. Published corners count pixels from 1 and belong to the box
(the makers' own reader takes 1 off all four); here a box is x0, y0, x1, y1 counted from 0, the last two one past the
box, which is what Pillow crops. Read with defusedxml: no DTD, so neither entity bombs nor external entities.
Format: the README of github.com/BryanPlummer/flickr30k_entities.
"""

from dataclasses import dataclass
from typing import NamedTuple
from xml.sax import SAXParseException
from xml.sax.handler import ContentHandler
from xml.sax.xmlreader import AttributesImpl, Locator

from defusedxml import DefusedXmlException, sax

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
    """Read the XML of one image.

    Args:
        content: the file.
        where: what errors call it.

    Raises:
        DamagedFileError: for a file that is damaged or declares a DTD or entities, with the line.

    Example:
        >>> corners = b"<xmin>1</xmin><ymin>2</ymin><xmax>4</xmax><ymax>12</ymax>"
        >>> xml = b"<annotation><size><width>9</width><height>9</height></size>"
        >>> xml += b"<object><name>7</name><bndbox>" + corners + b"</bndbox></object></annotation>"
        >>> parse_annotation(xml, "7.xml").boxes
        {'7': (Box(x0=0, y0=1, x1=4, y1=9),)}
    """
    reader = _Reader(where)
    try:
        sax.parseString(content, reader, forbid_dtd=True)
    except SAXParseException as error:
        raise DamagedFileError(f"{where}, line {error.getLineNumber()}: damaged XML ({error.getMessage()})") from error
    except DefusedXmlException as error:
        raise DamagedFileError(
            f"{where}, line {reader.line}: refused, the file declares a DTD or an entity ({error})"
        ) from error
    return reader.result()


class _Reader(ContentHandler):
    """Collects the objects of a file; keeps the line that it is in, because a fault is named by it."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where = where
        self.size: dict[str, int] = {}
        self.boxes: dict[str, list[Box]] = {}
        self.flags: dict[str, set[str]] = {"scene": set(), "nobndbox": set()}
        self.clipped = self.outside = 0
        self._open: list[str] = []
        self._text = ""
        self._names: list[str] = []
        self._values: dict[str, int] = {}
        self._locator: Locator | None = None

    @property
    def line(self) -> int:
        return (self._locator.getLineNumber() or 0) if self._locator is not None else 0

    def setDocumentLocator(self, locator: Locator) -> None:
        self._locator = locator

    def startElement(self, name: str, attrs: AttributesImpl) -> None:
        self._open.append(name)
        self._text = ""
        if name == "object":
            self._names, self._values = [], {}

    def characters(self, content: str) -> None:
        self._text += content

    def endElement(self, name: str) -> None:
        self._open.pop()
        inside = self._open[-1] if self._open else ""
        if inside == "size" and name in ("width", "height"):
            self.size[name] = self._number(name)
        elif inside == "object" and name == "name":
            self._names.append(self._text.strip())
        elif (inside == "bndbox" and name in ("xmin", "ymin", "xmax", "ymax")) or (
            inside == "object" and name in self.flags
        ):
            self._values[name] = self._number(name)
        elif name == "object":
            self._end_object()

    def endDocument(self) -> None:
        self._check_size()

    def result(self) -> ImageAnnotation:
        return ImageAnnotation(
            self.size["width"],
            self.size["height"],
            {chain: tuple(boxes) for chain, boxes in self.boxes.items()},
            frozenset(self.flags["scene"]),
            frozenset(self.flags["nobndbox"]),
            self.clipped,
            self.outside,
        )

    def _end_object(self) -> None:
        if not self._names or not all(self._names):
            raise self._fault("an object without a name (chain id)")
        corners = [self._values.get(corner) for corner in ("xmin", "ymin", "xmax", "ymax")]
        for flag, chains in self.flags.items():
            if self._values.get(flag):
                chains.update(self._names)
        known = [corner for corner in corners if corner is not None]
        if len(known) == 4:
            if (box := self._box(*known)) is not None:
                for chain in dict.fromkeys(self._names):
                    self.boxes.setdefault(chain, []).append(box)
        elif known:
            raise self._fault(f"a box with {len(known)} of its 4 corners")
        elif not {"scene", "nobndbox"} & self._values.keys():
            raise self._fault(f"object {self._names[0]} has neither a box nor the flags scene and nobndbox")

    def _box(self, xmin: int, ymin: int, xmax: int, ymax: int) -> Box | None:
        if xmax < xmin or ymax < ymin:
            raise self._fault(f"a box that ends before it begins: {xmin}, {ymin}, {xmax}, {ymax}")
        self._check_size()
        width, height = self.size["width"], self.size["height"]
        box = Box(max(xmin - 1, 0), max(ymin - 1, 0), min(xmax, width), min(ymax, height))
        if box.x0 >= box.x1 or box.y0 >= box.y1:
            self.outside += 1
            return None
        self.clipped += box != (xmin - 1, ymin - 1, xmax, ymax)
        return box

    def _check_size(self) -> None:
        if self.size.keys() != {"width", "height"} or min(self.size.values()) < 1:
            raise self._fault("no width and height of the image")

    def _number(self, name: str) -> int:
        try:
            return int(self._text)
        except ValueError:
            raise self._fault(f"{name} is {self._text.strip()!r}, expected a whole number") from None

    def _fault(self, what: str) -> DamagedFileError:
        return DamagedFileError(f"{self.where}, line {self.line}: {what}")
