"""French: two genders, plural, size before the noun and colour after it, elision of ``de``."""

from __future__ import annotations

from optical_hf.scenes.scene_captions import Mark, Pick, Piece
from optical_hf.scenes.world import Entity, Scene

NUMBERS = {2: "deux", 3: "trois"}
ADJECTIVES = {  # masculine, feminine, masculine plural, feminine plural
    "small": ("petit", "petite", "petits", "petites"),
    "big": ("grand", "grande", "grands", "grandes"),
    "red": ("rouge", "rouge", "rouges", "rouges"),
    "blue": ("bleu", "bleue", "bleus", "bleues"),
    "green": ("vert", "verte", "verts", "vertes"),
    "yellow": ("jaune", "jaune", "jaunes", "jaunes"),
    "black": ("noir", "noire", "noirs", "noires"),
    "white": ("blanc", "blanche", "blancs", "blanches"),
    "brown": ("marron", "marron", "marron", "marron"),
}
NOUNS = {  # gender, singular, plural
    "man": (("m", "homme", "hommes"),),
    "woman": (("f", "femme", "femmes"),),
    "boy": (("m", "garçon", "garçons"),),
    "girl": (("f", "fille", "filles"),),
    "dog": (("m", "chien", "chiens"),),
    "cat": (("m", "chat", "chats"),),
    "horse": (("m", "cheval", "chevaux"),),
    "donkey": (("m", "âne", "ânes"),),
    "rabbit": (("m", "lapin", "lapins"),),
    "bird": (("m", "oiseau", "oiseaux"),),
    "ball": (("m", "ballon", "ballons"), ("f", "balle", "balles")),
    "book": (("m", "livre", "livres"),),
    "cup": (("f", "tasse", "tasses"),),
    "bag": (("m", "sac", "sacs"),),
    "flower": (("f", "fleur", "fleurs"),),
    "umbrella": (("m", "parapluie", "parapluies"),),
    "box": (("f", "boîte", "boîtes"), ("f", "caisse", "caisses")),
    "bottle": (("f", "bouteille", "bouteilles"),),
    "basket": (("m", "panier", "paniers"),),
    "tree": (("m", "arbre", "arbres"),),
    "house": (("f", "maison", "maisons"),),
    "car": (("f", "voiture", "voitures"),),
    "table": (("f", "table", "tables"),),
    "chair": (("f", "chaise", "chaises"),),
    "boat": (("m", "bateau", "bateaux"),),
    "bicycle": (("m", "vélo", "vélos"), ("f", "bicyclette", "bicyclettes")),
    "rock": (("m", "rocher", "rochers"),),
    "shirt": (("f", "chemise", "chemises"),),
    "hat": (("m", "chapeau", "chapeaux"),),
    "coat": (("m", "manteau", "manteaux"),),
}
VERBS = {  # third person singular, plural; or the four forms of one whose participle agrees
    "run": (("court", "courent"), ("est en train de courir", "sont en train de courir")),
    "jump": (("saute", "sautent"), ("est en train de sauter", "sont en train de sauter")),
    "sit": (("est assis", "est assise", "sont assis", "sont assises"),),
    "stand": (("est debout", "sont debout"), ("se tient debout", "se tiennent debout")),
    "sleep": (("dort", "dorment"), ("est en train de dormir", "sont en train de dormir")),
    "hold": (("tient", "tiennent"),),
    "carry": (("porte", "portent"), ("transporte", "transportent")),
    "push": (("pousse", "poussent"),),
    "look_at": (("regarde", "regardent"), ("observe", "observent")),
    "lie": (("est posé", "est posée", "sont posés", "sont posées"), ("se trouve", "se trouvent")),
}
RELATIONS = {
    "next_to": ("à côté d'", "près d'"),
    "behind": ("derrière",),
    "in_front_of": ("devant",),
    "under": ("sous",),
    "on": ("sur",),
}
PLACES = {
    "beach": (("sur", "la plage"),),
    "street": (("dans", "la rue"), ("sur", "la route")),
    "garden": (("dans", "le jardin"),),
    "field": (("dans", "le champ"),),
    "forest": (("dans", "la forêt"), ("dans", "les bois")),
    "desert": (("dans", "le désert"),),
}


def agree(adjective: str, gender: str, plural: bool) -> str:
    """One of the four forms of an adjective."""
    return ADJECTIVES[adjective][2 * plural + (gender == "f")]


def noun_phrase(entity: Entity, pick: Pick) -> tuple[str, str]:
    """``un petit chien noir`` and its gender: synonyms may differ in gender."""
    gender, singular, plural = pick(NOUNS[entity.noun])
    number = NUMBERS[entity.count] if entity.plural else ("une" if gender == "f" else "un")
    words = [number]
    words += [agree(entity.size, gender, entity.plural)] if entity.size else []
    words.append(plural if entity.plural else singular)
    words += [agree(entity.colour, gender, entity.plural)] if entity.colour else []
    return " ".join(words), gender


def garment_phrase(garment: Entity, pick: Pick) -> str:
    """``une chemise rouge``, ``des chemises rouges``."""
    if not garment.plural:
        return noun_phrase(garment, pick)[0]
    gender, _, plural = pick(NOUNS[garment.noun])
    return f"des {plural} {agree(str(garment.colour), gender, plural=True)}"


def verb_form(scene: Scene, gender: str, pick: Pick) -> str:
    """The finite verb, its participle in agreement with the subject."""
    forms: tuple[str, ...] = pick(VERBS[scene.action])
    return forms[scene.subject.plural if len(forms) == 2 else 2 * scene.subject.plural + (gender == "f")]


def sentence(scene: Scene, pick: Pick) -> list[Piece]:
    """The scene as a French sentence."""
    phrase, gender = noun_phrase(scene.subject, pick)
    subject: list[Piece] = [Mark(scene.subject, phrase)]
    if scene.garment:
        subject += [pick(("portant", "avec")), Mark(scene.garment, garment_phrase(scene.garment, pick))]
    verb = verb_form(scene, gender, pick)
    acted_on: list[Piece] = [Mark(scene.object, noun_phrase(scene.object, pick)[0])] if scene.object else []
    near: list[Piece] = []
    if scene.relation and scene.landmark:
        near = [pick(RELATIONS[scene.relation]), Mark(scene.landmark, noun_phrase(scene.landmark, pick)[0])]
    where: list[Piece] = []
    if scene.place:
        preposition, place = pick(PLACES[scene.place.noun])
        where = [preposition, Mark(scene.place, place)]

    orders: list[list[Piece]] = [[*subject, verb, *acted_on, *near, *where]]
    if where:
        orders.append([*where, ",", *subject, verb, *acted_on, *near])
    if scene.action == "lie":
        orders += [["il y a", *subject, *near, *where], [*near, ",", "il y a", *subject, *where]]
    return pick(orders)
