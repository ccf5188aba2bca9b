"""Tagalog: the predicate first, ``ang`` and ``ng`` phrases, and the linker that joins modifiers to what they modify.

The linker is ``-ng`` after a vowel, ``-g`` after n, and ``na`` after any other consonant.
"""

from __future__ import annotations

from optical_hf.data.scenes.captions import Mark, Pick, Piece
from optical_hf.data.scenes.world import Entity, Scene

NUMBERS = {1: "isa", 2: "dalawa", 3: "tatlo"}
ADJECTIVES = {
    "small": ("maliit",),
    "big": ("malaki",),
    "red": ("pula",),
    "blue": ("asul", "bughaw"),
    "green": ("berde", "luntian"),
    "yellow": ("dilaw",),
    "black": ("itim",),
    "white": ("puti",),
    "brown": ("kayumanggi",),
}
NOUNS = {
    "man": ("lalaki",),
    "woman": ("babae",),
    "boy": ("batang lalaki",),
    "girl": ("batang babae",),
    "dog": ("aso",),
    "cat": ("pusa",),
    "horse": ("kabayo",),
    "donkey": ("asno",),
    "rabbit": ("kuneho",),
    "bird": ("ibon",),
    "ball": ("bola",),
    "book": ("aklat", "libro"),
    "cup": ("tasa",),
    "bag": ("bag",),
    "flower": ("bulaklak",),
    "umbrella": ("payong",),
    "box": ("kahon",),
    "bottle": ("bote",),
    "basket": ("basket",),
    "tree": ("puno",),
    "house": ("bahay",),
    "car": ("kotse",),
    "table": ("mesa", "lamesa"),
    "chair": ("upuan", "silya"),
    "boat": ("bangka",),
    "bicycle": ("bisikleta",),
    "rock": ("bato",),
    "shirt": ("kamiseta",),
    "hat": ("sumbrero",),
    "coat": ("amerikana",),
}
VERBS = {  # with the marker that their object takes
    "run": ("tumatakbo",),
    "jump": ("tumatalon",),
    "sit": ("nakaupo",),
    "stand": ("nakatayo",),
    "sleep": ("natutulog",),
    "hold": ("may hawak na", "humahawak ng"),
    "carry": ("may dalang", "nagdadala ng"),
    "push": ("nagtutulak ng",),
    "look_at": ("tumitingin sa", "nakatingin sa"),
}
RELATIONS = {
    "next_to": ("tabi ng",),
    "behind": ("likod ng",),
    "in_front_of": ("harap ng",),
    "under": ("ilalim ng",),
    "on": ("ibabaw ng",),
}
PLACES = {
    "beach": ("dalampasigan", "tabing-dagat"),
    "street": ("kalye", "kalsada"),
    "garden": ("hardin",),
    "field": ("bukid",),
    "forest": ("gubat", "kagubatan"),
    "desert": ("disyerto",),
}


def link(words: str) -> str:
    """``pula`` to ``pulang``, ``ibon`` to ``ibong``, ``itim`` to ``itim na``."""
    if words[-1] in "aeiou":
        return f"{words}ng"
    return f"{words}g" if words.endswith("n") else f"{words} na"


def noun_phrase(entity: Entity, pick: Pick, *, counted: bool = True) -> str:
    """``isang maliit na itim na aso``."""
    words = [link(NUMBERS[entity.count])] if counted else []
    words += [link(pick(ADJECTIVES[word])) for word in (entity.size, entity.colour) if word]
    return " ".join([*words, pick(NOUNS[entity.noun])])


def sentence(scene: Scene, pick: Pick) -> list[Piece]:
    """The scene as a Tagalog sentence."""
    phrase = noun_phrase(scene.subject, pick)
    linked: list[Piece] = [Mark(scene.subject, link(phrase))]
    subject: list[Piece] = [Mark(scene.subject, phrase)]
    if scene.garment:
        worn = Mark(scene.garment, noun_phrase(scene.garment, pick, counted=False))
        subject = [*linked, pick(("nakasuot ng", "may suot na")), worn]
        linked = [*subject, "na"]
    near: list[Piece] = []
    if scene.relation and scene.landmark:
        near = [f"sa {pick(RELATIONS[scene.relation])}", Mark(scene.landmark, noun_phrase(scene.landmark, pick))]
    where: list[Piece] = ["sa", Mark(scene.place, pick(PLACES[scene.place.noun]))] if scene.place else []

    if scene.action == "lie":
        is_there: list[Piece] = [f"na{near[0]}", *near[1:]]  # sa becomes nasa: to be there
        return pick(
            (
                ["may", *subject, *near, *where],
                [*is_there, "ang", *subject, *where],
                ["nakalagay ang", *subject, *near, *where],
            )
        )
    verb: list[Piece] = [pick(VERBS[scene.action])]
    if scene.object:
        verb.append(Mark(scene.object, noun_phrase(scene.object, pick)))
    orders: list[list[Piece]] = [
        [*verb, "ang", *subject, *near, *where],
        ["ang", *subject, "ay", *verb, *near, *where],
        ["may", *linked, *verb, *near, *where],
    ]
    if where:
        orders.append([*where, ",", *verb, "ang", *subject, *near])
    return pick(orders)
