"""How people and animals look, standing or running, jumping, sitting or asleep."""

from __future__ import annotations

from typing import Final

from optical_hf.data.scenes.layout import Pose
from optical_hf.data.scenes.pen import HAIR, OUTLINE, PALETTE, RGB, SKIN, TROUSERS, Pen

EARS: Final[dict[str, list[list[tuple[float, float]]]]] = {
    "dog": [[(0.66, 0.12), (0.58, 0.42), (0.7, 0.36)]],
    "cat": [[(0.62, 0.2), (0.62, 0.0), (0.74, 0.14)], [(0.82, 0.14), (0.92, 0.0), (0.93, 0.2)]],
    "horse": [[(0.72, 0.14), (0.73, 0.0), (0.8, 0.12)]],
    "donkey": [[(0.7, 0.2), (0.64, 0.0), (0.76, 0.14)], [(0.76, 0.18), (0.8, 0.0), (0.84, 0.16)]],
    "rabbit": [[(0.66, 0.36), (0.6, 0.0), (0.72, 0.02), (0.76, 0.32)], [(0.76, 0.32), (0.8, 0.0), (0.9, 0.04)]],
}
HEADS: Final = {"dog": (0.6, 0.1, 0.94, 0.54), "cat": (0.6, 0.1, 0.95, 0.56), "rabbit": (0.6, 0.26, 0.98, 0.66)}


def person(pen: Pen, noun: str, garment: tuple[str, RGB] | None, pose: Pose) -> None:
    """A man, woman, boy or girl, dressed in grey where nothing else is said."""
    worn, colour = garment or ("", PALETTE[None])
    top = colour if worn in ("shirt", "coat") else PALETTE[None]
    female = noun in ("woman", "girl")
    if female:
        pen.block(0.2, 0.1, 0.8, 0.36, HAIR, outline=None)
    hips = 0.62
    if pose == "sit":
        pen.line([(0.5, hips + 0.1), (0.94, hips + 0.1), (0.94, 0.98)], TROUSERS, 6)
    else:
        spread = 0.4 if pose in ("run", "jump") else 0.16
        for side in (-1, 1):
            pen.line([(0.5 + side * 0.12, hips), (0.5 + side * spread, 0.98)], TROUSERS, 6)
    reach = 0.98 if pose in ("run", "jump") else 0.9
    for side in (-1, 1):
        pen.line([(0.5 + side * 0.26, 0.37), (0.5 + side * (reach - 0.5), 0.58)], SKIN, 3)
    if worn == "coat":
        pen.shape([(0.22, 0.33), (0.78, 0.33), (0.94, 0.86), (0.06, 0.86)], top)
        pen.line([(0.5, 0.35), (0.5, 0.84)])
    else:
        pen.shape([(0.12, 0.36), (0.24, 0.33), (0.76, 0.33), (0.88, 0.36), (0.84, 0.62), (0.16, 0.62)], top)
        if female:
            pen.shape([(0.22, hips), (0.78, hips), (0.9, 0.8), (0.1, 0.8)], TROUSERS)
    pen.oval(0.26, 0.05, 0.74, 0.33, SKIN)
    if female:
        pen.block(0.26, 0.05, 0.74, 0.13, HAIR, outline=None)
    else:
        pen.shape([(0.28, 0.15), (0.34, 0.06), (0.66, 0.06), (0.72, 0.15)], HAIR)
    for u in (0.42, 0.58):
        pen.block(u - 0.02, 0.19, u + 0.03, 0.22, OUTLINE, outline=None)
    if worn == "hat":
        pen.block(0.3, 0.0, 0.7, 0.1, colour)
        pen.block(0.12, 0.09, 0.88, 0.13, colour)


def animal(pen: Pen, noun: str, colour: RGB, pose: Pose) -> None:
    """A four-footed animal looking to the right."""
    low = pose in ("sit", "sleep")
    belly = 0.92 if low else 0.68
    back = 0.42 if noun in ("horse", "donkey") else 0.36
    tall = noun in ("horse", "donkey")
    if not low:
        swing = 0.1 if pose in ("run", "jump") else 0.0
        for u, side in ((0.14, -1), (0.24, 1), (0.58, -1), (0.68, 1)):
            pen.line([(u, 0.6), (u + side * swing, 0.99)], colour, 4 if tall else 5)
            pen.line([(u + side * swing - 0.03, 0.98), (u + side * swing + 0.04, 0.98)], OUTLINE, 2)
    if noun == "rabbit":
        pen.oval(0.0, 0.62, 0.2, 0.82, PALETTE["white"])
    elif noun == "cat":
        pen.line([(0.1, 0.6), (0.02, 0.4), (0.08, 0.08)], colour, 3)
    elif tall:
        pen.line([(0.08, 0.48), (0.02, 0.6), (0.02, 0.8)], HAIR, 4)
    else:
        pen.line([(0.1, 0.5), (0.0, 0.2)], colour, 3)
    pen.oval(0.05, back, 0.78, belly, colour)
    _animal_head(pen, noun, colour, asleep=pose == "sleep")


def _animal_head(pen: Pen, noun: str, colour: RGB, *, asleep: bool) -> None:
    tall = noun in ("horse", "donkey")
    if tall:
        pen.shape([(0.56, 0.5), (0.7, 0.1), (0.84, 0.16), (0.76, 0.58)], colour)
        pen.shape([(0.7, 0.1), (0.82, 0.1), (1.0, 0.3), (0.94, 0.4), (0.74, 0.3)], colour)
        if noun == "horse":
            pen.line([(0.7, 0.1), (0.58, 0.44)], HAIR, 4)
    if noun == "dog":
        pen.block(0.86, 0.3, 1.0, 0.48, colour)
    if noun in HEADS:
        pen.oval(*HEADS[noun], colour)
    for ear in EARS[noun]:
        pen.shape(ear, colour)
    eye_u, eye_v = (0.84, 0.2) if tall else (0.82, 0.42) if noun == "rabbit" else (0.8, 0.28)
    if asleep:
        pen.line([(eye_u - 0.05, eye_v), (eye_u + 0.05, eye_v)], OUTLINE, 1)
    else:
        pen.oval(eye_u - 0.04, eye_v - 0.05, eye_u + 0.04, eye_v + 0.05, PALETTE["white"])


def bird(pen: Pen, colour: RGB, pose: Pose) -> None:
    """A bird looking to the right."""
    if pose not in ("sit", "sleep"):
        for u in (0.42, 0.56):
            pen.line([(u, 0.75), (u, 0.98), (u + 0.1, 0.98)], (220, 130, 30), 2)
    bottom = 0.98 if pose in ("sit", "sleep") else 0.82
    pen.shape([(0.2, 0.5), (0.0, 0.34), (0.04, 0.66)], colour)
    pen.oval(0.12, 0.28, 0.8, bottom, colour)
    pen.oval(0.56, 0.02, 0.9, 0.48, colour)
    pen.shape([(0.88, 0.2), (1.0, 0.28), (0.87, 0.34)], (236, 150, 30))
    pen.shape([(0.25, 0.42), (0.58, 0.46), (0.3, 0.7)], colour)
    if pose == "sleep":
        pen.line([(0.7, 0.22), (0.8, 0.22)])
    else:
        pen.oval(0.7, 0.15, 0.79, 0.25, PALETTE["white"])
