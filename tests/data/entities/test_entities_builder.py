"""Flickr30kEntities from a release on disk: configs, archives, splits, missing and damaged files."""

import io
import logging
import tarfile
import zipfile

import pytest
from PIL import Image

from optical_hf.data.entities import Flickr30kEntities, check_splits, load_flickr30k_entities
from optical_hf.data.entities.members import open_members

SENTENCES = {
    "11": "[/EN#1/people Two men] in [/EN#2/clothing/people hats] .\n"
    "[/EN#1/people Friends] in [/EN#0/notvisual it] .\n",
    "12": "[/EN#5/animals A dog] on [/EN#6/scene a beach] .\n",
}
CORNERS = "<xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax>"
OBJECT = "<object><name>{}</name><bndbox>" + CORNERS + "</bndbox></object>"
ANNOTATION = "<annotation><size><width>20</width><height>10</height></size>\n{}</annotation>"
ANNOTATIONS = {
    "11": ANNOTATION.format(OBJECT.format(1, 1, 1, 5, 5) + OBJECT.format("1</name><name>2", 6, 2, 20, 12)),
    "12": ANNOTATION.format(
        OBJECT.format(5, 2, 2, 4, 4) + "<object><name>6</name><scene>1</scene><nobndbox>0</nobndbox></object>"
    ),
}


pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "release"
    for name, files, suffix in (("Sentences", SENTENCES, "txt"), ("Annotations", ANNOTATIONS, "xml")):
        (folder / name).mkdir(parents=True)
        for image, content in files.items():
            (folder / name / f"{image}.{suffix}").write_text(content)
    (folder / "train.txt").write_text("12\n11\n")
    (folder / "val.txt").write_text("13\n")
    (folder / "UNRELATED_CAPTIONS").write_text("# format: <imageID> <sentence number>\n11 2\n")
    return folder


def png(colour):
    content = io.BytesIO()
    Image.new("RGB", (20, 10), colour).save(content, "PNG")
    return content.getvalue()


def test_phrases(root, caplog):
    with caplog.at_level(logging.WARNING):
        rows = load_flickr30k_entities(root, "train", "phrases")
    assert rows["id"] == ["12/en/1/0", "12/en/1/1", "11/en/1/0", "11/en/1/1", "11/en/2/0", "11/en/2/1"]
    men, hats, friends, it = rows.select(range(2, 6))
    assert men["boxes"] == friends["boxes"] == [[0, 0, 5, 5], [5, 1, 20, 10]]
    assert hats["boxes"] == [[5, 1, 20, 10]]
    assert hats["types"] == ["clothing", "people"]
    assert it["boxes"] == []
    assert (it["chain_id"], it["unrelated"], hats["unrelated"]) == ("0", True, False)
    assert [row["caption"][row["start"] : row["end"]] for row in rows] == list(rows["phrase"])
    assert (rows[1]["is_scene"], rows[1]["no_box"], rows[1]["boxes"]) == (True, False, [])
    assert (men["width"], men["height"], men["language"], men["split"]) == (20, 10, "en", "train")
    assert "1 boxes reached over the edge" in caplog.text


def test_captions_without_images(root):
    rows = load_flickr30k_entities(root, "train", "captions")
    assert rows[1] == {
        "image_id": "11",
        "image": None,
        "captions": ["Two men in hats .", "Friends in it ."],
        "unrelated": [False, True],
        "language": "en",
        "split": "train",
    }


def packed(path, files):
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
    else:
        with tarfile.open(path, "w:gz") as archive:
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize("form", ["folder", "images.zip", "images.tar.gz"])
def test_captions_with_images(root, tmp_path, form):
    files = {
        "flickr30k-images/11.jpg": png("red"),
        "__MACOSX/._11.jpg": b"junk",
        "flickr30k-images/12.jpg": png("blue"),
        "../../99.jpg": png("green"),
        "readme.txt": b"x",
    }
    images = tmp_path / form
    if form == "folder":
        images.mkdir()
        for name in ("11", "12"):
            (images / f"{name}.jpg").write_bytes(files[f"flickr30k-images/{name}.jpg"])
    else:
        packed(images, files)
    before = set(tmp_path.parent.rglob("*.jpg"))
    rows = {row["image_id"]: row for row in load_flickr30k_entities(root, "train", "captions", images=images)}
    assert rows["11"]["image"].getpixel((0, 0)) == (255, 0, 0)
    assert rows["12"]["image"].getpixel((0, 0)) == (0, 0, 255)
    assert set(tmp_path.parent.rglob("*.jpg")) == before  # nothing was unpacked


def test_a_missing_image_names_its_id(root, tmp_path):
    images = packed(tmp_path / "images.zip", {"12.jpg": png("blue")})
    with pytest.raises(ValueError, match=r"1 of 2 images are not in .*, the first is 11"):
        load_flickr30k_entities(root, "train", "captions", images=images)


def test_the_release_inside_its_zip(root):
    plain = load_flickr30k_entities(root, "train", "phrases").to_list()
    files = {f"{f.parent.name}/{f.name}": f.read_bytes() for f in root.glob("*/*")}
    packed(root / "annotations.zip", files)
    for file in root.glob("*/*"):
        file.unlink()
    for folder in ("Sentences", "Annotations"):
        (root / folder).rmdir()
    assert load_flickr30k_entities(root, "train", "phrases").to_list() == plain


def test_streaming_gives_the_same_rows(root):
    rows = list(load_flickr30k_entities(root, "train", "phrases", streaming=True))
    assert rows == load_flickr30k_entities(root, "train", "phrases").to_list()


@pytest.mark.slow
def test_two_processes_give_the_same_rows(root):
    ids = [str(n) for n in range(1000, 2500)]
    for image in ids:
        (root / "Sentences" / f"{image}.txt").write_text(f"[/EN#{image}/animals A dog] number {image} .\n")
    (root / "train.txt").write_text("\n".join(ids))
    alone = load_flickr30k_entities(root, "train", "captions")
    assert alone["image_id"] == ids
    shared = load_flickr30k_entities(root, "train", "captions", num_proc=2, cache_dir=str(root / "other"))
    assert shared.to_list() == alone.to_list()
    (root / "Sentences" / "2200.txt").unlink()
    with pytest.raises(ValueError, match="no sentences for the image 2200"):
        load_flickr30k_entities(root, "train", "captions", num_proc=2)
    (root / "Sentences" / "2200.txt").write_bytes(b"caf\xe9")
    with pytest.raises(ValueError, match=r"^/.*2200\.txt is not UTF-8"):
        load_flickr30k_entities(root, "train", "captions", num_proc=2, strict=True)


def test_a_change_of_one_file_is_read_again(root):
    assert load_flickr30k_entities(root, "train", "captions")[0]["captions"] == ["A dog on a beach ."]
    (root / "Sentences" / "12.txt").write_text("[/EN#5/animals A wet dog] .")
    assert load_flickr30k_entities(root, "train", "captions")[0]["captions"] == ["A wet dog ."]


@pytest.mark.parametrize(
    ("folder", "suffix", "what"), [("Sentences", "txt", "sentences"), ("Annotations", "xml", "anno")]
)
def test_a_missing_file_names_the_id_whatever_strict(root, folder, suffix, what):
    (root / folder / f"11.{suffix}").unlink()
    for strict in (False, True):
        with pytest.raises(ValueError, match=rf"no {what}\w* for the image 11: expected .*11\.{suffix}"):
            load_flickr30k_entities(root, "train", "phrases", strict=strict)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("Annotations/12.xml", "<annotation>\n<size>", r"12\.xml, line 2: damaged XML"),
        ("Annotations/12.xml", "<!DOCTYPE a [<!ENTITY b 'c'>]><annotation/>", r"12\.xml: refused"),
        ("Sentences/12.txt", b"caf\xe9", r"12\.txt is not UTF-8"),
    ],
)
def test_a_damaged_file_is_named_and_ends_the_build_only_if_strict(root, caplog, file, content, message):
    (root / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    with caplog.at_level(logging.WARNING):
        rows = load_flickr30k_entities(root, "train", "phrases")
    assert set(rows["image_id"]) == {"11"}
    assert "image 12 is left out" in caplog.text
    with pytest.raises(ValueError, match=message):
        load_flickr30k_entities(root, "train", "phrases", strict=True)


def test_a_damaged_mark_is_named_and_ends_the_build_only_if_strict(root, caplog):
    (root / "Sentences" / "12.txt").write_text("fine\n[/EN#5/animals A dog on [/EN#6/scene a beach] .\n")
    with caplog.at_level(logging.WARNING):
        rows = load_flickr30k_entities(root, "train", "phrases")
    assert rows["phrase"] == ["a beach", "Two men", "hats", "Friends", "it"]
    assert rows[0]["caption"] == "A dog on a beach ."
    assert "12.txt, line 2: the mark at character 0 is damaged: '[/EN#5/animals A dog on '" in caplog.text
    with pytest.raises(ValueError, match=r"12\.txt, line 2: the mark at character 0 is damaged"):
        load_flickr30k_entities(root, "train", "phrases", strict=True)


def test_a_member_too_large_is_refused(tmp_path):
    archive = packed(tmp_path / "a.zip", {"1.txt": b"x" * 2000})
    with pytest.raises(ValueError, match=r"1\.txt is larger than 1,000 bytes"):
        open_members(archive, (".txt",), limit=1000).get("1")
    with pytest.raises(ValueError, match="there is none"):
        open_members(tmp_path / "nowhere", (".txt",), limit=1000)


def test_a_link_in_a_tar_is_not_followed(tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        link = tarfile.TarInfo("1.txt")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "secret.txt")
        archive.addfile(link)
    assert open_members(tmp_path / "a.tar", (".txt",), limit=1000).get("1") is None


def test_a_tar_that_is_cut_off(tmp_path):
    archive = packed(tmp_path / "a.tar.gz", {"1.txt": b"one" * 9999, "2.txt": bytes(range(256)) * 99})
    archive.write_bytes(archive.read_bytes()[:200])
    with pytest.raises(ValueError, match="is the archive complete"):
        dict(open_members(archive, (".txt",), limit=1 << 20).walk(["1", "2"]))


def test_bitext_of_the_images_of_a_split(root, tmp_path):
    (tmp_path / "ids.txt").write_text("13.jpg\n11.jpg\n12.jpg\n")
    (tmp_path / "x.de").write_text("drei\nelf\nzwölf\n", encoding="utf-8")
    (tmp_path / "x.en").write_text("three\neleven\ntwelve\n")
    lines = {"deu": (tmp_path / "x.de", tmp_path / "x.en")}
    rows = load_flickr30k_entities(root, "train", "bitext", lines=lines, image_ids=tmp_path / "ids.txt")
    assert list(zip(rows["image_id"], rows["source"], rows["target"], rows["language"], strict=True)) == [
        ("11", "eleven", "elf", "de"),
        ("12", "twelve", "zwölf", "de"),
    ]
    (tmp_path / "x.en").write_text("three\neleven\n")
    with pytest.raises(ValueError, match=r"has 3 lines, .* 2 and the list of images 3"):
        load_flickr30k_entities(root, "train", "bitext", lines=lines, image_ids=tmp_path / "ids.txt")
    with pytest.raises(ValueError, match='config "bitext" needs lines='):
        load_flickr30k_entities(root, "train", "bitext")


def test_lines_that_are_out_of_step_are_refused(root, tmp_path):
    (tmp_path / "ids").write_text("12\n11\n")
    (tmp_path / "fr").write_text("train**0**e** un chien\ntrain**2**e** deux hommes\n")
    with pytest.raises(ValueError, match="line 2 says that it is line 2"):
        load_flickr30k_entities(root, "train", "captions", sentences=tmp_path / "fr", image_ids=tmp_path / "ids")
    (tmp_path / "fr").write_text("train**0**e** un chien\n")
    with pytest.raises(ValueError, match="has 1 lines and the list of its images 2"):
        load_flickr30k_entities(root, "train", "captions", sentences=tmp_path / "fr", image_ids=tmp_path / "ids")
    with pytest.raises(ValueError, match="need image_ids="):
        load_flickr30k_entities(root, "train", "captions", sentences=tmp_path / "fr")


def test_several_splits_of_one_family(root):
    for name in ("Sentences", "Annotations"):
        suffix = "txt" if name == "Sentences" else "xml"
        (root / name / f"13.{suffix}").write_text((root / name / f"12.{suffix}").read_text())
    builder = Flickr30kEntities(root, ["train", "val"], "phrases")
    builder.download_and_prepare()
    tables = builder.as_dataset()
    assert {name: set(table["image_id"]) for name, table in tables.items()} == {"train": {"11", "12"}, "val": {"13"}}
    check_splits(*tables.values())
    (root / "val.txt").write_text("11\n")
    with pytest.raises(ValueError, match="train and val share 1 image"):
        Flickr30kEntities(root, ["train", "val"], "phrases")


def test_unrelated_captions_that_cannot_be_read(root):
    (root / "UNRELATED_CAPTIONS").write_text("11 first\n")
    with pytest.raises(ValueError, match="UNRELATED_CAPTIONS, line 1: expected"):
        load_flickr30k_entities(root, "train", "captions")
