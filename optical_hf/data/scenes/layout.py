"""Where everything of a scene stands in its picture: one box for every entity, or for each of a group.

Pure geometry: it draws nothing. Entities are first put next to, behind, under, ... one another in units of one pixel
with the ground at height 0, then all of it is scaled into the frame.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple

from optical_hf.data.scenes.world import PEOPLE, Entity, Scene

Pose = Literal["stand", "run", "jump", "sit", "sleep"]

# Width and height of one of each kind, as they are when neither small nor big.
FOOTPRINTS: Final = {
    "man": (11, 25),
    "woman": (11, 24),
    "boy": (9, 18),
    "girl": (9, 18),
    "dog": (16, 12),
    "cat": (14, 12),
    "horse": (21, 19),
    "donkey": (19, 17),
    "rabbit": (11, 12),
    "bird": (12, 10),
    "ball": (8, 8),
    "book": (10, 8),
    "cup": (9, 8),
    "bag": (8, 10),
    "flower": (7, 12),
    "umbrella": (12, 13),
    "box": (9, 8),
    "bottle": (5, 12),
    "basket": (10, 10),
    "tree": (24, 36),
    "house": (26, 26),
    "car": (27, 13),
    "table": (26, 15),
    "chair": (13, 20),
    "boat": (29, 20),
    "bicycle": (23, 15),
    "rock": (18, 12),
}
SCALES: Final = {"small": 0.7, None: 0.95, "big": 1.3}
GARMENT_ON_BODY: Final = {  # left, top, right, bottom, as parts of the standing body
    "hat": (0.12, 0.0, 0.88, 0.13),
    "shirt": (0.12, 0.33, 0.88, 0.62),
    "coat": (0.06, 0.33, 0.94, 0.86),
}
TOP_SURFACE: Final = {"table": 0.0, "chair": 0.52, "rock": 0.08}  # from the top of the landmark
CLEARANCE: Final = {"table": (0.8, 0.74), "tree": (0.95, 0.5)}  # free width and height under it


class Rect(NamedTuple):
    """A rectangle in picture coordinates: x to the right, y down."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Horizontal extent."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Vertical extent."""
        return self.bottom - self.top

    def moved(self, x: float, y: float) -> Rect:
        """The same rectangle elsewhere."""
        return Rect(self.left + x, self.top + y, self.right + x, self.bottom + y)

    def scaled(self, factor: float) -> Rect:
        """Every coordinate times ``factor``."""
        return Rect(*(factor * value for value in self))


@dataclass(frozen=True)
class Placed:
    """One drawn thing: an entity, or one of a group of them."""

    entity: Entity
    rect: Rect
    pose: Pose = "stand"
    garment: Entity | None = None

    @property
    def garment_rect(self) -> Rect | None:
        """Where the garment is; a sleeper lies with the head to the left."""
        if self.garment is None:
            return None
        left, top, right, bottom = GARMENT_ON_BODY[self.garment.noun]
        if self.pose == "sleep":
            left, top, right, bottom = top, 1 - right, bottom, 1 - left
        box = self.rect
        return Rect(
            box.left + left * box.width,
            box.top + top * box.height,
            box.left + right * box.width,
            box.top + bottom * box.height,
        )


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
        >>> from optical_hf.data.scenes import Entity
        >>> boxes(Scene(Entity(1, "dog"), "run", place=Entity(2, "beach")))[-1]
        Box(entity_id=2, left=0, top=0, right=64, bottom=64)
    """
    found = []
    for placed in arrange(scene, size):
        found.append(_pixels(placed.entity, placed.rect, size))
        if placed.garment and placed.garment_rect:
            found.append(_pixels(placed.garment, placed.garment_rect, size))
    if scene.place:
        found.append(Box(scene.place.id, 0, 0, size, size))
    return tuple(sorted(found))


def _pixels(entity: Entity, rect: Rect, size: int) -> Box:
    left, top = max(0, round(rect.left)), max(0, round(rect.top))
    return Box(
        entity.id, left, top, min(size, max(left + 1, round(rect.right))), min(size, max(top + 1, round(rect.bottom)))
    )


def arrange(scene: Scene, size: int = 64) -> list[Placed]:
    """Everything that is drawn on the ground, in drawing order (far to near)."""
    actors = _acting(scene)
    stage: list[Placed] = actors
    if scene.landmark and scene.relation:
        stage = _with_landmark(actors, scene.landmark, scene)
    around = _around(stage)
    margin = size / 32
    factor = min(size / 64 * 1.6, (size - 2 * margin) / around.width, (size - 2 * margin) / around.height)
    x = size / 2 - factor * (around.left + around.right) / 2
    y = size - margin - factor * around.bottom
    return [replace(placed, rect=placed.rect.scaled(factor).moved(x, y)) for placed in stage]


def _acting(scene: Scene) -> list[Placed]:
    pose: Pose = scene.action if scene.action in ("run", "jump", "sit", "sleep") else "stand"
    subjects = _row(scene.subject, pose, scene.garment)
    around = _around(subjects)
    if pose == "jump":
        subjects = _moved(subjects, 0, -0.35 * around.height)
    if not scene.object:
        return subjects
    objects = _row(scene.object)
    if scene.action == "carry":  # on the head or the back
        return subjects + _moved(objects, around.left + (around.width - _around(objects).width) / 2, -around.height)
    x = around.right + (9 if scene.action == "look_at" else 0.5)
    y = -0.36 * around.height if scene.action == "hold" else 0
    return subjects + _moved(objects, x, y)


def _row(entity: Entity, pose: Pose = "stand", garment: Entity | None = None) -> list[Placed]:
    width, height = (SCALES[entity.size] * extent for extent in FOOTPRINTS[entity.noun])
    if pose == "sleep":
        width, height = (height, width) if entity.noun in PEOPLE else (width, 0.6 * height)
    if pose == "sit":
        width, height = (1.15 * width, 0.8 * height)
    step = width + 1.5
    return [
        Placed(entity, Rect(index * step, -height, index * step + width, 0), pose, garment)
        for index in range(entity.count)
    ]


def _with_landmark(actors: list[Placed], landmark: Entity, scene: Scene) -> list[Placed]:
    around = _around(actors)
    width, height = (SCALES[landmark.size] * extent for extent in FOOTPRINTS[landmark.noun])
    match scene.relation:
        case "on":
            wide = max(width, around.width + 2)
            top = TOP_SURFACE[landmark.noun]
            return [_stood(landmark, wide, height, 0), *_moved(actors, wide / 2 - _centre(around), -(1 - top) * height)]
        case "under":
            free_width, free_height = CLEARANCE[landmark.noun]
            grown = max(1, (around.width + 2) / free_width / width, (around.height + 1) / free_height / height)
            wide, high = grown * width, grown * height
            return [_stood(landmark, wide, high, 0), *_moved(actors, wide / 2 - _centre(around), 0)]
        case "in_front_of":
            far = _stood(landmark, width, height, around.left - 0.5 * width)
            return [replace(far, rect=far.rect.moved(0, -5)), *actors]
        case "behind":
            near = _stood(landmark, width, height, around.left + 0.5 * actors[0].rect.width - width)
            return [*actors, replace(near, rect=near.rect.moved(0, 4))]
        case _:
            return [_stood(landmark, width, height, around.left - width - 2), *actors]


def _stood(entity: Entity, width: float, height: float, left: float) -> Placed:
    return Placed(entity, Rect(left, -height, left + width, 0))


def _moved(group: list[Placed], x: float, y: float) -> list[Placed]:
    return [replace(placed, rect=placed.rect.moved(x, y)) for placed in group]


def _centre(rect: Rect) -> float:
    return (rect.left + rect.right) / 2


def _around(group: list[Placed]) -> Rect:
    rects = [placed.rect for placed in group]
    return Rect(
        min(rect.left for rect in rects),
        min(rect.top for rect in rects),
        max(rect.right for rect in rects),
        max(0, *(rect.bottom for rect in rects)),
    )
