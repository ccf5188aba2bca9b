"""Swahili: noun classes, with concords on adjectives, numbers, the connective -a and the verb.

Animals stand in the forms of classes 9/10 but take the concords of persons (1/2). Colours that are nouns follow the
connective: ``mpira wa kijani``, ``mipira ya kijani``.
"""

from __future__ import annotations

from typing import NamedTuple

from optical_hf.scenes.scene_captions import Mark, Pick, Piece
from optical_hf.scenes.world import Entity, Scene


class Concords(NamedTuple):
    """What a noun class puts in front of the words that agree with it."""

    small: str
    big: str
    red: str
    black: str
    white: str
    two: str
    three: str
    of: str
    subject: str


CONCORDS = {
    1: Concords("mdogo", "mkubwa", "mwekundu", "mweusi", "mweupe", "", "", "wa", "a"),
    2: Concords("wadogo", "wakubwa", "wekundu", "weusi", "weupe", "wawili", "watatu", "wa", "wa"),
    3: Concords("mdogo", "mkubwa", "mwekundu", "mweusi", "mweupe", "", "", "wa", "u"),
    4: Concords("midogo", "mikubwa", "myekundu", "myeusi", "myeupe", "miwili", "mitatu", "ya", "i"),
    5: Concords("dogo", "kubwa", "jekundu", "jeusi", "jeupe", "", "", "la", "li"),
    6: Concords("madogo", "makubwa", "mekundu", "meusi", "meupe", "mawili", "matatu", "ya", "ya"),
    7: Concords("kidogo", "kikubwa", "chekundu", "cheusi", "cheupe", "", "", "cha", "ki"),
    8: Concords("vidogo", "vikubwa", "vyekundu", "vyeusi", "vyeupe", "viwili", "vitatu", "vya", "vi"),
    9: Concords("ndogo", "kubwa", "nyekundu", "nyeusi", "nyeupe", "", "", "ya", "i"),
    10: Concords("ndogo", "kubwa", "nyekundu", "nyeusi", "nyeupe", "mbili", "tatu", "za", "zi"),
}
COLOUR_NOUNS = {"blue": ("bluu", "rangi ya bluu"), "green": ("kijani",), "yellow": ("njano",), "brown": ("kahawia",)}
NOUNS = {  # singular class (the plural class is the next number), singular, plural
    "man": ((1, "mwanamume", "wanaume"),),
    "woman": ((1, "mwanamke", "wanawake"),),
    "boy": ((1, "mvulana", "wavulana"),),
    "girl": ((1, "msichana", "wasichana"),),
    "dog": ((1, "mbwa", "mbwa"),),
    "cat": ((1, "paka", "paka"),),
    "horse": ((1, "farasi", "farasi"),),
    "donkey": ((1, "punda", "punda"),),
    "rabbit": ((1, "sungura", "sungura"),),
    "bird": ((1, "ndege", "ndege"),),
    "ball": ((3, "mpira", "mipira"),),
    "book": ((7, "kitabu", "vitabu"),),
    "cup": ((7, "kikombe", "vikombe"),),
    "bag": ((3, "mfuko", "mifuko"), (3, "mkoba", "mikoba")),
    "flower": ((5, "ua", "maua"),),
    "umbrella": ((3, "mwavuli", "miavuli"),),
    "box": ((5, "sanduku", "masanduku"),),
    "bottle": ((9, "chupa", "chupa"),),
    "basket": ((7, "kikapu", "vikapu"),),
    "tree": ((3, "mti", "miti"),),
    "house": ((9, "nyumba", "nyumba"),),
    "car": ((5, "gari", "magari"),),
    "table": ((9, "meza", "meza"),),
    "chair": ((7, "kiti", "viti"),),
    "boat": ((9, "mashua", "mashua"), (9, "boti", "boti")),
    "bicycle": ((9, "baiskeli", "baiskeli"),),
    "rock": ((5, "jiwe", "mawe"),),
    "shirt": ((5, "shati", "mashati"),),
    "hat": ((9, "kofia", "kofia"),),
    "coat": ((5, "koti", "makoti"),),
}
VERBS = {  # after the subject concord; the perfect -me- says a posture that was taken up
    "run": ("nakimbia",),
    "jump": ("naruka",),
    "sit": ("meketi", "mekaa"),
    "stand": ("mesimama",),
    "sleep": ("nalala", "melala"),
    "hold": ("meshika", "meshikilia"),
    "carry": ("mebeba", "nabeba"),
    "push": ("nasukuma",),
    "look_at": ("naangalia", "natazama"),
}
RELATIONS = {
    "next_to": ("kando ya", "karibu na"),
    "behind": ("nyuma ya",),
    "in_front_of": ("mbele ya",),
    "under": ("chini ya",),
    "on": ("juu ya",),
}
PLACES = {  # locatives
    "beach": ("ufukweni", "pwani"),
    "street": ("barabarani", "mtaani"),
    "garden": ("bustanini",),
    "field": ("shambani",),
    "forest": ("msituni",),
    "desert": ("jangwani",),
}


def noun_phrase(entity: Entity, pick: Pick, *, counted: bool = True) -> tuple[str, int]:
    """``mipira miwili midogo ya kijani``, and the noun class of the whole."""
    singular_class, singular, plural = pick(NOUNS[entity.noun])
    noun_class = singular_class + entity.plural
    concords = CONCORDS[noun_class]
    words = [plural if entity.plural else singular]
    if entity.plural and counted:
        words.append({2: concords.two, 3: concords.three}[entity.count])
    if entity.size:
        words.append(getattr(concords, entity.size))
    if entity.colour in COLOUR_NOUNS:
        words.append(f"{concords.of} {pick(COLOUR_NOUNS[entity.colour])}")
    elif entity.colour:
        words.append(getattr(concords, entity.colour))
    return " ".join(words), noun_class


def sentence(scene: Scene, pick: Pick) -> list[Piece]:
    """The scene as a Swahili sentence."""
    phrase, noun_class = noun_phrase(scene.subject, pick)
    subject: list[Piece] = [Mark(scene.subject, phrase)]
    if scene.garment:
        wearing = ("waliovaa", "wenye") if scene.subject.plural else ("aliyevaa", "mwenye")
        worn, _ = noun_phrase(scene.garment, pick, counted=False)
        subject += [pick(wearing), Mark(scene.garment, worn)]
    acted_on: list[Piece] = [Mark(scene.object, noun_phrase(scene.object, pick)[0])] if scene.object else []
    near: list[Piece] = []
    if scene.relation and scene.landmark:
        near = [pick(RELATIONS[scene.relation]), Mark(scene.landmark, noun_phrase(scene.landmark, pick)[0])]
    where: list[Piece] = [Mark(scene.place, pick(PLACES[scene.place.noun]))] if scene.place else []

    concord = CONCORDS[noun_class].subject
    if scene.action == "lie":
        return pick(
            (
                [*subject, f"{concord}ko" if concord != "a" else "yuko", *near, *where],
                ["kuna", *subject, *near, *where],
                [*near, "kuna", *subject, *where],
            )
        )
    verb = concord + pick(VERBS[scene.action])
    orders: list[list[Piece]] = [[*subject, verb, *acted_on, *near, *where]]
    if where:
        orders.append([*where, ",", *subject, verb, *acted_on, *near])
    return pick(orders)
