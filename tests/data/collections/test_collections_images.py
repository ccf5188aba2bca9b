"""Collections with images: real independent captions, real small images, scenes with boxes."""

import json

import pytest
from datasets import Dataset, concatenate_datasets
from PIL import ImageChops

from optical_hf.data.collections import (
    caption_json_lines,
    caption_lines,
    caption_table,
    captions_to_captions,
    captions_to_images,
    images_to_captions,
    phrases_to_regions,
)
from optical_hf.data.entities import load_flickr30k_entities
from optical_hf.scenes import generate_scenes
from optical_hf.scenes.entities_export import export_flickr30k_entities

pytestmark = pytest.mark.usefixtures("own_cache")


def test_independent_german_captions_find_the_five_english_ones(shared_data):
    folder = shared_data / "multi30k_task2"
    ids = folder / "val_images.txt.gz"
    german = caption_lines(ids, folder / "val.2.de.gz")
    english = caption_lines(ids, *(folder / f"val.{n}.en.gz" for n in (1, 3, 4, 5)))
    beside = caption_lines(ids, folder / "val.2.en.gz")
    collection = captions_to_captions("task2", {"de": german}, english, english=beside)
    assert len(collection.queries) == len(set(collection.queries["group"])) == 1014
    assert collection.queries[0]["english"] == "Men are standing on and about a truck carrying a white substance."
    first = collection.relevance[0]
    assert len(first) == 4
    assert [collection.documents[row]["text"] for row in first] == english["1018148011"]
    assert len(collection.documents) == len({text.strip() for texts in english.values() for text in texts})


def test_dutch_captions_find_english_ones_of_another_file(shared_data):
    dutch = shared_data / "flickr30k_dutch"
    queries = caption_lines(dutch / "val_images.txt.gz", *(dutch / f"val.{n}.nl.gz" for n in range(5)))
    documents = caption_json_lines(shared_data / "flickr30k_captions" / "valid_ann.jsonl.gz")
    empty = sum(not text.strip() for texts in queries.values() for text in texts)
    collection = captions_to_captions("dutch", {"nl": queries}, documents, on_bad_row="drop" if empty else "error")
    assert len(collection.queries) == 5 * 1014 - empty
    assert all(len(answers) >= 4 for answers in collection.relevance)


def test_xtd10_captions_find_english_ones(shared_data):
    folder = shared_data / "xtd10"
    names = folder / "test_image_names.txt.gz"
    queries = {
        code: caption_lines(names, folder / f"test_1kcaptions_{file}.txt.gz")
        for code, file in {"ja": "jp", "tr": "tr", "zh": "zh"}.items()
    }
    english = caption_lines(names, folder / "test_1kcaptions_en.txt.gz")
    collection = captions_to_captions("xtd10", queries, english)
    assert len(collection.queries) == 3 * 1000
    assert collection.queries[0]["group"] == "COCO_train2014_000000061844"
    assert collection.documents[collection.relevance[2999][0]]["text"] == list(english.values())[-1][0].strip()


def test_equal_captions_answer_for_all_their_images():
    documents = {"1": ["a dog", "a puppy"], "2": ["a dog"], "3": ["a cat"]}
    collection = captions_to_captions("demo", {"de": {"1": ["Hund"], "2": ["Hund!"]}}, documents)
    assert collection.documents["text"] == ["a dog", "a puppy", "a cat"]
    assert collection.relevance == [[0, 1], [0]]
    with pytest.raises(ValueError, match="1 of 1 queries have no relevant document"):
        captions_to_captions("demo", {"de": {"9": ["Hund"]}}, documents)
    with pytest.raises(ValueError, match="image 1 has 1 captions in de and 2 in `english`"):
        captions_to_captions("demo", {"de": {"1": ["Hund"]}}, documents, english=documents)


def test_caption_files_that_are_not_in_their_layout():
    with pytest.raises(ValueError, match="has 1 lines and the list of images 2"):
        caption_lines(["1.jpg", "2.jpg"], ["one"])
    with pytest.raises(ValueError, match="line 1: lacks sentences; found id"):
        caption_json_lines(['{"id": "1"}'])


@pytest.fixture(scope="module")
def emoji(shared_data):
    import gzip

    with gzip.open(shared_data / "emoji_image_text" / "emoji_names.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    names = {
        code: {row["img"].removesuffix(".png"): [row["names"][code]] for row in rows if code in row["names"]}
        for code in ("sw", "so", "de")
    }
    return shared_data / "emoji_image_text" / "png64.zip", names


@pytest.mark.slow
def test_captions_find_real_images_in_an_archive(emoji):
    archive, names = emoji
    collection = captions_to_images("emoji", names, archive)
    assert collection.languages == ["sw", "so", "de"]
    assert len(collection.documents) == 1068
    row = collection.queries["id"].index("de/1f600/0")
    assert collection.queries[row]["text"] == "grinsendes Gesicht"
    document = collection.documents[collection.relevance[row][0]]
    assert (document["id"], document["image"].size) == ("1f600", (64, 64))
    with pytest.raises(ValueError, match=r"1 of 2 images are not in .*png64\.zip, the first is nothing"):
        captions_to_images("emoji", {"de": {"1f600": ["a"], "nothing": ["b"]}}, archive)


def test_images_find_captions_of_one_language(emoji):
    archive, names = emoji
    collection = images_to_captions("emoji", archive, names["so"], "som")
    assert collection.languages == ["so"]
    assert len(collection.queries) == len(names["so"])
    assert collection.queries[0]["image"].size == (64, 64)
    assert collection.queries["group"] == collection.queries["id"]
    for row in (0, 100, len(collection.queries) - 1):
        image = collection.queries[row]["id"]
        assert [collection.documents[answer]["text"] for answer in collection.relevance[row]] == [
            names["so"][image][0].strip()
        ]
    assert collection.select(limit=3).relevance == collection.relevance[:3]


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    scenes = generate_scenes(30, seed=5, split="train")
    return export_flickr30k_entities(scenes, tmp_path_factory.mktemp("regions") / "release", ("en", "so"))


@pytest.mark.slow
def test_phrases_find_regions(release):
    english = load_flickr30k_entities(release, "train")
    somali = load_flickr30k_entities(release, "train", sentences=release / "Sentences_so", language="so")
    pictures = load_flickr30k_entities(release, "train", "captions", images=release / "images")
    collection = phrases_to_regions("regions", concatenate_datasets([english, somali]), release / "images")
    assert collection.languages == ["en", "so"]
    marked = {
        (row["language"], row["phrase"].casefold()) for table in (english, somali) for row in table if row["boxes"]
    }
    assert len(collection.queries) == len(marked)
    regions = {(row["image_id"], *box) for row in english for box in row["boxes"]}
    assert len(collection.documents) == len(regions)
    by_image = dict(zip(pictures["image_id"], pictures["image"], strict=True))
    for document in collection.documents.select(range(10)):
        cut = by_image[document["image_id"]].crop(document["box"])
        assert ImageChops.difference(document["image"].convert("RGB"), cut.convert("RGB")).getbbox() is None
    query = next(row for row in collection.queries if row["language"] == "en")
    expected = {
        f"{row['image_id']}/{','.join(map(str, box))}"
        for row in english
        if row["phrase"].casefold() == query["text"].casefold()
        for box in row["boxes"]
    }
    assert set(collection.qrels[query["id"]]) == expected
    again = phrases_to_regions("regions", concatenate_datasets([english, somali]), pictures)
    assert again.documents["id"] == collection.documents["id"]
    assert again.documents[3]["image"].tobytes() == collection.documents[3]["image"].tobytes()


def test_phrases_without_boxes_are_refused(release):
    table = load_flickr30k_entities(release, "train", boxes=False)
    with pytest.raises(ValueError, match="no phrase has a box; was the table built with boxes=False"):
        phrases_to_regions("regions", table, release / "images")


def test_captions_and_images_from_a_table(release):
    table = load_flickr30k_entities(release, "train", "captions", images=release / "images")
    captions = caption_table(table)
    collection = captions_to_images("scenes", {"en": captions}, table)
    assert len(collection.documents) == 30
    assert collection.documents["id"] == table["image_id"]
    with pytest.raises(ValueError, match="1 of 31 images are not in the table, the first is 9"):
        captions_to_images("scenes", {"en": captions | {"9": ["x"]}}, table)


def test_unrelated_captions_are_left_out_unless_wanted():
    row = {"image_id": "1", "captions": ["yes", "no"], "unrelated": [False, True]}
    table = Dataset.from_list([row])
    assert caption_table(table) == {"1": ["yes"]}
    assert caption_table(table, unrelated=True) == {"1": ["yes", "no"]}
