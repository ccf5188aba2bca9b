"""The pen and the palette that the sprites share: a unit square mapped to a rectangle, and the colours of the world.

A sprite fills the rectangle that it is given and knows nothing of scenes. What has no colour of its own is drawn grey,
which is no colour of the world.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from PIL import ImageDraw

from optical_hf.data.scenes.layout import Rect

RGB = tuple[int, int, int]

PALETTE: Final[dict[str | None, RGB]] = {
    "red": (214, 40, 40),
    "blue": (40, 84, 204),
    "green": (34, 139, 52),
    "yellow": (250, 206, 40),
    "black": (28, 28, 30),
    "white": (248, 248, 248),
    "brown": (124, 74, 36),
    None: (150, 150, 158),
}
OUTLINE: Final[RGB] = (84, 84, 92)
SKIN: Final[RGB] = (222, 170, 130)
HAIR: Final[RGB] = (70, 46, 30)
TROUSERS: Final[RGB] = (84, 90, 110)
WOOD: Final[RGB] = (110, 72, 40)
LEAVES: Final[RGB] = (58, 150, 70)
GLASS: Final[RGB] = (190, 222, 240)


class Pen:
    """Draws in the unit square of a rectangle; ``lying`` turns it so that its top is at the left."""

    def __init__(
        self, draw: ImageDraw.ImageDraw, rect: Rect, *, lying: bool = False, stroke: int | None = None
    ) -> None:
        self.draw = draw
        self.rect = rect
        self.lying = lying
        self.stroke = stroke or max(1, round(min(rect.width, rect.height) / 24))

    def at(self, u: float, v: float) -> tuple[float, float]:
        """A point of the unit square in pixels."""
        if self.lying:
            u, v = v, 1 - u
        return self.rect.left + u * self.rect.width, self.rect.top + v * self.rect.height

    def _corners(self, u0: float, v0: float, u1: float, v1: float) -> list[float]:
        (x0, y0), (x1, y1) = self.at(u0, v0), self.at(u1, v1)
        return [min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)]

    def oval(
        self, u0: float, v0: float, u1: float, v1: float, fill: RGB | None, *, outline: RGB | None = OUTLINE
    ) -> None:
        """An ellipse in a part of the square."""
        self.draw.ellipse(self._corners(u0, v0, u1, v1), fill, outline, self.stroke)

    def block(self, u0: float, v0: float, u1: float, v1: float, fill: RGB, *, outline: RGB | None = OUTLINE) -> None:
        """A rectangle in a part of the square."""
        self.draw.rectangle(self._corners(u0, v0, u1, v1), fill, outline, self.stroke)

    def shape(self, points: Sequence[tuple[float, float]], fill: RGB) -> None:
        """A filled polygon."""
        self.draw.polygon([self.at(*point) for point in points], fill, OUTLINE, self.stroke)

    def line(self, points: Sequence[tuple[float, float]], fill: RGB = OUTLINE, width: float = 1) -> None:
        """A stroke through points, ``width`` times the outline."""
        self.draw.line([self.at(*point) for point in points], fill, max(1, round(width * self.stroke)), "curve")
