"""Images that cannot be read: found when a collection is built, named by id, dropped where the user says so."""

import io
import logging
import tarfile
import zipfile

import PIL.Image
import pytest
from datasets import Dataset, Features, Image, List, Value

from optical_hf.data.collections import (
    RetrievalCollection,
    caption_lines,
    captions_to_images,
    images_to_captions,
    phrases_to_regions,
)
from optical_hf.data.collections.images import image_documents
from optical_hf.data.entities import load_flickr30k_entities

pytestmark = pytest.mark.usefixtures("own_cache")
CAPTIONS = {str(number): [f"caption {number}"] for number in range(5)}
REASONS = {"1": "truncated", "2": "the file is empty", "3": "no image that PIL knows"}


def picture(colour: int, kind: str = "JPEG") -> bytes:
    file = io.BytesIO()
    PIL.Image.effect_noise((40, 30), 90).point(lambda value: (value + colour) % 256).convert("RGB").save(file, kind)
    return file.getvalue()


FILES = {
    "0.jpg": picture(0),
    "1.jpg": picture(1)[: len(picture(1)) // 2],
    "2.png": b"",
    "3.jpg": b"<html>404</html>",
    "4.png": picture(4, "PNG"),
}


@pytest.fixture(params=["folder", "zip", "tar", "table"])
def images(request, tmp_path):
    match request.param:
        case "folder":
            for name, content in FILES.items():
                (tmp_path / name).write_bytes(content)
            return tmp_path
        case "zip":
            with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
                for name, content in FILES.items():
                    archive.writestr(name, content)
            return tmp_path / "images.zip"
        case "tar":
            with tarfile.open(tmp_path / "images.tar", "w") as archive:
                for name, content in FILES.items():
                    member = tarfile.TarInfo(name)
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
            return tmp_path / "images.tar"
    rows = [{"image_id": name[0], "image": {"bytes": content, "path": name}} for name, content in FILES.items()]
    return Dataset.from_list(rows, features=Features({"image_id": Value("string"), "image": Image()}))


def test_damaged_images_are_named_when_they_are_documents(images):
    with pytest.raises(
        ValueError, match=r"3 of 5 document images cannot be read, the first are '1', '2', '3'; '1': .*truncated"
    ):
        captions_to_images("demo", {"en": CAPTIONS}, images)


def test_damaged_images_are_dropped_with_their_queries(images, caplog):
    with caplog.at_level(logging.WARNING):
        collection = captions_to_images("demo", {"en": CAPTIONS}, images, on_bad_row="drop")
    assert collection.documents["id"] == ["0", "4"]
    assert collection.queries["group"] == ["0", "4"]
    assert collection.relevance == [[0], [1]]
    assert [image.size for image in collection.documents["image"]] == [(40, 30)] * 2
    assert "3 of 5 document images cannot be read" in caplog.text


def test_damaged_images_are_named_and_dropped_when_they_are_queries(images):
    with pytest.raises(ValueError, match=r"3 of 5 query images cannot be read, the first are '1', '2', '3'"):
        images_to_captions("demo", images, CAPTIONS, "en")
    collection = images_to_captions("demo", images, CAPTIONS, "en", on_bad_row="drop")
    assert collection.queries["id"] == ["0", "4"]


def test_regions_of_damaged_images_are_named_and_dropped(images):
    columns = ("id", "image_id", "phrase", "language")
    rows = [dict.fromkeys(columns, key) | {"language": "en", "boxes": [[0, 0, 9, 9]]} for key in CAPTIONS]
    phrases = Dataset.from_list(
        [row | {"unrelated": False} for row in rows],
        features=Features(
            dict.fromkeys(columns, Value("string")) | {"boxes": List(List(Value("int32"))), "unrelated": Value("bool")}
        ),
    )
    with pytest.raises(ValueError, match=r"3 of 5 document images cannot be read, the first are '1/0,0,9,9'"):
        phrases_to_regions("regions", phrases, images)
    collection = phrases_to_regions("regions", phrases, images, on_bad_row="drop")
    assert collection.documents["image_id"] == ["0", "4"]
    assert collection.documents[0]["image"].size == (9, 9)


@pytest.mark.parametrize("name", ["1.jpg", "2.png", "3.jpg"])
def test_each_kind_of_damage_says_what_it_is(tmp_path, name):
    (tmp_path / name).write_bytes(FILES[name])
    key = name[0]
    with pytest.raises(ValueError, match=REASONS[key]):
        captions_to_images("demo", {"en": {key: ["a caption"]}}, tmp_path)


def test_a_table_without_images_and_one_with_lost_files_are_named(tmp_path):
    features = Features({"id": Value("string"), "image": Image()})
    queries = RetrievalCollection.from_lines("lines", {"en": ["a"]}, ["b"]).queries
    for image, told in ((None, "there is none"), (str(tmp_path / "lost.jpg"), "No such file")):
        documents = Dataset.from_list([{"id": "0", "image": image}], features=features)
        with pytest.raises(ValueError, match=f"1 of 1 document images cannot be read, the first is '0'; '0': .*{told}"):
            RetrievalCollection("demo", queries, documents, {"en/0": {"0": 1}})


def test_a_damaged_member_of_a_zip_is_dropped(tmp_path, caplog):
    archive = tmp_path / "images.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name in ("0.jpg", "4.png"):
            file.writestr(name, FILES[name])
    content = archive.read_bytes()
    archive.write_bytes(content.replace(FILES["0.jpg"], FILES["0.jpg"][:-9] + bytes(9)))  # its checksum is wrong now
    captions = {"en": {key: CAPTIONS[key] for key in ("0", "4")}}
    with pytest.raises(ValueError, match="1 of 2 document images cannot be read, the first is '0'; '0'"):
        captions_to_images("demo", captions, archive)
    assert captions_to_images("demo", captions, archive, on_bad_row="drop").documents["id"] == ["4"]


@pytest.mark.parametrize(("suffix", "kind"), [("webp", "WEBP"), ("WebP", "WEBP"), ("tiff", "TIFF"), ("bmp", "BMP")])
def test_every_format_that_pil_reads_is_found(tmp_path, suffix, kind):
    (tmp_path / f"7.{suffix}").write_bytes(picture(7, kind))
    assert image_documents(tmp_path, ["7"])[0]["image"].size == (40, 30)
    assert caption_lines([f"7.{suffix}"], ["a caption"]) == {"7": ["a caption"]}


def test_a_missing_image_is_told_with_what_was_looked_for(tmp_path):
    (tmp_path / "7.txt").write_text("no image")
    with pytest.raises(ValueError, match=r"1 of 1 images are not in .*the name 7 with \.jpg, \.jpeg, \.png, \.webp or"):
        image_documents(tmp_path, ["7"])


@pytest.mark.parametrize("pack", ["folder", "zip", "tar"])
def test_two_files_of_one_id_are_an_error(tmp_path, pack):
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "4.png").write_bytes(FILES["4.png"])
    (folder / "4.webp").write_bytes(picture(5, "WEBP"))
    place = folder
    if pack == "zip":
        place = tmp_path / "images.zip"
        with zipfile.ZipFile(place, "w") as archive:
            for path in folder.iterdir():
                archive.write(path, path.name)
    elif pack == "tar":
        place = tmp_path / "images.tar"
        with tarfile.open(place, "w") as archive:
            archive.add(folder, "images")
    with pytest.raises(ValueError, match=r"two files for the id 4, .*4\.png and .*4\.webp"):
        image_documents(place, ["4"])


def test_the_captions_of_flickr30k_entities_leave_a_damaged_image_out_unless_strict(tmp_path, caplog):
    root = tmp_path / "release"
    (root / "Sentences").mkdir(parents=True)
    (root / "images").mkdir()
    for name in ("0.jpg", "1.jpg", "4.png"):
        (root / "Sentences" / f"{name[0]}.txt").write_text("A dog .\n")
        (root / "images" / name).write_bytes(FILES[name])
    (root / "train.txt").write_text("0\n1.jpg\n4.png\n")
    with caplog.at_level(logging.WARNING):
        table = load_flickr30k_entities(root, "train", "captions", images=root / "images")
    assert table["image_id"] == ["0", "4"]
    assert "image 1 is left out: the image 1 cannot be read as an image (image file is truncated" in caplog.text
    with pytest.raises(ValueError, match="the image 1 cannot be read as an image"):
        load_flickr30k_entities(root, "train", "captions", images=root / "images", strict=True)
