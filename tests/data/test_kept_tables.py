"""Tables that are kept are made again when a file or the code that reads it has changed."""

import os
from importlib import import_module

import pytest
from PIL import Image

from optical_hf import load_bitext
from optical_hf.data.bitext import sources
from optical_hf.data.collections import captions_to_images
from optical_hf.data.entities.members import stamp

members = import_module("optical_hf.data.entities.members")


def test_bitext_is_read_again_by_other_code(tmp_path, monkeypatch):
    file = tmp_path / "so-en.tsv"
    file.write_text("biyo\twater\n", encoding="utf-8")
    read = [load_bitext(file, cache_dir=str(tmp_path / "cache")) for _ in range(2)]
    assert read[0].cache_files == read[1].cache_files != []
    monkeypatch.setattr(sources, "code_stamp", lambda *parts: 7)
    assert load_bitext(file, cache_dir=str(tmp_path / "cache")).cache_files != read[0].cache_files


def test_a_stamp_knows_each_file_s_name_and_time_and_the_code(tmp_path, monkeypatch):
    """The newest time, the sum of sizes and the count stay as they were: one file is replaced by an older one of its size."""
    files = [tmp_path / name for name in ("1.png", "2.png", "inner/3.png")]
    files[2].parent.mkdir()
    for second, file in enumerate(files):
        file.write_bytes(b"abc")
        os.utime(file, ns=(0, second * 10**9))
    found = {stamp(tmp_path), stamp(files[1])}
    files[0].write_bytes(b"xyz")
    os.utime(files[0], ns=(0, 5 * 10**8))
    found.add(stamp(tmp_path))
    files[2].write_bytes(b"xyz")
    found.add(stamp(tmp_path))
    files[1].rename(tmp_path / "4.png")
    found.add(stamp(tmp_path))
    monkeypatch.setattr(members, "code_stamp", lambda *parts: 7)
    found.add(stamp(tmp_path))
    assert len(found) == 6


@pytest.mark.usefixtures("own_cache")
def test_a_changed_image_is_seen(tmp_path):
    def red(value: int) -> None:
        for name in ("1", "2"):
            Image.new("RGB", (4, 4), (value if name == "1" else 0, 0, 0)).save(tmp_path / f"{name}.png")
            os.utime(tmp_path / f"{name}.png", ns=(0, 10**9 * (1 if name == "2" else 1 + value % 2)))

    def pixels() -> list[tuple[int, ...]]:
        captions = {"de": {"1": ["rot"], "2": ["schwarz"]}}
        documents = captions_to_images("shades", captions, tmp_path).documents
        return [image.convert("RGB").getpixel((0, 0)) for image in documents["image"][:]]

    red(200)
    assert pixels()[0][0] == 200
    red(100)
    os.utime(tmp_path / "1.png", ns=(0, 5))
    assert pixels()[0][0] == 100
