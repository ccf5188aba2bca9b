"""Flickr30k Entities on the real samples, marks and split lists of the shared data."""

import json

import pytest

from optical_hf.data.entities import Flickr30kEntities, check_splits, load_flickr30k_entities

pytestmark = pytest.mark.usefixtures("own_cache")


def test_bitext_of_the_real_multi30k_in_the_official_split(shared_data):
    multi30k, release = shared_data / "multi30k", shared_data / "flickr30k_entities"
    lines = {code: (multi30k / f"val.{code}.gz", multi30k / "val.en.gz") for code in ("de", "fr", "cs")}
    ids = multi30k / "image_splits" / "val.txt.gz"
    official = load_flickr30k_entities(release, "test", "bitext", lines=lines, image_ids=ids)
    assert len(official) == 3 * 34  # Karpathy validation images that the official split calls test
    whole = load_flickr30k_entities(
        release, "karpathy_val", "bitext", lines=lines, image_ids=ids, karpathy=multi30k / "image_splits"
    )
    assert len(whole) == 3 * 1014
    assert whole[0]["target"] == "Eine Gruppe von Männern lädt Baumwolle auf einen Lastwagen"
    with pytest.raises(
        ValueError, match=r"test is of the official split and karpathy_val of the karpathy one; .* 34 imag"
    ):
        check_splits(official, whole)


def test_the_real_french_marks(shared_data):
    release = shared_data / "flickr30k_entities"
    rows = load_flickr30k_entities(
        release,
        "karpathy_val",
        "phrases",
        karpathy=shared_data / "multi30k" / "image_splits",
        sentences=release / "fr" / "public_val.fr.gz",
        image_ids=release / "fr" / "images_val.txt.gz",
        language="fr",
        boxes=False,
    )
    assert len(rows) == 3352
    assert rows[0]["phrase"] == "un groupe d' hommes"
    assert rows[0]["image_id"] == "1018148011"
    assert set(rows["language"]) == {"fr"}
    assert rows[0]["boxes"] == []
    assert rows[0]["width"] is None


def test_the_real_samples_with_japanese_marks(shared_data, tmp_path):
    samples = shared_data / "flickr30k_entities" / "samples"
    (tmp_path / "train.txt").write_text("1000092795\n")
    (tmp_path / "Annotations").mkdir()
    annotation = (samples / "Annotations" / "1000092795.PARTIAL.xml").read_bytes()
    (tmp_path / "Annotations" / "1000092795.xml").write_bytes(annotation)
    english = load_flickr30k_entities(tmp_path, "train", "phrases", sentences=samples / "Sentences")
    japanese = load_flickr30k_entities(tmp_path, "train", "phrases", sentences=samples / "Sentences_jp", language="jpn")
    assert (len(english), len(japanese)) == (14, 14)
    boxes = {row["chain_id"]: row["boxes"] for row in english}
    assert len(boxes["1"]) == len(boxes["4"]) == 2
    assert all(row["boxes"] == boxes[row["chain_id"]] for row in japanese)
    assert set(japanese["language"]) == {"ja"}
    assert japanese[0]["order"] == 2
    assert {row["chain_id"] for row in japanese if row["no_box"]} == {"10"}


def test_the_two_families_of_splits_are_not_mixed(shared_data, tmp_path):
    release, karpathy = shared_data / "flickr30k_entities", shared_data / "multi30k" / "image_splits"
    with pytest.raises(ValueError, match=r"train is of the official split and karpathy_val .* they share 948 images"):
        Flickr30kEntities(release, ["train", "karpathy_val"], "captions", karpathy=karpathy)
    with pytest.raises(ValueError, match="karpathy_test needs the list of its images"):
        Flickr30kEntities(release, "karpathy_test", "captions")
    with pytest.raises(ValueError, match="unknown split 'dev', expected one of train, val, test, karpathy_train"):
        Flickr30kEntities(release, "dev", "captions")
    images = [{"filename": f"{i}.jpg", "split": "test" if i % 2 else "train"} for i in range(6)]
    (tmp_path / "dataset_flickr30k.json").write_text(json.dumps({"dataset": "flickr30k", "images": images}))
    builder = Flickr30kEntities(
        release, "karpathy_test", "captions", karpathy=tmp_path / "dataset_flickr30k.json", sentences=tmp_path
    )
    assert builder._ids == {"karpathy_test": ["1", "3", "5"]}
