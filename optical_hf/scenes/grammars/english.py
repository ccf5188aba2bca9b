"""English: articles, plurals, and three word orders."""

from __future__ import annotations

from optical_hf.scenes.scene_captions import Mark, Pick, Piece
from optical_hf.scenes.world import Entity, Scene

NUMBERS = {2: "two", 3: "three"}
SIZES = {"small": ("small", "little"), "big": ("big", "large")}
NOUNS = {  # singular, plural
    "man": (("man", "men"),),
    "woman": (("woman", "women"), ("lady", "ladies")),
    "boy": (("boy", "boys"),),
    "girl": (("girl", "girls"),),
    "dog": (("dog", "dogs"),),
    "cat": (("cat", "cats"),),
    "horse": (("horse", "horses"),),
    "donkey": (("donkey", "donkeys"),),
    "rabbit": (("rabbit", "rabbits"), ("bunny", "bunnies")),
    "bird": (("bird", "birds"),),
    "ball": (("ball", "balls"),),
    "book": (("book", "books"),),
    "cup": (("cup", "cups"), ("mug", "mugs")),
    "bag": (("bag", "bags"),),
    "flower": (("flower", "flowers"),),
    "umbrella": (("umbrella", "umbrellas"),),
    "box": (("box", "boxes"),),
    "bottle": (("bottle", "bottles"),),
    "basket": (("basket", "baskets"),),
    "tree": (("tree", "trees"),),
    "house": (("house", "houses"),),
    "car": (("car", "cars"),),
    "table": (("table", "tables"),),
    "chair": (("chair", "chairs"),),
    "boat": (("boat", "boats"),),
    "bicycle": (("bicycle", "bicycles"), ("bike", "bikes")),
    "rock": (("rock", "rocks"), ("stone", "stones")),
    "shirt": (("shirt", "shirts"),),
    "hat": (("hat", "hats"),),
    "coat": (("coat", "coats"),),
}
VERBS = {  # third person singular, plural, participle
    "run": (("runs", "run", "running"),),
    "jump": (("jumps", "jump", "jumping"),),
    "sit": (("sits", "sit", "sitting"),),
    "stand": (("stands", "stand", "standing"),),
    "sleep": (("sleeps", "sleep", "sleeping"),),
    "hold": (("holds", "hold", "holding"),),
    "carry": (("carries", "carry", "carrying"),),
    "push": (("pushes", "push", "pushing"),),
    "look_at": (("looks at", "look at", "looking at"), ("watches", "watch", "watching")),
    "lie": (("lies", "lie", "lying"),),
}
RELATIONS = {
    "next_to": ("next to", "beside"),
    "behind": ("behind",),
    "in_front_of": ("in front of",),
    "under": ("under", "beneath"),
    "on": ("on", "on top of"),
}
PLACES = {
    "beach": (("on", "the beach"),),
    "street": (("in", "the street"), ("on", "the road")),
    "garden": (("in", "the garden"),),
    "field": (("in", "the field"),),
    "forest": (("in", "the forest"), ("in", "the woods")),
    "desert": (("in", "the desert"),),
}


def noun_phrase(entity: Entity, pick: Pick) -> str:
    """``a small red ball``, ``two umbrellas``."""
    words = [pick(SIZES[entity.size])] if entity.size else []
    words += [entity.colour] if entity.colour else []
    words.append(pick(NOUNS[entity.noun])[entity.plural])
    if entity.plural:
        return " ".join([NUMBERS[entity.count], *words])
    return " ".join(["an" if words[0][0] in "aeiou" else "a", *words])


def sentence(scene: Scene, pick: Pick) -> list[Piece]:
    """The scene as an English sentence."""
    subject: list[Piece] = [Mark(scene.subject, noun_phrase(scene.subject, pick))]
    if scene.garment:
        colour, noun = scene.garment.colour, pick(NOUNS[scene.garment.noun])[scene.garment.plural]
        worn = f"{colour} {noun}" if scene.garment.plural else f"a {colour} {noun}"
        subject += [pick(("in", "wearing")), Mark(scene.garment, worn)]

    singular, plural, participle = pick(VERBS[scene.action])
    be = "are" if scene.subject.plural else "is"
    acted_on: list[Piece] = [Mark(scene.object, noun_phrase(scene.object, pick))] if scene.object else []
    near: list[Piece] = []
    if scene.relation and scene.landmark:
        near = [pick(RELATIONS[scene.relation]), Mark(scene.landmark, noun_phrase(scene.landmark, pick))]
    where: list[Piece] = []
    if scene.place:
        preposition, place = pick(PLACES[scene.place.noun])
        where = [preposition, Mark(scene.place, place)]

    if scene.action == "lie":
        located: list[Piece] = [*subject, pick((be, plural if scene.subject.plural else singular)), *near, *where]
        return pick((located, ["there", be, *subject, *near, *where], [*near, "there", be, *subject, *where]))
    finite = pick((f"{be} {participle}", plural if scene.subject.plural else singular))
    orders: list[list[Piece]] = [
        [*subject, finite, *acted_on, *near, *where],
        ["there", be, *subject, participle, *acted_on, *near, *where],
    ]
    if where:
        orders.append([*where, ",", *subject, finite, *acted_on, *near])
    return pick(orders)
