"""Scenes written in the Flickr30k Entities format read back to the same records."""

import numpy as np
import pytest
from PIL import Image

from optical_hf.data.entities.builder import load_flickr30k_entities
from optical_hf.scenes import boxes, caption, entities_export, export_flickr30k_entities, generate_scenes, render
from optical_hf.scenes.entities_export import CAPTIONS_PER_IMAGE, chain_id, image_id

SCENES = generate_scenes(60, seed=13)
SPLITS = {"train": "train", "validation": "val", "test": "test"}


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    return export_flickr30k_entities(SCENES, tmp_path_factory.mktemp("export") / "release", ["en", "fr", "mr"])


def expected_phrases(split, language):
    """What the reader must say of every phrase, from the scenes alone."""
    for index, scene in enumerate(SCENES):
        if SPLITS[scene.split] != split:
            continue
        by_entity = {}
        for entity_id, *corners in boxes(scene):
            by_entity.setdefault(entity_id, []).append(corners)
        for number in range(CAPTIONS_PER_IMAGE):
            said = caption(scene, language, number, tokenised=True)
            for phrase in said.phrases:
                is_scene = scene.place is not None and phrase.entity_id == scene.place.id
                yield {
                    "image_id": image_id(index),
                    "phrase": said.words(phrase),
                    "types": [phrase.type],
                    "chain_id": chain_id(index, phrase.entity_id),
                    "boxes": [] if is_scene else by_entity[phrase.entity_id],
                    "is_scene": is_scene,
                    "caption": said.text,
                    "caption_number": number + 1,
                    "start": phrase.start,
                    "end": phrase.end,
                    "language": language,
                    "split": split,
                }


@pytest.mark.parametrize("split", SPLITS.values())
@pytest.mark.parametrize("language", ["en", "fr", "mr"])
def test_phrases_read_back_to_the_same_records(release, split, language, tmp_path):
    options = {} if language == "en" else {"sentences": release / f"Sentences_{language}"}
    table = load_flickr30k_entities(release, split, "phrases", language=language, cache_dir=tmp_path, **options)
    expected = list(expected_phrases(split, language))
    assert expected
    assert table.select_columns(list(expected[0])).to_list() == expected


def test_captions_and_images_read_back(release, tmp_path):
    table = load_flickr30k_entities(release, "test", "captions", images=release / "images", cache_dir=tmp_path)
    held_out = [(index, scene) for index, scene in enumerate(SCENES) if scene.split == "test"]
    assert len(table) == len(held_out) > 0
    for row, (index, scene) in zip(table, held_out, strict=True):
        assert row["image_id"] == image_id(index)
        assert row["captions"] == [caption(scene, "en", number, tokenised=True).text for number in range(5)]
        difference = np.asarray(row["image"], dtype=int) - np.asarray(render(scene), dtype=int)
        assert np.abs(difference).mean() < 4  # JPEG


def test_the_lists_part_the_images_by_the_split_of_their_scene(release):
    lists = {name: (release / f"{name}.txt").read_text().split() for name in SPLITS.values()}
    assert sum(map(len, lists.values())) == len(SCENES)
    for index, scene in enumerate(SCENES):
        assert image_id(index) in lists[SPLITS[scene.split]]


def test_chains_are_unique_in_the_release():
    chains = [chain_id(index, entity.id) for index, scene in enumerate(SCENES) for entity in scene.entities]
    assert len(set(chains)) == len(chains)
    assert "0" not in chains  # the null chain of what is not visual


def test_marks_are_tokens_of_their_own(release):
    """The makers' own reader splits a sentence at spaces: a mark begins a token and its bracket ends one."""
    for path in (release / "Sentences_fr").iterdir():
        for token in path.read_text(encoding="utf-8").split():
            assert "[" not in token[1:]
            assert "]" not in token[:-1]


def test_images_are_optional_and_an_empty_folder_will_do(tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    export_flickr30k_entities(SCENES[:2], folder, images=False)
    assert {path.name for path in folder.iterdir()} == {
        "Annotations",
        "Sentences",
        "UNRELATED_CAPTIONS",
        "test.txt",
        "train.txt",
        "val.txt",
    }
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="not an empty folder"):
        export_flickr30k_entities(SCENES[:1], tmp_path)
    with pytest.raises(NotADirectoryError, match="cannot be written"):
        export_flickr30k_entities(SCENES[:1], tmp_path / "mine.txt")


def test_a_failure_leaves_nothing_behind(tmp_path, monkeypatch):
    def fails(scene, size):
        raise OSError("disk full")

    monkeypatch.setattr(entities_export, "render", fails)
    with pytest.raises(OSError, match="disk full"):
        export_flickr30k_entities(SCENES[:2], tmp_path / "release")
    with pytest.raises(ValueError, match="no grammar for 'xx'"):
        export_flickr30k_entities(SCENES[:2], tmp_path / "release", ["xx"])
    assert not list(tmp_path.iterdir())


def test_image_size_is_the_size_that_boxes_refer_to(tmp_path):
    folder = export_flickr30k_entities(SCENES[:1], tmp_path / "large", size=128)
    assert Image.open(folder / "images" / f"{image_id(0)}.jpg").size == (128, 128)
    assert "<width>128</width>" in (folder / "Annotations" / f"{image_id(0)}.xml").read_text()
