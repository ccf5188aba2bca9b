"""`optical-hf data translate`, with a tiny multilingual model that has eight words by heart."""

import json

import pytest
import tiny_translators
from cli.test_cli import run
from tiny_translators import ENGLISH, GERMAN, SOMALI

from optical_hf.cli.translate import named_models
from optical_hf.data import load_bitext


@pytest.fixture(scope="module")
def nllb(tmp_path_factory):
    return tiny_translators.nllb(tmp_path_factory.mktemp("nllb"), outwards=True)


@pytest.mark.slow
def test_documents_and_queries_become_a_file_a_language_with_a_report(nllb, tmp_path, monkeypatch, capsys):
    rows = [{"body": f"{one}\n\n{two}"} for one, two in zip(ENGLISH[:3], ENGLISH[3:6], strict=True)]
    (tmp_path / "docs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "queries.txt").write_text("stone\ndog\nbird\n")
    command = [
        "data", "translate", "--documents", tmp_path / "docs.jsonl", "--document-text", "body", "--query-texts",
        tmp_path / "queries.txt", "--to", "so,de", "--model", nllb, "--beams", "1", "--output", tmp_path / "out",
    ]  # fmt: skip
    code, out, err = run(monkeypatch, capsys, *command)
    assert code == 0, err
    words = [word for pair in zip(ENGLISH[:3], ENGLISH[3:6], strict=True) for word in pair] + ["stone", "bird"]
    for language, foreign in (("so", SOMALI), ("de", GERMAN)):
        file = tmp_path / "out" / f"{language}-en.tsv.gz"
        found = load_bitext(str(file), cache_dir=tmp_path / "cache")
        assert found["source"][:] == words  # "dog" stands once
        assert found["target"][:] == [foreign[ENGLISH.index(word)] for word in words]
        assert f"Bitext of {language} is in" in out
    assert "duplicate" in out  # the table of the quality report
    code, _, err = run(monkeypatch, capsys, *command, "--limit", "2", "--no-sentences")
    assert (code, "from other texts or another model" in err) == (1, True)


def test_one_model_or_one_a_language():
    assert named_models(["facebook/nllb"]) == "facebook/nllb"
    assert named_models(["som=A,sw=B", "zh_Hant=C"]) == {"so": "A", "sw": "B", "zh-Hant": "C"}
    with pytest.raises(ValueError, match="--model B is one of several: say the language of each, so=B"):
        named_models(["so=A", "B"])


@pytest.mark.parametrize(
    ("extra", "message"), [([], "cannot read the translator"), (["--document-text", "body"], "body")]
)
def test_no_translator_and_no_documents_are_told_in_a_line(tmp_path, monkeypatch, capsys, extra, message):
    (tmp_path / "docs.jsonl").write_text('{"text": "A dog."}\n')
    code, _, err = run(
        monkeypatch, capsys, "data", "translate", "--documents", tmp_path / "docs.jsonl", "--to", "so", "--model",
        tmp_path / "nothing", "--output", tmp_path / "out", *extra,
    )  # fmt: skip
    assert (code, message in err) == (1, True)
    assert not (tmp_path / "out").exists()
