"""Somali: the subject in focus (``ayaa``, ``baa``) or after ``waxaa``, which both take the reduced verb paradigm.

In that paradigm a feminine singular subject has its own form and everything else shares one, numerals included. A
number is the head of its phrase: masculine nouns follow it unchanged, feminine ones with ``-ood``, and modifiers are
linked with ``oo``. Words of place are possessed by the landmark and agree with its gender: ``geed hoostiisa``.
"""

from __future__ import annotations

from optical_hf.scenes.scene_captions import Mark, Pick, Piece
from optical_hf.scenes.world import Entity, Scene

NUMBERS = {2: "laba", 3: "saddex"}
ADJECTIVES = {  # singular, plural: true adjectives reduplicate, nouns of colour stand with ``ah``
    "small": ("yar", "yaryar"),
    "big": ("weyn", "waaweyn"),
    "red": ("cas", "cascas"),
    "blue": ("buluug ah", "buluug ah"),
    "green": ("cagaaran", "cagaaran"),
    "yellow": ("jaalle ah", "jaalle ah"),
    "black": ("madow", "madmadow"),
    "white": ("cad", "cadcad"),
    "brown": ("bunni ah", "bunni ah"),
}
NOUNS = {  # gender, singular, form after a number (for what is ever counted)
    "man": (("m", "nin", "nin"),),
    "woman": (("f", "naag", "naagood"),),
    "boy": (("m", "wiil", "wiil"),),
    "girl": (("f", "gabadh", "gabdhood"),),
    "dog": (("m", "eey", "eey"),),
    "cat": (("f", "bisad", "bisadood"),),
    "horse": (("m", "faras", "faras"),),
    "donkey": (("m", "dameer", "dameer"),),
    "rabbit": (("m", "bakayle", "bakayle"),),
    "bird": (("f", "shimbir", "shimbirood"),),
    "ball": (("f", "kubbad", "kubbadood"),),
    "book": (("m", "buug", "buug"),),
    "cup": (("m", "koob", "koob"),),
    "bag": (("f", "shandad", "shandadood"),),
    "flower": (("m", "ubax", "ubax"),),
    "umbrella": (("f", "dallad", "dalladood"),),
    "box": (("m", "sanduuq", "sanduuq"),),
    "bottle": (("f", "qaruurad", "qaruuradood"),),
    "basket": (("f", "dambiil", "dambiilood"),),
    "tree": (("m", "geed", ""),),
    "house": (("m", "guri", ""),),
    "car": (("m", "baabuur", ""), ("m", "gaari", "")),
    "table": (("m", "miis", ""),),
    "chair": (("m", "kursi", ""),),
    "boat": (("f", "doon", ""),),
    "bicycle": (("m", "baaskiil", ""),),
    "rock": (("m", "dhagax", ""),),
    "shirt": (("m", "shaadh", ""), ("m", "shaati", "")),
    "hat": (("f", "koofiyad", ""),),
    "coat": (("m", "koodh", ""),),
}
VERBS = {  # reduced paradigm: feminine singular, all others
    "run": (("ordaysa", "ordaya"),),
    "jump": (("boodaysa", "boodaya"),),
    "sit": (("fadhida", "fadhiya"),),
    "stand": (("taagan", "taagan"),),
    "sleep": (("hurudda", "hurda"),),
    "hold": (("haysa", "haya"),),
    "carry": (("sidda", "sida"),),
    "push": (("riixaysa", "riixaya"),),
    "look_at": (("eegaysa", "eegaya"), ("fiirinaysa", "fiirinaya")),
    "lie": (("taalla", "yaalla"),),
}
RELATIONS = {  # possessed by a masculine, by a feminine landmark
    "next_to": (("agtiisa", "agteeda"), ("dhinaciisa", "dhinaceeda")),
    "behind": (("gadaashiisa", "gadaasheeda"),),
    "in_front_of": (("hortiisa", "horteeda"),),
    "under": (("hoostiisa", "hoosteeda"),),
    "on": (("dushiisa", "dusheeda"), ("korkiisa", "korkeeda")),
}
PLACES = {
    "beach": ("xeebta",),
    "street": ("waddada", "jidka"),
    "garden": ("beerta",),
    "field": ("garoonka",),
    "forest": ("kaynta",),
    "desert": ("saxaraha", "lamadegaanka"),
}


def noun_phrase(entity: Entity, pick: Pick) -> tuple[str, str]:
    """``eey yar oo madow``, ``laba eey oo yaryar oo madmadow``, and the gender of the noun."""
    gender, singular, counted = pick(NOUNS[entity.noun])
    modifiers = [ADJECTIVES[word][entity.plural] for word in (entity.size, entity.colour) if word]
    if entity.plural:
        return " oo ".join([f"{NUMBERS[entity.count]} {counted}", *modifiers]), gender
    return " ".join([singular, " oo ".join(modifiers)]).strip(), gender


def sentence(scene: Scene, pick: Pick) -> list[Piece]:
    """The scene as a Somali sentence."""
    phrase, gender = noun_phrase(scene.subject, pick)
    subject: list[Piece] = [Mark(scene.subject, phrase)]
    if scene.garment:
        worn = f"{pick(NOUNS[scene.garment.noun])[1]} {ADJECTIVES[str(scene.garment.colour)][0]}"
        subject += ["oo" if scene.subject.plural else "", Mark(scene.garment, worn), pick(("xidhan", "xiran"))]
    verb = pick(VERBS[scene.action])[scene.subject.plural or gender == "m"]
    acted_on: list[Piece] = [Mark(scene.object, noun_phrase(scene.object, pick)[0])] if scene.object else []
    near: list[Piece] = []
    if scene.relation and scene.landmark:
        landmark, owner = noun_phrase(scene.landmark, pick)
        near = [Mark(scene.landmark, landmark), pick(RELATIONS[scene.relation])[owner == "f"]]
    where: list[Piece] = [Mark(scene.place, pick(PLACES[scene.place.noun]))] if scene.place else []

    at = "ku" if near or where else ""
    return pick(
        (
            [*subject, pick(("ayaa", "baa")), *where, *near, *acted_on, at, verb],
            ["waxaa", *where, *near, *acted_on, at, verb, *subject],
        )
    )
