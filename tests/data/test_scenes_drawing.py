"""Pictures, boxes and the contact sheet."""

import builtins

import numpy as np
import pytest
from PIL import Image

from optical_hf.data.scenes import Entity, Scene, boxes, caption, contact_sheet, generate_scenes, render
from optical_hf.data.scenes.contact_sheet import ENTITY_COLOURS
from optical_hf.data.scenes.layout import FOOTPRINTS
from optical_hf.data.scenes.pen import PALETTE
from optical_hf.data.scenes.romanise import romanise
from optical_hf.data.scenes.world import ANIMALS, COLOURS, LANDMARKS, PEOPLE, PLACES, THINGS


def pixels(scene, size=64):
    return np.asarray(render(scene, size), dtype=int)


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


def test_the_place_has_the_whole_picture():
    scene = Scene(Entity(1, "dog"), "run", place=Entity(2, "forest"))
    assert box_of(scene, 2) == [(2, 0, 0, 64, 64)]


@pytest.mark.parametrize("noun", [*PEOPLE, *ANIMALS, *THINGS, *LANDMARKS])
def test_a_sprite_fills_its_box_and_leaves_the_rest_alone(noun):
    entity = Entity(1, noun, 1, None, "red" if noun in THINGS else None)
    scene = Scene(entity, "stand")
    picture = pixels(scene)
    drawn = np.abs(picture - picture[0, 0]).sum(axis=2) > 20
    rows, columns = np.nonzero(drawn)
    (box,) = boxes(scene)
    around = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert np.abs(np.subtract(around, box[1:])).max() <= 2


@pytest.mark.parametrize("colour", COLOURS)
def test_a_coloured_thing_shows_its_colour(colour):
    scene = Scene(Entity(1, "ball", 1, "big", colour), "stand")
    (box,) = boxes(scene)
    inside = pixels(scene)[box.top : box.bottom, box.left : box.right].reshape(-1, 3)
    distance = np.abs(inside - np.array(PALETTE[colour])).sum(axis=1)
    assert (distance < 30).mean() > 0.4


def test_a_garment_is_drawn_where_its_box_says():
    bare = Scene(Entity(1, "man"), "stand")
    dressed = Scene(Entity(1, "man"), "stand", garment=Entity(2, "shirt", 1, None, "red"))
    (box,) = box_of(dressed, 2)
    rows, columns = np.nonzero(np.abs(pixels(bare) - pixels(dressed)).sum(axis=2) > 60)
    assert box.top - 1 <= rows.min() <= rows.max() < box.bottom + 1
    assert box.left - 1 <= columns.min() <= columns.max() < box.right + 1


def test_big_things_are_bigger_than_small_ones_beside_the_same_landmark():
    def area(size):
        scene = Scene(Entity(1, "ball", 1, size, "red"), "lie", relation="next_to", landmark=Entity(2, "house"))
        (box,) = box_of(scene, 1)
        return (box.right - box.left) * (box.bottom - box.top)

    assert area("small") < area(None) < area("big")


def relation_boxes(relation, landmark):
    scene = Scene(Entity(1, "dog"), "stand", relation=relation, landmark=Entity(2, landmark))
    return box_of(scene, 1)[0], box_of(scene, 2)[0]


def test_relations_can_be_seen():
    dog, table = relation_boxes("on", "table")
    assert abs(dog.bottom - table.top) <= 1
    dog, table = relation_boxes("under", "table")
    assert table.left <= dog.left
    assert dog.right <= table.right
    assert table.top < dog.top
    dog, house = relation_boxes("next_to", "house")
    assert house.right <= dog.left
    dog, house = relation_boxes("behind", "house")
    assert dog.bottom < house.bottom
    assert dog.left < house.right
    dog, house = relation_boxes("in_front_of", "house")
    assert dog.bottom > house.bottom
    assert dog.left < house.right


def test_pictures_are_deterministic_and_places_differ():
    scene = generate_scenes(1, seed=9)[0]
    assert (pixels(scene) == pixels(scene)).all()
    places = [pixels(Scene(Entity(1, "dog"), "run", place=Entity(2, place))) for place in PLACES]
    assert len({picture.tobytes() for picture in places}) == len(PLACES)


def test_every_noun_that_is_drawn_has_a_footprint():
    assert set(FOOTPRINTS) == {*PEOPLE, *ANIMALS, *THINGS, *LANDMARKS}


def test_contact_sheet_shows_boxes_and_phrases_in_one_colour(tmp_path):
    scene = generate_scenes(30, seed=6)[3]
    path = contact_sheet([scene], tmp_path / "new" / "sheet.png", columns=1)
    sheet = np.asarray(Image.open(path).convert("RGB"), dtype=int)
    picture, text = sheet[:, : 64 * 4 + 12], sheet[:, 64 * 4 + 12 :]
    for entity in scene.entities:
        colour = np.array(ENTITY_COLOURS[entity.id - 1])
        for part in (picture, text):
            assert (np.abs(part - colour).sum(axis=2) == 0).any()
    assert [file.name for file in path.parent.iterdir()] == ["sheet.png"]


def test_contact_sheet_grows_with_rows(tmp_path):
    scenes = generate_scenes(4)
    two = Image.open(contact_sheet(scenes[:2], tmp_path / "two.png", ["en"]))
    four = Image.open(contact_sheet(scenes, tmp_path / "four.png", ["en"]))
    assert four.width == two.width
    assert four.height > two.height + 64 * 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scenes": []}, "at least one scene"),
        ({"path": "sheet.jpg"}, "ends in .png"),
        ({"languages": ["xx"]}, "no grammar for 'xx'"),
        ({"devanagari_font": __file__}, "cannot be read as a font"),
    ],
)
def test_contact_sheet_bad_input(arguments, message, tmp_path):
    call = {"scenes": generate_scenes(1), "path": "sheet.png"} | arguments
    call["path"] = tmp_path / call["path"]
    with pytest.raises(ValueError, match=message):
        contact_sheet(**call)
    assert not list(tmp_path.iterdir())


def test_contact_sheet_without_matplotlib_says_what_to_install(tmp_path, monkeypatch):
    real = builtins.__import__

    def without_matplotlib(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_matplotlib)
    with pytest.raises(ImportError, match=r'pip install "optical-hf\[viz\]"'):
        contact_sheet(generate_scenes(1), tmp_path / "sheet.png")


@pytest.mark.parametrize(
    ("text", "latin"),
    [
        ("एक मोठा काळा कुत्रा", "ēka mōṭhā kāḷā kutrā"),
        ("पांढऱ्या पिशव्यांकडे", "pāṁḍhaṟyā piśavyāṁkaḍē"),
        ("उभा आहे.", "ubhā āhē."),
        ("a dog", "a dog"),
    ],
)
def test_romanise(text, latin):
    assert romanise(text) == latin


def test_romanise_leaves_no_devanagari_in_any_caption():
    for scene in generate_scenes(400, seed=12):
        assert not any("\u0900" <= letter <= "\u097f" for letter in romanise(caption(scene, "mr").text))
