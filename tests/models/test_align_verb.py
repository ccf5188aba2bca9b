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
@pytest.mark.parametrize("regularisation", ["0.01", "held_out_pairs"])
def test_the_penalty_used_is_told(folder, tmp_path, monkeypatch, regularisation):
    assert not align(folder, tmp_path / "student", monkeypatch, regularisation)
    told = json.loads((tmp_path / "student" / "alignment.json").read_text())["regularisation"]
    assert told == 0.01 if regularisation == "0.01" else told in (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2)


@pytest.mark.parametrize("regularisation", ["much", "-1", "nan"])
def test_what_is_no_penalty_is_one_line(folder, tmp_path, monkeypatch, capsys, regularisation):
    assert align(folder, tmp_path / "student", monkeypatch, regularisation)
    told = capsys.readouterr().err.strip()
    assert regularisation in told
    assert "held_out_pairs" in told
    assert "Traceback" not in told
    assert not (tmp_path / "student").exists()


@pytest.mark.slow
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


@pytest.mark.slow
def test_documents_alone_make_a_student_that_finds_them_in_the_index(folder, tmp_path, monkeypatch, capsys):
    teacher = SentenceTransformer(str(folder / "teacher"))
    texts = list(dict.fromkeys(tiny_pairs.bitext()["source"][:]))
    rows = [json.dumps({"body": text, "v": teacher.encode_document(text).tolist()}) for text in texts]
    (tmp_path / "index.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    words = ["align", "--teacher", folder / "teacher", "--student", folder / "student", "--output", tmp_path / "out"]
    words += ["--documents", tmp_path / "index.jsonl", "--document-text", "body", "--document-vector", "v"]
    (tmp_path / "log.txt").write_text("who sleeps?\nwho runs?\n", encoding="utf-8")
    words += ["--query-texts", tmp_path / "log.txt", "--query-share", 0.05]
    words += ["--steps", 100, "--held-out", 5, "--cache", tmp_path / "vectors"]
    monkeypatch.setattr("sys.argv", ["optical-hf", *map(str, words)])
    with pytest.raises(SystemExit, match="0"):
        main()
    report = json.loads((tmp_path / "out" / "alignment.json").read_text())
    assert (report["pairs"], report["documents"], report["method"]) == (0, len(texts) - 4, "contrastive")
    assert 0 <= report["reproduced"] <= 1
    assert list((tmp_path / "vectors").glob("*.safetensors"))
    student = SentenceTransformer(str(tmp_path / "out"))
    found = (student.encode_query(texts) @ teacher.encode_document(texts).T).argmax(axis=1)
    assert (found == range(len(texts))).mean() > 0.5
    assert f"{len(texts) - 4} documents" in " ".join(capsys.readouterr().out.split())


def test_nothing_to_fit_on_and_plans_of_documents_are_one_line(folder, tmp_path, monkeypatch, capsys):
    words = ["align", "--teacher", folder / "teacher", "--student", folder / "student", "--output", tmp_path / "out"]
    plans = ["--documents", "x.txt", "--method", "transport"]
    for more, told in (([], "--bitext, --documents, or both"), (plans, "not for --method transport")):
        monkeypatch.setattr("sys.argv", ["optical-hf", *map(str, words + more)])
        with pytest.raises(SystemExit):
            main()
        assert told in " ".join(capsys.readouterr().err.split())
        assert not (tmp_path / "out").exists()
