"""Spanish: two genders, plural, colour after the noun, size on either side, ``gran`` before a singular."""

from __future__ import annotations

from optical_hf.data.scenes.captions import Mark, Pick, Piece
from optical_hf.data.scenes.world import Entity, Scene

NUMBERS = {2: "dos", 3: "tres"}
ADJECTIVES = {  # masculine, feminine, masculine plural, feminine plural
    "small": ("pequeño", "pequeña", "pequeños", "pequeñas"),
    "big": ("grande", "grande", "grandes", "grandes"),
    "red": ("rojo", "roja", "rojos", "rojas"),
    "blue": ("azul", "azul", "azules", "azules"),
    "green": ("verde", "verde", "verdes", "verdes"),
    "yellow": ("amarillo", "amarilla", "amarillos", "amarillas"),
    "black": ("negro", "negra", "negros", "negras"),
    "white": ("blanco", "blanca", "blancos", "blancas"),
    "brown": ("marrón", "marrón", "marrones", "marrones"),
}
NOUNS = {  # gender, singular, plural
    "man": (("m", "hombre", "hombres"),),
    "woman": (("f", "mujer", "mujeres"),),
    "boy": (("m", "niño", "niños"), ("m", "chico", "chicos")),
    "girl": (("f", "niña", "niñas"), ("f", "chica", "chicas")),
    "dog": (("m", "perro", "perros"),),
    "cat": (("m", "gato", "gatos"),),
    "horse": (("m", "caballo", "caballos"),),
    "donkey": (("m", "burro", "burros"), ("m", "asno", "asnos")),
    "rabbit": (("m", "conejo", "conejos"),),
    "bird": (("m", "pájaro", "pájaros"),),
    "ball": (("f", "pelota", "pelotas"), ("m", "balón", "balones")),
    "book": (("m", "libro", "libros"),),
    "cup": (("f", "taza", "tazas"),),
    "bag": (("f", "bolsa", "bolsas"), ("m", "bolso", "bolsos")),
    "flower": (("f", "flor", "flores"),),
    "umbrella": (("m", "paraguas", "paraguas"),),
    "box": (("f", "caja", "cajas"),),
    "bottle": (("f", "botella", "botellas"),),
    "basket": (("f", "cesta", "cestas"), ("f", "canasta", "canastas")),
    "tree": (("m", "árbol", "árboles"),),
    "house": (("f", "casa", "casas"),),
    "car": (("m", "coche", "coches"), ("m", "automóvil", "automóviles")),
    "table": (("f", "mesa", "mesas"),),
    "chair": (("f", "silla", "sillas"),),
    "boat": (("m", "barco", "barcos"), ("f", "barca", "barcas")),
    "bicycle": (("f", "bicicleta", "bicicletas"), ("f", "bici", "bicis")),
    "rock": (("f", "roca", "rocas"), ("f", "piedra", "piedras")),
    "shirt": (("f", "camisa", "camisas"),),
    "hat": (("m", "sombrero", "sombreros"),),
    "coat": (("m", "abrigo", "abrigos"),),
}
VERBS = {  # third person singular, plural; or the four forms of one whose participle agrees
    "run": (("corre", "corren"), ("está corriendo", "están corriendo")),
    "jump": (("salta", "saltan"), ("está saltando", "están saltando")),
    "sit": (("está sentado", "está sentada", "están sentados", "están sentadas"),),
    "stand": (("está de pie", "están de pie"),),
    "sleep": (("duerme", "duermen"), ("está durmiendo", "están durmiendo")),
    "hold": (("sostiene", "sostienen"), ("está sosteniendo", "están sosteniendo")),
    "carry": (("lleva", "llevan"), ("transporta", "transportan")),
    "push": (("empuja", "empujan"), ("está empujando", "están empujando")),
    "look_at": (("mira", "miran"), ("está mirando", "están mirando"), ("observa", "observan")),
    "lie": (("está", "están"), ("se encuentra", "se encuentran")),
}
RELATIONS = {
    "next_to": ("al lado de", "junto a"),
    "behind": ("detrás de",),
    "in_front_of": ("delante de", "frente a"),
    "under": ("debajo de", "bajo"),
    "on": ("encima de", "sobre"),
}
PLACES = {
    "beach": (("en", "la playa"),),
    "street": (("en", "la calle"), ("en", "la carretera")),
    "garden": (("en", "el jardín"),),
    "field": (("en", "el campo"),),
    "forest": (("en", "el bosque"),),
    "desert": (("en", "el desierto"),),
}


def agree(adjective: str, gender: str, plural: bool) -> str:
    """One of the four forms of an adjective."""
    return ADJECTIVES[adjective][2 * plural + (gender == "f")]


def noun_phrase(entity: Entity, pick: Pick) -> tuple[str, str]:
    """``un perro negro pequeño`` or ``un pequeño perro negro``, and its gender: synonyms may differ in gender."""
    gender, singular, plural = pick(NOUNS[entity.noun])
    words = [NUMBERS[entity.count] if entity.plural else ("una" if gender == "f" else "un")]
    words.append(plural if entity.plural else singular)
    words += [agree(entity.colour, gender, entity.plural)] if entity.colour else []
    if entity.size:
        size = agree(entity.size, gender, entity.plural)
        if pick(("after", "before")) == "after":
            words.append(size)
        else:
            words.insert(1, "gran" if size == "grande" else size)
    return " ".join(words), gender


def garment_phrase(garment: Entity, pick: Pick) -> str:
    """``una camisa roja``; without a number in the plural."""
    if not garment.plural:
        return noun_phrase(garment, pick)[0]
    gender, _, plural = pick(NOUNS[garment.noun])
    return f"{plural} {agree(str(garment.colour), gender, plural=True)}"


def verb_form(scene: Scene, gender: str, pick: Pick) -> str:
    """The finite verb, its participle in agreement with the subject."""
    forms: tuple[str, ...] = pick(VERBS[scene.action])
    return forms[scene.subject.plural if len(forms) == 2 else 2 * scene.subject.plural + (gender == "f")]


def sentence(scene: Scene, pick: Pick) -> list[Piece]:
    """The scene as a Spanish sentence."""
    phrase, gender = noun_phrase(scene.subject, pick)
    subject: list[Piece] = [Mark(scene.subject, phrase)]
    if scene.garment:
        wearing = "que llevan" if scene.subject.plural else "que lleva"
        subject += [pick(("con", wearing)), Mark(scene.garment, garment_phrase(scene.garment, pick))]
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
        orders += [["hay", *subject, *near, *where], [*near, "hay", *subject, *where]]
    elif not scene.object and not scene.garment:
        orders.append([*near, verb, *subject, *where] if near else [verb, *subject, *where])
    return pick(orders)
