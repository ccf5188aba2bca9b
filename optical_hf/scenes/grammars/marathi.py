"""Marathi: three genders, the verb last, an oblique stem under postpositions, and the split ergative.

What is being held is what the perfect ``धरला आहे`` agrees with; who holds it stands in the oblique with ``-ने``/``-नी``.
All variable adjectives and participles share one set of endings. A postposition is written with its noun.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from optical_hf.scenes.scene_captions import Mark, Pick, Piece
from optical_hf.scenes.world import Entity, Scene

Case = Literal["direct", "oblique"]


class Noun(NamedTuple):
    """The forms of a noun; postpositions are added to the oblique ones."""

    gender: str
    singular: str
    plural: str
    oblique: str
    oblique_plural: str


NUMBERS = {(1, "direct"): "एक", (1, "oblique"): "एका"}
NUMBERS |= {(2, case): "दोन" for case in ("direct", "oblique")} | {(3, case): "तीन" for case in ("direct", "oblique")}
ENDINGS = {
    ("m", False): "ा",
    ("f", False): "ी",
    ("n", False): "े",
    ("m", True): "े",
    ("f", True): "्या",
    ("n", True): "ी",
}
VARIABLE = {  # stems
    "small": ("छोट",),
    "big": ("मोठ",),
    "blue": ("निळ",),
    "green": ("हिरव",),
    "yellow": ("पिवळ",),
    "black": ("काळ",),
    "white": ("पांढर",),
}
INVARIABLE = {"small": ("लहान",), "red": ("लाल",), "brown": ("तपकिरी",)}
NOUNS = {
    "man": (Noun("m", "पुरुष", "पुरुष", "पुरुषा", "पुरुषां"),),
    "woman": (Noun("f", "स्त्री", "स्त्रिया", "स्त्री", "स्त्रियां"), Noun("f", "महिला", "महिला", "महिले", "महिलां")),
    "boy": (Noun("m", "मुलगा", "मुलगे", "मुलग्या", "मुलग्यां"),),
    "girl": (Noun("f", "मुलगी", "मुली", "मुली", "मुलीं"),),
    "dog": (Noun("m", "कुत्रा", "कुत्रे", "कुत्र्या", "कुत्र्यां"),),
    "cat": (Noun("n", "मांजर", "मांजरे", "मांजरा", "मांजरां"),),
    "horse": (Noun("m", "घोडा", "घोडे", "घोड्या", "घोड्यां"),),
    "donkey": (Noun("n", "गाढव", "गाढवे", "गाढवा", "गाढवां"),),
    "rabbit": (Noun("m", "ससा", "ससे", "सशा", "सशां"),),
    "bird": (Noun("m", "पक्षी", "पक्षी", "पक्ष्या", "पक्ष्यां"),),
    "ball": (Noun("m", "चेंडू", "चेंडू", "चेंडू", "चेंडूं"),),
    "book": (Noun("n", "पुस्तक", "पुस्तके", "पुस्तका", "पुस्तकां"),),
    "cup": (Noun("m", "कप", "कप", "कपा", "कपां"),),
    "bag": (Noun("f", "पिशवी", "पिशव्या", "पिशवी", "पिशव्यां"),),
    "flower": (Noun("n", "फूल", "फुले", "फुला", "फुलां"),),
    "umbrella": (Noun("f", "छत्री", "छत्र्या", "छत्री", "छत्र्यां"),),
    "box": (Noun("f", "पेटी", "पेट्या", "पेटी", "पेट्यां"),),
    "bottle": (Noun("f", "बाटली", "बाटल्या", "बाटली", "बाटल्यां"),),
    "basket": (Noun("f", "टोपली", "टोपल्या", "टोपली", "टोपल्यां"),),
    "tree": (Noun("n", "झाड", "झाडे", "झाडा", "झाडां"),),
    "house": (Noun("n", "घर", "घरे", "घरा", "घरां"),),
    "car": (Noun("f", "गाडी", "गाड्या", "गाडी", "गाड्यां"),),
    "table": (Noun("n", "टेबल", "टेबले", "टेबला", "टेबलां"),),
    "chair": (Noun("f", "खुर्ची", "खुर्च्या", "खुर्ची", "खुर्च्यां"),),
    "boat": (Noun("f", "होडी", "होड्या", "होडी", "होड्यां"),),
    "bicycle": (Noun("f", "सायकल", "सायकली", "सायकली", "सायकलीं"),),
    "rock": (Noun("m", "दगड", "दगड", "दगडा", "दगडां"),),
    "shirt": (Noun("m", "शर्ट", "शर्ट", "शर्टा", "शर्टां"),),
    "hat": (Noun("f", "टोपी", "टोप्या", "टोपी", "टोप्यां"),),
    "coat": (Noun("m", "कोट", "कोट", "कोटा", "कोटां"),),
}
IMPERFECTIVE = {  # stems of the present
    "run": ("धाव", "पळ"),
    "jump": ("उडी मार",),
    "carry": ("घेऊन जा",),
    "push": ("ढकल",),
    "look_at": ("पाह", "बघ"),
}
STATIVE = {"sit": ("बसल",), "stand": ("उभ",), "sleep": ("झोपल",), "hold": ("धरल",)}  # stems that agree
RELATIONS = {
    "next_to": ("शेजारी", "जवळ"),
    "behind": ("मागे",),
    "in_front_of": ("समोर", "पुढे"),
    "under": ("खाली",),
    "on": ("वर",),
}
PLACES = {
    "beach": ("समुद्रकिनाऱ्यावर",),
    "street": ("रस्त्यावर",),
    "garden": ("बागेत",),
    "field": ("शेतात",),
    "forest": ("जंगलात", "अरण्यात"),
    "desert": ("वाळवंटात",),
}


def agree(stem: str, gender: str, plural: bool, case: Case = "direct") -> str:
    """The stem of a variable adjective or participle with its ending; the oblique has one for all."""
    ending = ENDINGS["f", True] if case == "oblique" else ENDINGS[gender, plural]
    if ending == "्या" and stem.endswith("र"):
        return f"{stem[:-1]}ऱ्या"  # written with the eyelash form of the letter
    return stem + ending


def adjective(word: str, noun: Noun, plural: bool, case: Case, pick: Pick) -> str:
    """One adjective in agreement with its noun."""
    variable = [agree(stem, noun.gender, plural, case) for stem in VARIABLE.get(word, ())]
    return pick([*variable, *INVARIABLE.get(word, ())])


def noun_phrase(entity: Entity, case: Case, pick: Pick, *, counted: bool = True) -> tuple[str, Noun]:
    """``दोन छोटे काळे कुत्रे``, oblique ``दोन छोट्या काळ्या कुत्र्यां``, and the noun that was chosen."""
    noun: Noun = pick(NOUNS[entity.noun])
    words = [NUMBERS[entity.count, case]] if counted else []
    words += [adjective(word, noun, entity.plural, case, pick) for word in (entity.size, entity.colour) if word]
    if case == "oblique":
        return " ".join([*words, noun.oblique_plural if entity.plural else noun.oblique]), noun
    return " ".join([*words, noun.plural if entity.plural else noun.singular]), noun


def subject_pieces(scene: Scene, pick: Pick) -> tuple[list[Piece], Noun]:
    """Who acts: in the direct case, or in the ergative of those who hold something."""
    case: Case = "oblique" if scene.action == "hold" else "direct"
    plural = scene.subject.plural
    phrase, noun = noun_phrase(scene.subject, case, pick)
    if case == "oblique":
        phrase += "नी" if plural else "ने"
    if not scene.garment:
        return [Mark(scene.subject, phrase)], noun
    one = Entity(scene.garment.id, scene.garment.noun, 1, None, scene.garment.colour)  # one each
    worn = Mark(scene.garment, noun_phrase(one, "direct", pick, counted=False)[0])
    return [worn, agree("घातलेल", noun.gender, plural, case), Mark(scene.subject, phrase)], noun


def predicate(scene: Scene, agrees_with: Noun, plural: bool, pick: Pick) -> str:
    """The finite verb, agreeing in gender and number with ``agrees_with``."""
    be = "आहेत" if plural else "आहे"
    if scene.action == "lie":
        return pick((be, f"{agree('ठेवलेल', agrees_with.gender, plural)} {be}"))
    if scene.action in STATIVE:
        return f"{agree(pick(STATIVE[scene.action]), agrees_with.gender, plural)} {be}"
    stem = pick(IMPERFECTIVE[scene.action])
    simple = "तात" if plural else "तो" if agrees_with.gender == "m" else "ते"
    return pick((f"{stem}त {be}", stem + simple))


def sentence(scene: Scene, pick: Pick) -> list[Piece]:
    """The scene as a Marathi sentence."""
    subject, agrees_with = subject_pieces(scene, pick)
    plural = scene.subject.plural
    acted_on: list[Piece] = []
    if scene.object:
        case: Case = "oblique" if scene.action == "look_at" else "direct"
        phrase, noun = noun_phrase(scene.object, case, pick)
        acted_on = [Mark(scene.object, f"{phrase}कडे" if case == "oblique" else phrase)]
        if scene.action == "hold":
            agrees_with, plural = noun, scene.object.plural
    near: list[Piece] = []
    if scene.relation and scene.landmark:
        phrase, _ = noun_phrase(scene.landmark, "oblique", pick)
        near = [Mark(scene.landmark, phrase + pick(RELATIONS[scene.relation]))]
    where: list[Piece] = [Mark(scene.place, pick(PLACES[scene.place.noun]))] if scene.place else []

    verb = predicate(scene, agrees_with, plural, pick)
    return pick(
        (
            [*subject, *where, *near, *acted_on, verb],
            [*where, *subject, *near, *acted_on, verb],
            [*where, *near, *subject, *acted_on, verb],
        )
    )
