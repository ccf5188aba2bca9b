"""`optical-hf align --regularisation`: a number, or how to choose one; anything else is said in one line."""

import json

import pytest
import tiny_pairs
from sentence_transformers import SentenceTransformer

from optical_hf.cli import main
from optical_hf.models import averaged_layers


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("align")
    tiny_pairs.teacher().save_pretrained(str(place / "teacher"))
    tiny_pairs.backbone().save_pretrained(str(place / "student"))
    rows = tiny_pairs.bitext()
    for code in ("de", "mr"):
        lines = [f"{row['target']}\t{row['source']}" for row in rows if row["language"] == code]
        (place / f"{code}-eng.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return place


def align(folder, output, monkeypatch, regularisation, *more):
    words = ["align", "--teacher", folder / "teacher", "--student", folder / "student", "--output", output]
    words += [
        "--bitext",
        folder / "de-eng.tsv",
        "--bitext",
        folder / "mr-eng.tsv",
        "--regularisation",
        regularisation,
        *more,
    ]
    monkeypatch.setattr("sys.argv", ["optical-hf", *map(str, words)])
    try:
        return main()
    except SystemExit as end:
        return end.code


@pytest.mark.slow
@pytest.mark.parametrize("regularisation", ["0.01", "held_out_language"])
def test_the_penalty_used_is_told(folder, tmp_path, monkeypatch, regularisation):
    assert not align(folder, tmp_path / "student", monkeypatch, regularisation)
    told = json.loads((tmp_path / "student" / "alignment.json").read_text())["regularisation"]
    assert told == 0.01 if regularisation == "0.01" else told in (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2)


@pytest.mark.parametrize("regularisation", ["much", "-1", "nan"])
def test_what_is_no_penalty_is_one_line(folder, tmp_path, monkeypatch, capsys, regularisation):
    assert align(folder, tmp_path / "student", monkeypatch, regularisation)
    told = capsys.readouterr().err.strip()
    assert regularisation in told
    assert "held_out_language" in told
    assert "Traceback" not in told
    assert not (tmp_path / "student").exists()


def test_several_layers_are_averaged(folder, tmp_path, monkeypatch):
    assert not align(folder, tmp_path / "student", monkeypatch, "0.01", "--layers", "1", "2", "--rounds", "1")
    assert averaged_layers(SentenceTransformer(str(tmp_path / "student"))) == {1: 0.5, 2: 0.5}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--layers", "1", "7"), "no layer 7"),
        (("--layers", "1", "x"), "cannot place 'x'"),
        (("2",), "cannot place '2'"),
    ],
)
def test_what_is_no_layer_is_one_line(folder, tmp_path, monkeypatch, capsys, words, told):
    assert align(folder, tmp_path / "student", monkeypatch, "0.01", *words)
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert told in said
    assert not (tmp_path / "student").exists()
