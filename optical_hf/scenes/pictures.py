"""Where everything of a scene stands in its picture, and a picture of coloured rectangles that shows it.

The picture is for tests of readers and of image search: each thing is a rectangle in its colour, and its box.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from PIL import Image, ImageDraw

from optical_hf.scenes.world import Entity, Scene

RGB = tuple[int, int, int]
COLOURS: Final[dict[str | None, RGB]] = {
    "red": (214, 48, 42), "blue": (48, 92, 208), "green": (62, 158, 66), "yellow": (246, 208, 50),
    "black": (44, 42, 46), "white": (250, 250, 248), "brown": (142, 92, 52), None: (150, 150, 156),
}  # fmt: skip
GROUND: Final[dict[str | None, RGB]] = {
    "beach": (240, 222, 170), "street": (176, 176, 182), "garden": (150, 208, 120), "field": (222, 204, 110),
    "forest": (112, 160, 96), "desert": (228, 184, 116), None: (236, 234, 230),
}  # fmt: skip
HEIGHTS: Final = {"small": 0.3, None: 0.5, "big": 0.7}


class Box(NamedTuple):
    """Pixels ``left`` to ``right`` and ``top`` to ``bottom`` (both exclusive) show one ``entity_id``."""

    entity_id: int
    left: int
    top: int
    right: int
    bottom: int


def boxes(scene: Scene, size: int = 64) -> tuple[Box, ...]:
    """The boxes of every entity of a scene, in its picture of ``size`` x ``size`` pixels.

    Args:
        scene: what is drawn.
        size: edge of the picture in pixels.

    Returns:
        One box for each thing that a phrase may name, several for a group; the place has the whole frame.

    Example:
        >>> from optical_hf.scenes import Entity
        >>> boxes(Scene(Entity(1, "dog"), "run", place=Entity(2, "beach")))[-1]
        Box(entity_id=2, left=0, top=0, right=64, bottom=64)
    """
    return tuple(sorted(box for _, box in _drawn(scene, size)))


def render(scene: Scene, size: int = 64) -> Image.Image:
    """Draw a scene.

    Args:
        scene: what to draw.
        size: edge of the square picture in pixels.

    Returns:
        An RGB image; ``boxes(scene, size)`` says where everything is.

    Example:
        >>> from optical_hf.scenes import generate_scenes
        >>> render(generate_scenes(1)[0]).size
        (64, 64)
    """
    image = Image.new("RGB", (size, size), GROUND[scene.place.noun if scene.place else None])
    draw = ImageDraw.Draw(image)
    for entity, box in _drawn(scene, size):
        if entity is not scene.place:
            frame = (box.left, box.top, box.right - 1, box.bottom - 1)
            draw.rectangle(frame, COLOURS[entity.colour], outline=(30, 30, 30))
    return image


def _drawn(scene: Scene, size: int) -> Iterator[tuple[Entity, Box]]:
    """Every thing with its box, from left to right on the ground; a garment in the middle of who wears it."""
    if scene.place:
        yield scene.place, Box(scene.place.id, 0, 0, size, size)
    on_the_ground = [entity for entity in (scene.landmark, scene.subject, scene.object) if entity is not None]
    things = [entity for entity in on_the_ground for _ in range(entity.count)]
    width = size / len(things)
    for place, entity in enumerate(things):
        left, right = round((place + 0.1) * width), round((place + 0.9) * width)
        top = round(size * (0.95 - HEIGHTS[entity.size]))
        bottom = round(0.95 * size)
        yield entity, Box(entity.id, left, top, right, bottom)
        if entity is scene.subject and scene.garment:
            third = (bottom - top) // 3
            yield scene.garment, Box(scene.garment.id, left, top + third, right, bottom - third)
