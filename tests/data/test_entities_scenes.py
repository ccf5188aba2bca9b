"""Round trip: scenes written in the official format of Flickr30k Entities come back as the same records."""

import pytest
from PIL import ImageChops

from optical_hf.data.entities import load_flickr30k_entities
from optical_hf.data.scenes import caption, generate_scenes
from optical_hf.data.scenes.drawing import render
from optical_hf.data.scenes.export import CAPTIONS_PER_IMAGE, chain_id, export_flickr30k_entities, image_id
from optical_hf.data.scenes.layout import boxes

SIZE = 64
LANGUAGES = ("en", "de", "so", "mr")
SPLITS = ("train", "val", "test")


@pytest.fixture(scope="module")
def scenes():
    return generate_scenes(60, seed=3)


@pytest.fixture(scope="module")
def release(scenes, tmp_path_factory):
    return export_flickr30k_entities(scenes, tmp_path_factory.mktemp("scenes") / "release", LANGUAGES, size=SIZE)


pytestmark = pytest.mark.usefixtures("own_cache")


def expected_phrases(scenes, language):
    for index, scene in enumerate(scenes):
        drawn = {}
        for box in boxes(scene, SIZE):
            drawn.setdefault(box.entity_id, []).append([box.left, box.top, box.right, box.bottom])
        if scene.place:
            drawn.pop(scene.place.id, None)
        for variant in range(CAPTIONS_PER_IMAGE):
            said = caption(scene, language, variant, tokenised=True)
            for phrase in said.phrases:
                yield (
                    image_id(index),
                    variant + 1,
                    said.text,
                    said.words(phrase),
                    (phrase.start, phrase.end),
                    [phrase.type],
                    chain_id(index, phrase.entity_id),
                    drawn.get(phrase.entity_id, []),
                    bool(scene.place and phrase.entity_id == scene.place.id),
                )


@pytest.mark.parametrize("language", LANGUAGES)
def test_phrases_come_back(scenes, release, language):
    sentences = None if language == "en" else release / f"Sentences_{language}"
    found = [
        (
            row["image_id"],
            row["caption_number"],
            row["caption"],
            row["phrase"],
            (row["start"], row["end"]),
            row["types"],
            row["chain_id"],
            row["boxes"],
            row["is_scene"],
        )
        for split in SPLITS
        for row in load_flickr30k_entities(release, split, sentences=sentences, language=language, strict=True)
    ]
    assert sorted(found) == sorted(expected_phrases(scenes, language))
    assert len(found) > 60 * CAPTIONS_PER_IMAGE


def test_captions_and_images_come_back(scenes, release):
    rows = {
        row["image_id"]: row
        for split in SPLITS
        for row in load_flickr30k_entities(release, split, "captions", images=release / "images", strict=True)
    }
    assert len(rows) == len(scenes)
    for index, scene in enumerate(scenes):
        row = rows[image_id(index)]
        texts = [caption(scene, "en", variant, tokenised=True).text for variant in range(CAPTIONS_PER_IMAGE)]
        assert row["captions"] == texts
        assert row["unrelated"] == [False] * CAPTIONS_PER_IMAGE
        difference = ImageChops.difference(row["image"].convert("RGB"), render(scene, SIZE).convert("RGB"))
        assert sum(difference.convert("L").getdata()) / SIZE**2 < 4  # JPEG is not exact


def test_boxes_frame_what_was_drawn(scenes, release):
    """Convention of the corners: cutting a box out gives exactly its width and height, inside the image."""
    for row in load_flickr30k_entities(release, "train", strict=True):
        assert (row["width"], row["height"]) == (SIZE, SIZE)
        for x0, y0, x1, y1 in row["boxes"]:
            assert 0 <= x0 < x1 <= SIZE
            assert 0 <= y0 < y1 <= SIZE
