"""Finnish: no gender and no article, but cases, in which adjectives agree; a number takes the partitive singular."""

from __future__ import annotations

from typing import Literal

from optical_hf.scenes.scene_captions import Mark, Pick, Piece
from optical_hf.scenes.world import Entity, Scene

Case = Literal["nominative", "genitive", "partitive"]
_COLUMN = {"nominative": 0, "genitive": 1, "partitive": 2}

NUMBERS = {
    (2, "nominative"): "kaksi",
    (3, "nominative"): "kolme",
    (2, "partitive"): "kahta",
    (3, "partitive"): "kolmea",
}
ADJECTIVES = {  # nominative, genitive, partitive
    "small": (("pieni", "pienen", "pientä"),),
    "big": (("iso", "ison", "isoa"), ("suuri", "suuren", "suurta")),
    "red": (("punainen", "punaisen", "punaista"),),
    "blue": (("sininen", "sinisen", "sinistä"),),
    "green": (("vihreä", "vihreän", "vihreää"),),
    "yellow": (("keltainen", "keltaisen", "keltaista"),),
    "black": (("musta", "mustan", "mustaa"),),
    "white": (("valkoinen", "valkoisen", "valkoista"),),
    "brown": (("ruskea", "ruskean", "ruskeaa"),),
}
COLOURS_INSIDE = {  # inessive singular, plural
    "red": ("punaisessa", "punaisissa"),
    "blue": ("sinisessä", "sinisissä"),
    "green": ("vihreässä", "vihreissä"),
    "yellow": ("keltaisessa", "keltaisissa"),
    "black": ("mustassa", "mustissa"),
    "white": ("valkoisessa", "valkoisissa"),
    "brown": ("ruskeassa", "ruskeissa"),
}
GARMENTS_INSIDE = {
    "shirt": ("paidassa", "paidoissa"),
    "hat": ("hatussa", "hatuissa"),
    "coat": ("takissa", "takeissa"),
}
NOUNS = {  # nominative, genitive, partitive, all singular
    "man": (("mies", "miehen", "miestä"),),
    "woman": (("nainen", "naisen", "naista"),),
    "boy": (("poika", "pojan", "poikaa"),),
    "girl": (("tyttö", "tytön", "tyttöä"),),
    "dog": (("koira", "koiran", "koiraa"),),
    "cat": (("kissa", "kissan", "kissaa"),),
    "horse": (("hevonen", "hevosen", "hevosta"),),
    "donkey": (("aasi", "aasin", "aasia"),),
    "rabbit": (("kani", "kanin", "kania"), ("kaniini", "kaniinin", "kaniinia")),
    "bird": (("lintu", "linnun", "lintua"),),
    "ball": (("pallo", "pallon", "palloa"),),
    "book": (("kirja", "kirjan", "kirjaa"),),
    "cup": (("kuppi", "kupin", "kuppia"), ("muki", "mukin", "mukia")),
    "bag": (("laukku", "laukun", "laukkua"), ("kassi", "kassin", "kassia")),
    "flower": (("kukka", "kukan", "kukkaa"),),
    "umbrella": (("sateenvarjo", "sateenvarjon", "sateenvarjoa"),),
    "box": (("laatikko", "laatikon", "laatikkoa"),),
    "bottle": (("pullo", "pullon", "pulloa"),),
    "basket": (("kori", "korin", "koria"),),
    "tree": (("puu", "puun", "puuta"),),
    "house": (("talo", "talon", "taloa"),),
    "car": (("auto", "auton", "autoa"),),
    "table": (("pöytä", "pöydän", "pöytää"),),
    "chair": (("tuoli", "tuolin", "tuolia"),),
    "boat": (("vene", "veneen", "venettä"),),
    "bicycle": (("polkupyörä", "polkupyörän", "polkupyörää"), ("pyörä", "pyörän", "pyörää")),
    "rock": (("kivi", "kiven", "kiveä"),),
}
VERBS = {  # third person singular: also after a number
    "run": ("juoksee",),
    "jump": ("hyppii", "hyppää"),
    "sit": ("istuu",),
    "stand": ("seisoo",),
    "sleep": ("nukkuu",),
    "hold": ("pitelee",),
    "carry": ("kantaa",),
    "push": ("työntää",),
    "look_at": ("katsoo", "katselee"),
    "lie": ("on",),
}
RELATIONS = {  # postpositions of the genitive
    "next_to": ("vieressä",),
    "behind": ("takana",),
    "in_front_of": ("edessä",),
    "under": ("alla",),
    "on": ("päällä",),
}
PLACES = {  # in the local case that the noun wants
    "beach": ("rannalla",),
    "street": ("kadulla", "tiellä"),
    "garden": ("puutarhassa",),
    "field": ("pellolla",),
    "forest": ("metsässä",),
    "desert": ("autiomaassa", "aavikolla"),
}


def noun_phrase(entity: Entity, case: Case, pick: Pick) -> str:
    """``pieni musta koira``, ``kaksi pientä mustaa koiraa``, ``kahta pientä mustaa koiraa``."""
    column = _COLUMN["partitive" if entity.plural else case]
    words = [NUMBERS[entity.count, case]] if entity.plural else []
    words += [pick(ADJECTIVES[word])[column] for word in (entity.size, entity.colour) if word]
    return " ".join([*words, pick(NOUNS[entity.noun])[column]])


def sentence(scene: Scene, pick: Pick) -> list[Piece]:
    """The scene as a Finnish sentence."""
    subject: list[Piece] = [Mark(scene.subject, noun_phrase(scene.subject, "nominative", pick))]
    if scene.garment:
        plural = scene.garment.plural
        worn = f"{COLOURS_INSIDE[str(scene.garment.colour)][plural]} {GARMENTS_INSIDE[scene.garment.noun][plural]}"
        subject.append(Mark(scene.garment, worn))
    verb: str = pick(VERBS[scene.action])
    # An action under way, and looking at something at all times, takes a partitive object.
    acted_on: list[Piece] = [Mark(scene.object, noun_phrase(scene.object, "partitive", pick))] if scene.object else []
    near: list[Piece] = []
    if scene.relation and scene.landmark:
        near = [Mark(scene.landmark, noun_phrase(scene.landmark, "genitive", pick)), pick(RELATIONS[scene.relation])]
    where: list[Piece] = [Mark(scene.place, pick(PLACES[scene.place.noun]))] if scene.place else []

    orders: list[list[Piece]] = [[*subject, verb, *acted_on, *near, *where]]
    if where:
        orders.append([*where, *subject, verb, *acted_on, *near])
    if not scene.object:  # the verb first presents what is there
        orders += [[*where, verb, *subject, *near]] if where else []
        orders += [[*near, verb, *subject, *where]] if near else []
    return pick(orders)
