"""German: three genders, four cases of which three are used, strong and mixed adjective endings, the verb second."""

from __future__ import annotations

from typing import Literal

from optical_hf.scenes.scene_captions import Mark, Pick, Piece
from optical_hf.scenes.world import Entity, Scene

Case = Literal["nominative", "accusative", "dative"]

NUMBERS = {2: "zwei", 3: "drei"}
ADJECTIVES = {
    "small": ("klein",),
    "big": ("groß",),
    "red": ("rot",),
    "blue": ("blau",),
    "green": ("grün",),
    "yellow": ("gelb",),
    "black": ("schwarz",),
    "white": ("weiß",),
    "brown": ("braun",),
}
NOUNS = {  # gender, singular, plural, dative plural (the singular is one form in the cases used here)
    "man": (("m", "Mann", "Männer", "Männern"),),
    "woman": (("f", "Frau", "Frauen", "Frauen"),),
    "boy": (("m", "Junge", "Jungen", "Jungen"),),
    "girl": (("n", "Mädchen", "Mädchen", "Mädchen"),),
    "dog": (("m", "Hund", "Hunde", "Hunden"),),
    "cat": (("f", "Katze", "Katzen", "Katzen"),),
    "horse": (("n", "Pferd", "Pferde", "Pferden"),),
    "donkey": (("m", "Esel", "Esel", "Eseln"),),
    "rabbit": (("n", "Kaninchen", "Kaninchen", "Kaninchen"),),
    "bird": (("m", "Vogel", "Vögel", "Vögeln"),),
    "ball": (("m", "Ball", "Bälle", "Bällen"),),
    "book": (("n", "Buch", "Bücher", "Büchern"),),
    "cup": (("f", "Tasse", "Tassen", "Tassen"),),
    "bag": (("f", "Tasche", "Taschen", "Taschen"),),
    "flower": (("f", "Blume", "Blumen", "Blumen"),),
    "umbrella": (("m", "Regenschirm", "Regenschirme", "Regenschirmen"), ("m", "Schirm", "Schirme", "Schirmen")),
    "box": (("f", "Kiste", "Kisten", "Kisten"), ("f", "Schachtel", "Schachteln", "Schachteln")),
    "bottle": (("f", "Flasche", "Flaschen", "Flaschen"),),
    "basket": (("m", "Korb", "Körbe", "Körben"),),
    "tree": (("m", "Baum", "Bäume", "Bäumen"),),
    "house": (("n", "Haus", "Häuser", "Häusern"),),
    "car": (("n", "Auto", "Autos", "Autos"), ("m", "Wagen", "Wagen", "Wagen")),
    "table": (("m", "Tisch", "Tische", "Tischen"),),
    "chair": (("m", "Stuhl", "Stühle", "Stühlen"),),
    "boat": (("n", "Boot", "Boote", "Booten"),),
    "bicycle": (("n", "Fahrrad", "Fahrräder", "Fahrrädern"), ("n", "Rad", "Räder", "Rädern")),
    "rock": (("m", "Felsen", "Felsen", "Felsen"), ("m", "Stein", "Steine", "Steinen")),
    "shirt": (("n", "Hemd", "Hemden", "Hemden"),),
    "hat": (("m", "Hut", "Hüte", "Hüten"),),
    "coat": (("m", "Mantel", "Mäntel", "Mänteln"),),
}
ARTICLES = {
    ("nominative", "m"): "ein",
    ("nominative", "f"): "eine",
    ("nominative", "n"): "ein",
    ("accusative", "m"): "einen",
    ("accusative", "f"): "eine",
    ("accusative", "n"): "ein",
    ("dative", "m"): "einem",
    ("dative", "f"): "einer",
    ("dative", "n"): "einem",
}
ENDINGS_AFTER_EIN = {  # the mixed declension
    ("nominative", "m"): "er",
    ("nominative", "f"): "e",
    ("nominative", "n"): "es",
    ("accusative", "m"): "en",
    ("accusative", "f"): "e",
    ("accusative", "n"): "es",
    ("dative", "m"): "en",
    ("dative", "f"): "en",
    ("dative", "n"): "en",
}
ENDINGS_PLURAL = {"nominative": "e", "accusative": "e", "dative": "en"}  # the strong declension, after a number
VERBS = {  # third person singular, plural, separable prefix
    "run": (("rennt", "rennen", ""), ("läuft", "laufen", "")),
    "jump": (("springt", "springen", ""), ("hüpft", "hüpfen", "")),
    "sit": (("sitzt", "sitzen", ""),),
    "stand": (("steht", "stehen", ""),),
    "sleep": (("schläft", "schlafen", ""),),
    "hold": (("hält", "halten", ""), ("hält", "halten", "fest")),
    "carry": (("trägt", "tragen", ""),),
    "push": (("schiebt", "schieben", ""),),
    "look_at": (("betrachtet", "betrachten", ""), ("schaut", "schauen", "an"), ("sieht", "sehen", "an")),
    "lie": (("liegt", "liegen", ""), ("befindet sich", "befinden sich", "")),
}
RELATIONS = {"next_to": "neben", "behind": "hinter", "in_front_of": "vor", "under": "unter", "on": "auf"}
GARMENT_PREPOSITIONS = {"shirt": "in", "hat": "mit", "coat": "in"}
PLACES = {
    "beach": (("am", "Strand"),),
    "street": (("auf", "der Straße"),),
    "garden": (("im", "Garten"),),
    "field": (("auf", "dem Feld"), ("auf", "dem Acker")),
    "forest": (("im", "Wald"),),
    "desert": (("in", "der Wüste"),),
}


def noun_phrase(entity: Entity, case: Case, pick: Pick) -> str:
    """``ein kleiner Hund``, ``einen roten Ball``, ``neben zwei großen Bäumen`` without the ``neben``."""
    gender, singular, plural, dative_plural = pick(NOUNS[entity.noun])
    ending = ENDINGS_PLURAL[case] if entity.plural else ENDINGS_AFTER_EIN[case, gender]
    adjectives = [pick(ADJECTIVES[word]) + ending for word in (entity.size, entity.colour) if word]
    if entity.plural:
        return " ".join([NUMBERS[entity.count], *adjectives, dative_plural if case == "dative" else plural])
    return " ".join([ARTICLES[case, gender], *adjectives, singular])


def garment_phrase(garment: Entity, pick: Pick) -> str:
    """``einem roten Hemd``, ``roten Hemden``: dative, and without a number in the plural."""
    if not garment.plural:
        return noun_phrase(garment, "dative", pick)
    return f"{pick(ADJECTIVES[str(garment.colour)])}en {pick(NOUNS[garment.noun])[3]}"


def sentence(scene: Scene, pick: Pick) -> list[Piece]:
    """The scene as a German main clause."""
    subject: list[Piece] = [Mark(scene.subject, noun_phrase(scene.subject, "nominative", pick))]
    if scene.garment:
        subject += [GARMENT_PREPOSITIONS[scene.garment.noun], Mark(scene.garment, garment_phrase(scene.garment, pick))]
    singular, plural, prefix = pick(VERBS[scene.action])
    verb = plural if scene.subject.plural else singular
    acted_on: list[Piece] = [Mark(scene.object, noun_phrase(scene.object, "accusative", pick))] if scene.object else []
    near: list[Piece] = []
    if scene.relation and scene.landmark:
        near = [RELATIONS[scene.relation], Mark(scene.landmark, noun_phrase(scene.landmark, "dative", pick))]
    where: list[Piece] = []
    if scene.place:
        preposition, place = pick(PLACES[scene.place.noun])
        where = [preposition, Mark(scene.place, place)]

    orders: list[list[Piece]] = [[*subject, verb, *acted_on, *near, *where, prefix]]
    if where and "sich" not in verb:
        orders.append([*where, verb, *subject, *acted_on, *near, prefix])
    if near and "sich" not in verb:
        orders.append([*near, verb, *subject, *acted_on, *where, prefix])
    return pick(orders)
