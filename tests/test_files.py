"""Paths with `~` and variables, and files that are written whole or not at all."""

import os
import unicodedata

import pytest

from optical_hf.files import NAME_BYTES, expand_path, file_names, write_text, write_whole
from optical_hf.folders import write_folder


def test_home_and_variables_are_put_in(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("BITEXT", "train")
    assert expand_path("~/data/${BITEXT}.de") == tmp_path / "data" / "train.de"
    assert expand_path("relative/$BITEXT").as_posix() == "relative/train"


def test_a_variable_that_is_not_set_is_named(monkeypatch):
    monkeypatch.delenv("NOT_SET_HERE", raising=False)
    with pytest.raises(ValueError, match=r"\$NOT_SET_HERE, which is not set"):
        expand_path("$NOT_SET_HERE/train.de")


def test_a_file_whose_name_holds_a_dollar_sign(tmp_path):
    (tmp_path / "in$US.tsv").touch()
    assert expand_path(tmp_path / "in$US.tsv") == tmp_path / "in$US.tsv"
    (tmp_path / "a$folder").mkdir()
    write_text(tmp_path / "a$folder" / "new" / "x.txt", "x")
    assert (tmp_path / "a$folder" / "new" / "x.txt").exists()


def test_a_write_that_fails_leaves_the_file_that_was_there(tmp_path):
    path = tmp_path / "deep" / "README.md"
    write_text(path, "old")

    def half(beside):
        beside.write_text("ne")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        write_whole(path, half)
    assert path.read_text() == "old"
    assert [file.name for file in path.parent.iterdir()] == ["README.md"]


def test_a_folder_whose_writing_fails_is_not_there(tmp_path):
    def half(beside):
        (beside / "one").touch()
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        write_folder(tmp_path / "out", half)
    assert not list(tmp_path.iterdir())
    (tmp_path / "out").mkdir()
    write_folder(tmp_path / "out", lambda beside: (beside / "one").touch())
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["one"]
    with pytest.raises(ValueError, match="not an empty folder"):
        write_folder(tmp_path / "out", lambda beside: None)


def test_a_link_stays_a_link_and_the_mode_is_that_of_any_new_file(tmp_path):
    target, link, plain = tmp_path / "target", tmp_path / "link", tmp_path / "plain"
    target.write_text("old")
    link.symlink_to(target)
    plain.touch()
    write_text(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert os.stat(target).st_mode == os.stat(plain).st_mode


def test_titles_in_any_script_become_files_that_never_meet(tmp_path):
    titles = ["late MiniLM", "late-minilm", "Late/MiniLM", "学生", "老师", "हिंदी", "café", unicodedata.normalize("NFD", "Café"),
              "straße", "STRASSE", "", "?", "..", "con", "CON", "a.b", "x" * 400, "x" * 401, "学" * 200]  # fmt: skip
    names = file_names(titles)
    for name in names:
        (tmp_path / f"{name}.svg").write_text(name, encoding="utf-8")
        assert not set(name) & set('/\\:*?"<>| ')
        assert name[0] not in ".-"
        assert len(name.encode()) <= NAME_BYTES + 3
    assert len(list(tmp_path.iterdir())) == len(titles)
    assert len({unicodedata.normalize("NFD", name).casefold() for name in names}) == len(titles)
    assert [names[place] for place in (0, 3, 5, 15)] == ["late-MiniLM", "学生", "हिंदी", "a.b"]
    assert names[13:15] == ["_con", "_CON-2"]
