"""How things and landmarks look."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from optical_hf.data.scenes.pen import GLASS, LEAVES, OUTLINE, RGB, WOOD, Pen


def _ball(pen: Pen, colour: RGB) -> None:
    pen.oval(0, 0, 1, 1, colour)
    pen.line([(0.5, 0.02), (0.36, 0.5), (0.5, 0.98)])
    pen.line([(0.03, 0.5), (0.97, 0.5)])


def _book(pen: Pen, colour: RGB) -> None:
    pen.shape([(0.0, 0.1), (0.5, 0.0), (1.0, 0.1), (1.0, 1.0), (0.5, 0.9), (0.0, 1.0)], colour)
    pen.shape([(0.1, 0.2), (0.48, 0.12), (0.48, 0.78), (0.1, 0.86)], (252, 250, 238))
    pen.shape([(0.9, 0.2), (0.52, 0.12), (0.52, 0.78), (0.9, 0.86)], (252, 250, 238))


def _cup(pen: Pen, colour: RGB) -> None:
    pen.oval(0.6, 0.2, 1.0, 0.75, None, outline=colour)
    pen.oval(0.66, 0.28, 0.94, 0.67, None)
    pen.shape([(0.0, 0.05), (0.78, 0.05), (0.68, 1.0), (0.1, 1.0)], colour)
    pen.oval(0.0, 0.0, 0.78, 0.16, (230, 225, 215))


def _bag(pen: Pen, colour: RGB) -> None:
    pen.oval(0.25, 0.0, 0.75, 0.6, None)
    pen.shape([(0.1, 0.3), (0.9, 0.3), (1.0, 1.0), (0.0, 1.0)], colour)
    pen.line([(0.06, 0.45), (0.94, 0.45)])


def _flower(pen: Pen, colour: RGB) -> None:
    pen.line([(0.5, 0.4), (0.5, 1.0)], LEAVES, 3)
    pen.oval(0.5, 0.65, 0.9, 0.8, LEAVES)
    for u, v in ((0.3, 0.0), (0.3, 0.3), (0.0, 0.15), (0.6, 0.15)):
        pen.oval(u, v, u + 0.4, v + 0.24, colour)
    pen.oval(0.34, 0.17, 0.66, 0.36, (255, 170, 60))


def _umbrella(pen: Pen, colour: RGB) -> None:
    pen.line([(0.5, 0.0), (0.5, 0.94), (0.6, 0.98), (0.68, 0.9)], WOOD, 3)
    curve = [(0.0, 0.5), (0.06, 0.28), (0.24, 0.12), (0.5, 0.06), (0.76, 0.12), (0.94, 0.28), (1.0, 0.5)]
    pen.shape([*curve, (0.84, 0.44), (0.67, 0.5), (0.5, 0.44), (0.33, 0.5), (0.16, 0.44)], colour)
    pen.line([(0.33, 0.5), (0.5, 0.06), (0.67, 0.5)])


def _box(pen: Pen, colour: RGB) -> None:
    pen.shape([(0.0, 0.25), (0.2, 0.0), (1.0, 0.0), (0.8, 0.25)], colour)
    pen.shape([(0.8, 0.25), (1.0, 0.0), (1.0, 0.75), (0.8, 1.0)], colour)
    pen.block(0.0, 0.25, 0.8, 1.0, colour)
    pen.line([(0.4, 0.25), (0.4, 0.55)], (235, 225, 190), 2)


def _bottle(pen: Pen, colour: RGB) -> None:
    pen.shape(
        [(0.3, 0.1), (0.7, 0.1), (0.7, 0.32), (1.0, 0.46), (1.0, 1.0), (0.0, 1.0), (0.0, 0.46), (0.3, 0.32)], colour
    )
    pen.block(0.28, 0.0, 0.72, 0.1, WOOD)
    pen.block(0.1, 0.6, 0.9, 0.8, (245, 240, 225))


def _basket(pen: Pen, colour: RGB) -> None:
    pen.oval(0.12, 0.0, 0.88, 0.9, None)
    pen.shape([(0.0, 0.42), (1.0, 0.42), (0.84, 1.0), (0.16, 1.0)], colour)
    for v in (0.6, 0.8):
        pen.line([(0.06, v), (0.94, v)])
    for u in (0.3, 0.5, 0.7):
        pen.line([(u, 0.44), (u, 0.98)])


def _tree(pen: Pen, colour: RGB) -> None:
    pen.block(0.43, 0.45, 0.57, 1.0, WOOD)
    for corners in ((0.0, 0.18, 0.56, 0.52), (0.44, 0.18, 1.0, 0.52), (0.16, 0.0, 0.84, 0.42)):
        pen.oval(*corners, LEAVES)


def _house(pen: Pen, colour: RGB) -> None:
    pen.block(0.08, 0.4, 0.92, 1.0, colour)
    pen.shape([(0.0, 0.42), (0.5, 0.0), (1.0, 0.42)], (150, 84, 70))
    pen.block(0.42, 0.62, 0.6, 1.0, WOOD)
    for u in (0.16, 0.68):
        pen.block(u, 0.52, u + 0.18, 0.72, GLASS)


def _car(pen: Pen, colour: RGB) -> None:
    pen.shape([(0.2, 0.42), (0.3, 0.0), (0.68, 0.0), (0.82, 0.42)], colour)
    pen.shape([(0.27, 0.4), (0.34, 0.1), (0.48, 0.1), (0.48, 0.4)], GLASS)
    pen.shape([(0.53, 0.4), (0.53, 0.1), (0.65, 0.1), (0.74, 0.4)], GLASS)
    pen.shape([(0.0, 0.46), (0.2, 0.4), (0.82, 0.4), (1.0, 0.52), (1.0, 0.82), (0.0, 0.82)], colour)
    for u in (0.14, 0.64):
        pen.oval(u, 0.58, u + 0.22, 1.0, (40, 40, 44))
        pen.oval(u + 0.07, 0.71, u + 0.15, 0.87, (200, 200, 205))


def _table(pen: Pen, colour: RGB) -> None:
    for u in (0.06, 0.84):
        pen.block(u, 0.16, u + 0.1, 1.0, colour)
    pen.block(0.0, 0.0, 1.0, 0.22, colour)


def _chair(pen: Pen, colour: RGB) -> None:
    pen.block(0.0, 0.0, 0.18, 1.0, colour)
    pen.block(0.82, 0.52, 1.0, 1.0, colour)
    pen.block(0.0, 0.52, 1.0, 0.66, colour)


def _boat(pen: Pen, colour: RGB) -> None:
    pen.block(0.47, 0.0, 0.52, 0.68, WOOD)
    pen.shape([(0.55, 0.06), (0.55, 0.58), (0.9, 0.58)], (244, 240, 228))
    pen.shape([(0.0, 0.64), (1.0, 0.64), (0.84, 1.0), (0.16, 1.0)], colour)


def _bicycle(pen: Pen, colour: RGB) -> None:
    for u in (0.0, 0.62):
        pen.oval(u, 0.4, u + 0.38, 1.0, None)
        pen.oval(u + 0.03, 0.45, u + 0.35, 0.95, None)
    pen.line([(0.19, 0.7), (0.36, 0.25), (0.68, 0.25), (0.46, 0.72), (0.19, 0.7)], colour, 4)
    pen.line([(0.36, 0.25), (0.46, 0.72)], colour, 4)
    pen.line([(0.81, 0.7), (0.68, 0.2), (0.68, 0.04), (0.82, 0.04)], colour, 4)
    pen.block(0.26, 0.1, 0.44, 0.2, OUTLINE)
    pen.line([(0.36, 0.15), (0.36, 0.25)], OUTLINE, 2)


def _rock(pen: Pen, colour: RGB) -> None:
    pen.shape([(0.0, 1.0), (0.06, 0.5), (0.28, 0.1), (0.62, 0.0), (0.9, 0.32), (1.0, 1.0)], colour)
    pen.line([(0.28, 0.1), (0.44, 0.45), (0.36, 0.7)])
    pen.line([(0.44, 0.45), (0.7, 0.5)])


THINGS_DRAWN: Final[dict[str, Callable[[Pen, RGB], None]]] = {
    "ball": _ball,
    "book": _book,
    "cup": _cup,
    "bag": _bag,
    "flower": _flower,
    "umbrella": _umbrella,
    "box": _box,
    "bottle": _bottle,
    "basket": _basket,
    "tree": _tree,
    "house": _house,
    "car": _car,
    "table": _table,
    "chair": _chair,
    "boat": _boat,
    "bicycle": _bicycle,
    "rock": _rock,
}
