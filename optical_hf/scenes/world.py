"""The procedural world of the scenes: who is there, how many, how big, what colour, what they do, and where.

A scene is a small frozen record of concepts; it knows no language and no pixel. Grammars turn it into sentences and
``pictures`` into an image. Everything is synthetic and follows from a seed. A scene belongs to one split for ever,
because the split is a hash of the scene itself: training and test scenes cannot overlap, whatever the seeds.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Final, Literal, get_args

Size = Literal["small", "big"]
Colour = Literal["red", "blue", "green", "yellow", "black", "white", "brown"]
Relation = Literal["next_to", "behind", "in_front_of", "under", "on"]
Action = Literal["run", "jump", "sit", "stand", "sleep", "hold", "carry", "push", "look_at", "lie"]
EntityType = Literal["people", "animals", "other", "vehicles", "clothing", "scene"]
Split = Literal["train", "validation", "test"]
Role = Literal["subject", "garment", "object", "landmark", "place"]

COLOURS: Final[tuple[Colour, ...]] = get_args(Colour)
PEOPLE: Final = ("man", "woman", "boy", "girl")
ANIMALS: Final = ("dog", "cat", "horse", "donkey", "rabbit", "bird")
THINGS: Final = ("ball", "book", "cup", "bag", "flower", "umbrella", "box", "bottle", "basket")
LANDMARKS: Final = ("tree", "house", "car", "table", "chair", "boat", "bicycle", "rock")
GARMENTS: Final = ("shirt", "hat", "coat")
PLACES: Final = ("beach", "street", "garden", "field", "forest", "desert")

INTRANSITIVE: Final[tuple[Action, ...]] = ("run", "jump", "sit", "stand", "sleep")
TRANSITIVE: Final[tuple[Action, ...]] = ("hold", "carry", "push", "look_at")
FUR: Final[tuple[Colour, ...]] = ("black", "white", "brown")
CAN_BE_ON: Final = ("table", "chair", "rock")
CAN_BE_UNDER: Final = ("tree", "table")

# One scene in ten is held out for testing and one in ten for validation: the last digit of its hash says which.
_SPLIT_OF_DIGIT: Final[tuple[Split, ...]] = ("test", "validation", *("train",) * 8)
# Drawing this many scenes in a row that are all known means that the world is used up.
_PATIENCE: Final = 10_000


@dataclass(frozen=True)
class Entity:
    """One thing (or a group of ``count`` equal things) of a scene; ``id`` is unique within its scene."""

    id: int
    noun: str
    count: int = 1
    size: Size | None = None
    colour: Colour | None = None

    @property
    def type(self) -> EntityType:
        """The Flickr30k Entities category of the noun."""
        return _TYPE_OF_NOUN[self.noun]

    @property
    def plural(self) -> bool:
        """Whether there is more than one."""
        return self.count > 1


_TYPE_OF_NOUN: Final[dict[str, EntityType]] = {
    **dict.fromkeys(PEOPLE, "people"),
    **dict.fromkeys(ANIMALS, "animals"),
    **dict.fromkeys(THINGS + LANDMARKS, "other"),
    **dict.fromkeys(("car", "boat", "bicycle"), "vehicles"),
    **dict.fromkeys(GARMENTS, "clothing"),
    **dict.fromkeys(PLACES, "scene"),
}


@dataclass(frozen=True)
class Scene:
    """Who does what to what, next to what, where. Parts that a scene does not have are ``None``.

    People may wear one garment; only people and animals act; things lie somewhere (``action="lie"``).
    """

    subject: Entity
    action: Action
    object: Entity | None = None
    garment: Entity | None = None
    relation: Relation | None = None
    landmark: Entity | None = None
    place: Entity | None = None

    @cached_property
    def key(self) -> str:
        """A canonical text of the scene: equal scenes have equal keys, whatever their entity ids."""
        said = (f"{role}={it.count}.{it.size or '-'}.{it.colour or '-'}.{it.noun}" for role, it in self.roles)
        return " ".join((self.action, self.relation or "-", *said))

    @property
    def roles(self) -> tuple[tuple[Role, Entity], ...]:
        """The entities that are there, with the part that each plays."""
        named: list[tuple[Role, Entity | None]] = [(role, getattr(self, role)) for role in get_args(Role)]
        return tuple((role, entity) for role, entity in named if entity is not None)

    @property
    def entities(self) -> tuple[Entity, ...]:
        """The entities that are there."""
        return tuple(entity for _, entity in self.roles)

    @property
    def split(self) -> Split:
        """The split this scene belongs to by its hash."""
        digest = hashlib.sha256(self.key.encode()).digest()
        return _SPLIT_OF_DIGIT[int.from_bytes(digest[:8], "big") % len(_SPLIT_OF_DIGIT)]


def generate_scenes(count: int, seed: int = 0, split: Split | None = None) -> list[Scene]:
    """``count`` distinct scenes of the synthetic world.

    The same seed gives the same scenes, and fewer scenes are a prefix of more.

    Args:
        count: number of scenes, 0 or more.
        seed: any integer.
        split: only scenes of this split; ``None`` takes all.

    Returns:
        ``count`` scenes, no two alike.

    Raises:
        ValueError: for a negative count, an unknown split, or when the world has no more scenes to give.

    Example:
        >>> scenes = generate_scenes(3, seed=1, split="test")
        >>> len({scene.key for scene in scenes}), {scene.split for scene in scenes}
        (3, {'test'})
    """
    if count < 0:
        raise ValueError(f"count must be 0 or more, got {count}.")
    if split is not None and split not in get_args(Split):
        raise ValueError(f"split must be one of {', '.join(get_args(Split))} or None, got {split!r}.")
    return list(islice(_distinct_scenes(seed, split), count))


def _distinct_scenes(seed: int, split: Split | None) -> Iterator[Scene]:
    rng = random.Random(f"scenes {seed}")
    seen: set[str] = set()
    misses = 0
    while misses < _PATIENCE:
        scene = _draw(rng)
        if scene.key in seen or (split is not None and scene.split != split):
            misses += 1
            continue
        misses = 0
        seen.add(scene.key)
        yield scene
    raise ValueError(f"the world gave {len(seen)} distinct scenes and no new one in {_PATIENCE} tries: take fewer.")


def _draw(rng: random.Random) -> Scene:
    ids = iter(range(1, 6))
    kind = rng.choices(("people", "animals", "things"), (5, 4, 2))[0]
    garment = None
    if kind == "people":
        subject = Entity(next(ids), rng.choice(PEOPLE), _count(rng))
        if rng.random() < 0.75:
            garment = Entity(next(ids), rng.choice(GARMENTS), subject.count, None, rng.choice(COLOURS))
    elif kind == "animals":
        subject = Entity(next(ids), rng.choice(ANIMALS), _count(rng), _size(rng), _colour(rng, FUR))
    else:
        subject = Entity(next(ids), rng.choice(THINGS), _count(rng), _size(rng), _colour(rng, COLOURS))

    action: Action = "lie"
    acted_on = None
    if kind != "things":
        if rng.random() < 0.5:
            action = rng.choice(INTRANSITIVE)
        else:
            action = rng.choice(TRANSITIVE if kind == "people" else TRANSITIVE[1:])  # animals have no hands to hold
            acted_on = Entity(next(ids), rng.choice(THINGS), _count(rng), _size(rng), _colour(rng, COLOURS))

    relation, landmark = None, None
    if kind == "things" or rng.random() < 0.6:
        noun = rng.choice(LANDMARKS)
        relation = rng.choice(_possible_relations(noun, action))
        landmark = Entity(next(ids), noun, 1, _size(rng), _colour(rng, COLOURS) if noun != "tree" else None)
    place = Entity(next(ids), rng.choice(PLACES)) if rng.random() < 0.7 else None
    return Scene(subject, action, acted_on, garment, relation, landmark, place)


def _count(rng: random.Random) -> int:
    return rng.choices((1, 2, 3), (6, 3, 2))[0]


def _size(rng: random.Random) -> Size | None:
    return rng.choices((None, "small", "big"), (5, 3, 3))[0]


def _colour(rng: random.Random, colours: tuple[Colour, ...]) -> Colour | None:
    return rng.choice(colours) if rng.random() < 0.75 else None


def _possible_relations(landmark: str, action: Action) -> list[Relation]:
    relations: list[Relation] = ["next_to", "behind", "in_front_of"]
    if landmark in CAN_BE_UNDER:
        relations.append("under")
    if landmark in CAN_BE_ON and action in ("sit", "stand", "sleep", "lie"):
        relations.append("on")
    return relations
