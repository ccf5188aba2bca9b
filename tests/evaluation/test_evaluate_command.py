"""`optical-hf evaluate` with systems that are named on the command line, and what it writes."""

import json

import pytest
from evaluation.conftest import ENGLISH, GERMAN, SOMALI

from optical_hf.cli import evaluate as evaluate_module
from optical_hf.cli.evaluate import evaluate, named_systems, named_translators
from optical_hf.cli.shared_options import pair_counts
from optical_hf.evaluation.translate import translators as translating


@pytest.fixture
def files(tmp_path, bert):
    bert.save_pretrained(str(tmp_path / "bert"))
    for name, words in (("words.de", GERMAN), ("words.so", SOMALI), ("words.en", ENGLISH)):
        (tmp_path / name).write_text("".join(f"{word}\n" for word in words))
    return tmp_path


@pytest.mark.slow
def test_systems_are_named_and_reports_written_and_compared(files, monkeypatch, capsys):
    words = dict(zip(GERMAN + SOMALI, ENGLISH * 2, strict=True))
    monkeypatch.setattr(
        translating, "load_translator", lambda name, **_: lambda texts, language: [words[text] for text in texts]
    )
    report, page = files / "r.json", files / "r.html"
    bert = str(files / "bert")
    evaluate(
        queries=[f"{files}/words.de", f"{files}/words.so"], teacher=bert, student=bert, untrained=bert,
        translator=["opus"], system=["student", "translate-query", "bm25"], json=report, html=page,
        pairs=["de=29000"], runs=files / "runs",
    )  # fmt: skip
    assert list(json.loads(report.read_text())["systems"]) == ["student", "translate_query", "bm25", "untrained"]
    assert json.loads(report.read_text())["systems"]["bm25"]["mean"] == 1.0
    assert len(list((files / "runs").glob("*.run"))) == 4
    assert "R@1 against bitext" in page.read_text()
    assert "untrained" in capsys.readouterr().out
    evaluate(compare=(report, report))
    assert "first student minus second student" in " ".join(capsys.readouterr().out.split())


def test_what_is_named_is_evaluated():
    assert named_systems(None, None, None) == ["student"]
    assert named_systems(None, "backbone", ["opus"]) == ["student", "own_index", "untrained", "translate_query"]
    assert named_systems(["student-english"], None, None) == ["student_english", "teacher_english"]
    assert named_systems(["bm25"], None, ["opus"]) == ["bm25"]


def test_translators_of_one_or_of_several_languages():
    assert named_translators(None) is None
    assert named_translators(["opus"]) == "opus"
    assert named_translators(["so=a", "de=b"]) == {"so": "a", "de": "b"}
    with pytest.raises(ValueError, match="say the language of each"):
        named_translators(["so=a", "b"])


def test_a_dictionary_is_learnt_from_bitext_beside_named_translators(tmp_path):
    lines = [
        f"{a} {b}\t{c} {d}\n" for a, c in zip(SOMALI, ENGLISH, strict=True) for b, d in [("iyo", "and"), ("ma", "no")]
    ]
    (tmp_path / "som-eng.tsv").write_text("".join(lines))
    named = named_translators(["de=opus"], [str(tmp_path / "som-eng.tsv")])
    assert named["de"] == "opus"
    assert named["so"](["guri iyo eey"], "so") == ["house and dog"]
    with pytest.raises(ValueError, match="so: both a translator and bitext"):
        named_translators(["som=opus"], [str(tmp_path / "som-eng.tsv")])
    with pytest.raises(ValueError, match="say the language of each"):
        named_translators(["opus"], [str(tmp_path / "som-eng.tsv")])


def test_a_limit_of_tokens_and_the_english_of_queries_reach_the_evaluation(files, monkeypatch, capsys):
    rows = ["n\tquestion\tenglish\tpassage", *(f"{i}\t{SOMALI[i]}\t{ENGLISH[i]}\ta {ENGLISH[i]}" for i in range(8))]
    (files / "asked.tsv").write_text("\n".join(rows) + "\n")
    made, evaluated = [], evaluate_module.evaluate_retrieval
    monkeypatch.setattr(
        evaluate_module, "evaluate_retrieval", lambda *given, **more: made.append(more) or evaluated(*given, **more)
    )
    bert = str(files / "bert")
    evaluate(
        queries=[f"so={files}/asked.tsv:question,passage"], teacher=bert, student=bert, untrained=bert, max_seq_length=3,
        system=["student", "own-index", "student-english"], json=files / "r.json",
    )  # fmt: skip
    assert made[0]["settings"].max_seq_length == 3
    systems = json.loads((files / "r.json").read_text())["systems"]
    assert list(systems) == ["student", "own_index", "student_english", "untrained", "teacher_english"]
    assert systems["own_index"]["mean"] == systems["teacher_english"]["mean"] == 0  # [CLS] a [SEP]: all alike


def test_what_is_missing_is_said():
    with pytest.raises(ValueError, match=r"--pairs 'so': expected a language and its number of pairs, as in so=5101"):
        pair_counts("--pairs", ["so"])
    with pytest.raises(ValueError, match="expected --teacher, --student and --queries"):
        evaluate(queries=["x"], teacher="t")
