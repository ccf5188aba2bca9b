"""Golden sentences: one scene of every kind in five languages.

They (test_scenes_golden.tsv) were read word by word before they were fixed there; docs/data/scenes.md says what else was checked,
and what was not.
"""

from itertools import product
from pathlib import Path

import pytest
from test_scenes_grammars import first

from optical_hf.scenes import LANGUAGES, Entity, Scene
from optical_hf.scenes.grammar import load_grammar
from optical_hf.scenes.scene_captions import assemble

SCENES = {
    "women_hold": Scene(
        Entity(1, "woman", 2),
        "hold",
        object=Entity(3, "book", 3, "small", "blue"),
        garment=Entity(2, "hat", 2, None, "white"),
        relation="next_to",
        landmark=Entity(4, "tree", 1, "big"),
        place=Entity(5, "beach"),
    ),
    "girl_sleeps": Scene(
        Entity(1, "girl"),
        "sleep",
        garment=Entity(2, "coat", 1, None, "green"),
        relation="under",
        landmark=Entity(3, "table", 1, None, "brown"),
        place=Entity(4, "garden"),
    ),
    "cats_sit": Scene(
        Entity(1, "cat", 3, "small", "black"),
        "sit",
        relation="behind",
        landmark=Entity(2, "boat", 1, None, "red"),
        place=Entity(3, "street"),
    ),
    "bird_looks": Scene(
        Entity(1, "bird", 1, "big", "white"),
        "look_at",
        object=Entity(2, "bag", 2, "big", "yellow"),
        relation="in_front_of",
        landmark=Entity(3, "house", 1, "small", "white"),
        place=Entity(4, "desert"),
    ),
    "flowers_lie": Scene(
        Entity(1, "flower", 2, None, "red"),
        "lie",
        relation="on",
        landmark=Entity(2, "chair", 1, "big", "black"),
        place=Entity(3, "forest"),
    ),
    "man_pushes": Scene(
        Entity(1, "man"),
        "push",
        object=Entity(3, "box", 1, None, "green"),
        garment=Entity(2, "shirt", 1, None, "brown"),
        place=Entity(4, "field"),
    ),
}
GOLDEN = [
    tuple(line.split("\t"))
    for line in Path(__file__).with_name("test_scenes_golden.tsv").read_text(encoding="utf-8").splitlines()
]


@pytest.mark.parametrize(("scene", "language", "text"), GOLDEN)
def test_golden_sentences(scene, language, text):
    assert assemble(load_grammar(language).sentence(SCENES[scene], first)).text == text


def test_every_scene_has_a_golden_sentence_in_every_language():
    assert {(scene, language) for scene, language, _ in GOLDEN} == set(product(SCENES, LANGUAGES))
