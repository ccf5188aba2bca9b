"""Draws a scene with Pillow: the place as background, then every entity where ``layout`` put it."""

from __future__ import annotations

from typing import Final

from PIL import Image, ImageDraw

from optical_hf.data.scenes.figures import animal, bird, person
from optical_hf.data.scenes.layout import Placed, Rect, arrange
from optical_hf.data.scenes.pen import LEAVES, PALETTE, RGB, WOOD, Pen
from optical_hf.data.scenes.sprites import THINGS_DRAWN
from optical_hf.data.scenes.world import PEOPLE, Scene

OVERSAMPLE: Final = 4  # drawn four times as large and averaged down, for smooth edges
HORIZON: Final = 0.45
SKY: Final[RGB] = (196, 226, 246)
GROUND: Final[dict[str, RGB]] = {
    "beach": (240, 222, 170),
    "street": (176, 176, 182),
    "garden": (150, 208, 120),
    "field": (222, 204, 110),
    "forest": (112, 160, 96),
    "desert": (228, 184, 116),
}


def render(scene: Scene, size: int = 64) -> Image.Image:
    """Draw a scene.

    Args:
        scene: what to draw.
        size: edge of the square picture in pixels.

    Returns:
        An RGB image; ``boxes(scene, size)`` says where everything is.

    Example:
        >>> from optical_hf.data.scenes import generate_scenes
        >>> render(generate_scenes(1)[0]).size
        (64, 64)
    """
    large = size * OVERSAMPLE
    image = Image.new("RGB", (large, large), (236, 234, 230))
    draw = ImageDraw.Draw(image)
    if scene.place:
        _background(draw, scene.place.noun, large)
    for placed in arrange(scene, large):
        _draw(draw, placed, large)
    return image.resize((size, size), Image.Resampling.BOX)


def _draw(draw: ImageDraw.ImageDraw, placed: Placed, large: int) -> None:
    noun, pose = placed.entity.noun, placed.pose
    colour = PALETTE[placed.entity.colour]
    if pose == "jump":  # a shadow on the ground says that the feet are off it
        box = placed.rect
        draw.ellipse((box.left, large * 0.95, box.right, large * 0.98), (120, 120, 120))
    pen = Pen(draw, placed.rect, lying=pose == "sleep" and noun in PEOPLE)
    if noun in PEOPLE:
        garment = (placed.garment.noun, PALETTE[placed.garment.colour]) if placed.garment else None
        person(pen, noun, garment, pose)
    elif noun == "bird":
        bird(pen, colour, pose)
    elif noun in THINGS_DRAWN:
        THINGS_DRAWN[noun](pen, colour)
    else:
        animal(pen, noun, colour, pose)


def _background(draw: ImageDraw.ImageDraw, place: str, large: int) -> None:
    frame = Pen(draw, Rect(0, 0, large, large), stroke=large // 64)
    frame.block(0, 0, 1, HORIZON, SKY, outline=None)
    frame.block(0, HORIZON, 1, 1, GROUND[place], outline=None)
    if place == "beach":
        frame.block(0, HORIZON - 0.08, 1, HORIZON + 0.08, (70, 150, 210), outline=None)
    elif place == "street":
        frame.block(0, HORIZON, 1, HORIZON + 0.08, (206, 202, 196), outline=None)
        for u in (0.05, 0.4, 0.75):
            frame.block(u, 0.72, u + 0.2, 0.75, (250, 250, 250), outline=None)
    elif place == "garden":
        for u in (0.02, 0.14, 0.26, 0.38, 0.5, 0.62, 0.74, 0.86):
            frame.block(u, HORIZON - 0.12, u + 0.08, HORIZON + 0.04, (250, 250, 246), outline=None)
        frame.block(0, HORIZON - 0.06, 1, HORIZON - 0.03, (250, 250, 246), outline=None)
    elif place == "field":
        for u in (0.0, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9):
            frame.line([(0.5 + (u - 0.45) * 0.7, HORIZON), (0.5 + (u - 0.45) * 2.4, 1)], (190, 166, 70), 1)
    elif place == "forest":
        for u in (0.0, 0.13, 0.27, 0.42, 0.58, 0.72, 0.87):
            frame.block(u + 0.04, 0.2, u + 0.08, HORIZON + 0.05, WOOD, outline=None)
            frame.shape([(u - 0.05, HORIZON - 0.12), (u + 0.06, 0.02), (u + 0.17, HORIZON - 0.12)], LEAVES)
    else:
        frame.oval(0.74, 0.05, 0.9, 0.21, (255, 214, 90), outline=None)
        frame.oval(-0.3, HORIZON - 0.1, 0.5, HORIZON + 0.3, (236, 196, 130), outline=None)
        frame.oval(0.4, HORIZON - 0.06, 1.4, HORIZON + 0.3, (222, 176, 106), outline=None)
