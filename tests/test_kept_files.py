"""`data clean`: every cache of this package is found by what is in it, nothing else is, and links are left alone."""

import shutil

import pytest
import tiny_pairs
import torch
from datasets import Dataset
from safetensors.torch import save_file

from optical_hf import load_documents
from optical_hf.cli import main
from optical_hf.evaluation.encode.encoding import Encoding
from optical_hf.kept_files import kept_files
from optical_hf.models.alignment.pooled_texts import PooledTexts
from optical_hf.models.teachers.teacher import EncoderTeacher
from optical_hf.models.teachers.token_cache import TeacherCache
from optical_hf.processes import Processes


@pytest.fixture
def caches(tmp_path, monkeypatch):
    """One of each kind in a folder, a table in the cache of `datasets`, and files that are none of ours beside them."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "datasets")
    place, teacher, texts = tmp_path / "caches", tiny_pairs.teacher(), ["a dog", "a cat"]
    PooledTexts(EncoderTeacher(teacher), "mean", "teacher", folder=place / "pooled", progress=False)(texts)
    Encoding(folder=place / "encoded", progress=False).encode(teacher, texts, "document", "texts", Processes())
    TeacherCache.build(teacher, texts, place / "tokens", progress=False)
    load_documents(Dataset.from_dict({"text": texts}))
    (place / "pooled" / "notes.txt").write_text("mine")
    save_file({"vectors": torch.eye(2)}, place / "pooled" / f"{'a' * 64}.safetensors")
    (place / "tokens" / "cache.json").write_text('{"mine": true}')
    (tmp_path / "datasets" / "bitext_builder" / "default-0" / "1.0.0").mkdir(parents=True)
    (tmp_path / "datasets" / "bitext_builder" / "default-0" / "1.0.0" / "dataset_info.json").write_text("{}")
    return place


def clean(monkeypatch, *words):
    monkeypatch.setattr("sys.argv", ["optical-hf", "data", "clean", *map(str, words)])
    try:
        return main()
    except SystemExit as end:
        return end.code


def files(folder):
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_all_kinds_are_listed_and_nothing_is_removed(caches, tmp_path, monkeypatch, capsys):
    before = files(tmp_path)
    assert not clean(monkeypatch, caches)
    told = capsys.readouterr().out
    for kind in ("table of texts", "vectors of texts", "tokens of texts"):
        assert kind in told
    assert "4 caches" in told
    assert "Nothing was removed" in told
    assert files(tmp_path) == before


@pytest.mark.slow
def test_what_is_listed_is_removed_and_no_more(caches, tmp_path, monkeypatch, capsys):
    assert not clean(monkeypatch, caches, "--yes")
    left = {path.name for path in files(tmp_path) if path.suffix != ".lock"}
    assert left == {"notes.txt", f"{'a' * 64}.safetensors", "cache.json", "dataset_info.json"}
    assert "4 caches removed" in capsys.readouterr().out
    assert not kept_files([caches])
    assert not (caches / "encoded").exists() or not any((caches / "encoded").iterdir())


@pytest.mark.slow
def test_links_are_neither_followed_nor_removed(caches, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    shutil.move(caches / "pooled", elsewhere)
    (caches / "link").symlink_to(elsewhere)
    (caches / "files").mkdir()
    for file in elsewhere.iterdir():
        (caches / "files" / file.name).symlink_to(file)
    assert {kept.kind for kept in kept_files([caches], tables=False)} == {"vectors of texts", "tokens of texts"}
    assert all(elsewhere not in kept.folder.parents and kept.folder.name != "files" for kept in kept_files([caches]))
    with pytest.raises(ValueError, match="link"):
        kept_files([caches / "link"])


def test_what_is_no_folder_is_one_line(tmp_path, monkeypatch, capsys):
    assert clean(monkeypatch, tmp_path / "nowhere", "--no-tables")
    assert "expected a folder" in capsys.readouterr().err
    assert not clean(monkeypatch, "--no-tables", "--yes")
    assert "0 caches removed" in capsys.readouterr().out
