"""Boxes lie in the picture, one for each thing that a phrase names, and show its colour."""

import numpy as np
import pytest

from optical_hf.scenes import Entity, Scene, boxes, caption, generate_scenes, render
from optical_hf.scenes.pictures import COLOURS
from optical_hf.scenes.world import PLACES


def box_of(scene, entity_id, size=64):
    return [box for box in boxes(scene, size) if box.entity_id == entity_id]


@pytest.mark.parametrize("size", [64, 128])
def test_every_phrase_has_its_boxes_inside_the_picture(size):
    for scene in generate_scenes(300, seed=6):
        for entity in scene.entities:
            found = box_of(scene, entity.id, size)
            assert len(found) == entity.count
            for box in found:
                assert 0 <= box.left < box.right <= size
                assert 0 <= box.top < box.bottom <= size
        named = {phrase.entity_id for phrase in caption(scene, "mr").phrases}
        assert named == {box.entity_id for box in boxes(scene, size)}


@pytest.mark.parametrize("colour", ["red", "white", None])
def test_a_thing_fills_its_box_with_its_colour(colour):
    scene = Scene(Entity(1, "ball", 1, "big", colour), "lie", landmark=Entity(2, "house"), relation="next_to")
    (box,) = box_of(scene, 1)
    inside = np.asarray(render(scene))[box.top + 1 : box.bottom - 1, box.left + 1 : box.right - 1]
    assert (inside == np.array(COLOURS[colour])).all()


def test_a_garment_lies_on_who_wears_it():
    scene = Scene(Entity(1, "man"), "stand", garment=Entity(2, "shirt", 1, None, "red"))
    (man,), (shirt,) = box_of(scene, 1), box_of(scene, 2)
    assert man.top < shirt.top < shirt.bottom < man.bottom


def test_pictures_are_deterministic_and_places_differ():
    scene = generate_scenes(1, seed=9)[0]
    assert render(scene).tobytes() == render(scene).tobytes()
    places = [render(Scene(Entity(1, "dog"), "run", place=Entity(2, place))) for place in PLACES]
    assert len({picture.tobytes() for picture in places}) == len(PLACES)
