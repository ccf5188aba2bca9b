"""Bitext on the command line: columns behind a path, bad rows dropped and counted, old names that warn."""

import json
import sys

import pytest
import tiny_pairs

from optical_hf.cli import main
from optical_hf.cli.named_collections import collections_of
from optical_hf.cli.train import bitext_of, parse_train
from optical_hf.scenes import scenes_bitext


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A teacher, a student and an Anki export (English, foreign, attribution) with two rows that cannot be used."""
    root = tmp_path_factory.mktemp("bitext")
    tiny_pairs.teacher().save_pretrained(str(root / "teacher"))
    tiny_pairs.backbone().save_pretrained(str(root / "student"))
    lines = [f"{row['source']}\t{row['target']}\tCC-BY\n" for row in scenes_bitext({"mr": 60}, seed=3)]
    lines[10], lines[20] = "no columns\n", "No translation.\t\tCC-BY\n"
    (root / "anki.txt").write_text("".join(lines), encoding="utf-8")
    return root


def run(monkeypatch, capsys, *arguments) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["optical-hf", *map(str, arguments)])
    code = 0
    try:
        main()
    except SystemExit as stopped:
        code = stopped.code or 0
    told = capsys.readouterr()
    return code, told.out, told.err


@pytest.mark.slow
def test_align_and_evaluate_read_columns_and_drop_bad_rows(folder, tmp_path, monkeypatch, capsys, caplog):
    source = f"mr={folder / 'anki.txt'}:2,1"
    models = ["--teacher", folder / "teacher", "--student"]
    code, _, err = run(
        monkeypatch, capsys, "align", *models, folder / "student", "--bitext", source, "--output", tmp_path / "out"
    )
    assert code != 0
    assert "anki.txt:11: expected 3 columns like the first line, got 1" in " ".join(err.split())
    code, _, err = run(
        monkeypatch, capsys, "align", *models, folder / "student", "--bitext", source, "--output", tmp_path / "out",
        "--on-bad-row", "drop",
    )  # fmt: skip
    assert code == 0, err
    assert "dropped 2 rows, the first are 11, 21" in caplog.text
    assert json.loads((tmp_path / "out" / "alignment.json").read_text())["pairs"] == 53
    code, _, err = run(
        monkeypatch, capsys, "evaluate", *models, tmp_path / "out", "--queries", source, "--on-bad-row", "drop",
        "--json", tmp_path / "r.json",
    )  # fmt: skip
    assert code == 0, err
    assert "mr" in json.loads((tmp_path / "r.json").read_text())["systems"]["student"]["languages"]


@pytest.mark.slow
def test_data_check_reads_columns(folder, monkeypatch, capsys):
    # The detector reads the models of 75 languages.
    monkeypatch.setattr("optical_hf.data.quality.inspection.lingua_is_here", lambda: False)
    code, out, err = run(monkeypatch, capsys, "data", "check", f"mr={folder / 'anki.txt'}:2,1", "--on-bad-row", "drop")
    assert code == 0, err
    assert "58" in out
    code, _, err = run(monkeypatch, capsys, "data", "check", f"mr={folder / 'anki.txt'}:2,1", "--max-line-bytes", 9)
    assert code != 0
    assert "longer than 9 bytes" in " ".join(err.split())


def test_train_reads_them(folder, tmp_path):
    given = [
        "--teacher", "t", "--student", "s", "--output", str(tmp_path), "--bitext", f"mr={folder / 'anki.txt'}:2,1",
        "--report_to", "none", "--use_cpu", "true",
    ]  # fmt: skip
    assert len(bitext_of(*parse_train([*given, "--on_bad_row", "drop"]))) == 58
    assert len(list(bitext_of(*parse_train([*given, "--on_bad_row", "drop", "--streaming", "true"])))) == 58
    with pytest.raises(ValueError, match="longer than 9 bytes"):
        bitext_of(*parse_train([*given, "--max_line_bytes", "9"]))
    with pytest.raises(ValueError, match="foo"):
        parse_train([*given, "--on_bad_row", "foo"])


def test_line_files_of_evaluations_are_told_of_bad_rows_too(tmp_path):
    (tmp_path / "x.so").write_text("kow\n\nsaddex\n")
    (tmp_path / "x.en").write_text("one\ntwo\nthree\n")
    with pytest.raises(ValueError, match="1 query texts are empty"):
        collections_of([str(tmp_path / "x.so")])
    assert len(collections_of([str(tmp_path / "x.so")], on_bad_row="drop")[0].queries) == 2
