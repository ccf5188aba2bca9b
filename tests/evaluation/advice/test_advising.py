"""`advise`: tiny models for what it does and refuses, the real encoders for what it finds."""

import gzip
import json

import numpy as np
import pytest
import tiny_pairs
import torch
from datasets import Dataset

from optical_hf import advise, load_student, load_teacher, load_vectors
from optical_hf.cli import main
from optical_hf.data import load_bitext
from optical_hf.evaluation.advice import reading_speed
from optical_hf.models import build_student

FEW = {"held_out": 20, "pairs": 40, "steps": 5, "progress": False}


@pytest.fixture(scope="module")
def bitext():
    return tiny_pairs.bitext(400)


@pytest.fixture(scope="module")
def texts(bitext):
    return list(dict.fromkeys(bitext["source"][:]))[:120]


@pytest.fixture(scope="module")
def models():
    return tiny_pairs.pair()


@pytest.fixture(scope="module")
def advice(models, texts, bitext):
    return advise(*models, texts, bitext, untrained=tiny_pairs.backbone(), index_size=10**6, **FEW)


def test_every_language_and_group_is_there(advice):
    assert list(advice.recovery) == ["de", "mr", "so", "high", "low", "all", "en"]
    assert {name: level.queries for name, level in advice.recovery.items()} == {
        "de": 20, "mr": 20, "so": 20, "high": 20, "low": 40, "all": 60, "en": 20,
    }  # fmt: skip
    assert advice.judged == "low"
    assert (advice.resource_groups.high, advice.resource_groups.low) == (("de",), ("mr", "so"))
    assert (advice.sample["documents"], advice.sample["fitted_documents"], advice.sample["fitted_pairs"]) == (
        120,
        100,
        120,
    )
    assert advice.notes == []


def test_a_query_that_is_its_document_is_found_in_an_index_of_one_s_own(advice):
    assert advice.recovery["en"].other_mean == 1.0


def test_costs_are_of_the_whole_index(advice, bitext):
    costs = advice.costs
    assert costs.reindexing_seconds == pytest.approx(10**6 / costs.documents_per_second)
    assert (costs.documents, costs.bridge_documents, costs.bridge_pairs) == (10**6, 20_000, len(bitext))
    assert costs.bridge_seconds > costs.fit_seconds > 0


def test_the_json_holds_all_of_it(advice, tmp_path):
    advice.to_json(tmp_path / "advice.json")
    kept = json.loads((tmp_path / "advice.json").read_text(encoding="utf-8"))
    assert kept["schema"] == 1
    assert kept["decision"] == advice.decision._asdict()
    assert kept["recovery"]["all"]["queries"] == 60
    assert kept["rule"]["threshold"] == 0.95
    assert kept["resource_groups"]["low"] == ["mr", "so"]
    assert kept["own_index"]["document_prompt"] == ""


def test_the_student_is_as_it_was(texts):
    student, teacher = tiny_pairs.pair()
    before = {name: weight.clone() for name, weight in student.state_dict().items()}
    found = advise(student, teacher, texts, untrained=tiny_pairs.backbone(), **FEW)
    assert all(torch.equal(weight, before[name]) for name, weight in student.state_dict().items())
    assert (found.judged, list(found.recovery)) == ("en", ["en"])
    assert "Nothing is known about other languages" in found.notes[0]
    assert "English queries" in found.decision.reason


@pytest.mark.slow
def test_given_vectors_are_the_index(models, texts):
    student, teacher = models
    vectors = teacher.encode_document(texts)
    table = Dataset.from_dict({"text": texts, "vector": vectors.tolist()})
    plain, given = (
        advise(student, teacher, one, untrained=tiny_pairs.backbone(), **FEW).recovery["en"] for one in (texts, table)
    )
    assert given.mean == plain.mean
    alone = load_vectors(table, normalize=True)
    by_vectors = advise(student, alone, table, untrained=tiny_pairs.backbone(), **FEW)
    assert by_vectors.recovery["en"].mean == plain.mean
    other = Dataset.from_dict({"text": texts, "vector": np.random.default_rng(0).normal(size=vectors.shape).tolist()})
    with pytest.raises(ValueError, match="not this teacher's"):
        advise(student, teacher, other, untrained=tiny_pairs.backbone(), **FEW)


def test_models_that_cannot_be_judged(models, texts):
    student, teacher = models
    with pytest.raises(ValueError, match="late-interaction"):
        advise(build_student(tiny_pairs.backbone(), teacher, kind="late_interaction"), teacher, texts, **FEW)
    with pytest.raises(ValueError, match="half precision"):
        advise(build_student(tiny_pairs.backbone(), teacher).half(), teacher, texts, **FEW)
    with pytest.raises(ValueError, match="no token projection"):
        advise(tiny_pairs.backbone(), teacher, texts, **FEW)
    with pytest.raises(ValueError, match="needs the checkpoint"):
        advise(student, teacher, texts, **FEW)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"documents": []}, "there are none"),
        ({"documents": ["a dog"] * 60}, "hold 1 different texts"),
        ({"held_out": 0}, "held_out"),
        ({"index_size": 0}, "index_size"),
        ({"steps": 0}, "steps"),
    ],
)
def test_what_cannot_be_sampled(models, texts, wrong, told):
    given = {"documents": texts, "untrained": tiny_pairs.backbone(), **FEW, **wrong}
    with pytest.raises(ValueError, match=told):
        advise(*models, **given)


def run(monkeypatch, *words):
    monkeypatch.setattr("sys.argv", ["optical-hf", "advise", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code


@pytest.fixture(scope="module")
def folder(tmp_path_factory, bitext, texts):
    place = tmp_path_factory.mktemp("advise")
    tiny_pairs.teacher().save_pretrained(str(place / "teacher"))
    tiny_pairs.backbone().save_pretrained(str(place / "student"))
    (place / "docs.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    pairs = [f"{row['target']}\t{row['source']}" for row in bitext if row["language"] == "so"]
    (place / "so-eng.tsv").write_text("\n".join(pairs) + "\n", encoding="utf-8")
    return place


@pytest.mark.slow
def test_the_verb_prints_and_writes_the_advice(folder, tmp_path, monkeypatch, capsys):
    words = ["--teacher", folder / "teacher", "--student", folder / "student", "--documents", folder / "docs.txt"]
    words += ["--index-size", 1000, "--held-out", 20, "--output", tmp_path / "advice.json"]
    assert run(monkeypatch, *words, "--bitext", folder / "so-eng.tsv") == 0
    told = " ".join(capsys.readouterr().out.split())
    for word in ("Predicted recovery", "Somali (so)", "on this machine", "1,000 documents", "JSON:"):
        assert word in told
    kept = json.loads((tmp_path / "advice.json").read_text(encoding="utf-8"))
    assert (kept["judged"], kept["costs"]["documents"]) == ("all", 1000)
    assert kept["decision"]["verdict"] in ("keep", "re-index", "unclear")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--documents", "none.txt"], "none.txt"),
        (["--documents", "docs.txt", "--threshold", "0"], "threshold is 0"),
        (["--documents", "docs.txt", "--low", "xx9"], "unknown language code"),
    ],
)
def test_what_is_wrong_on_the_command_line_is_one_line(folder, monkeypatch, capsys, more, told):
    monkeypatch.chdir(folder)
    assert run(monkeypatch, "--teacher", "teacher", "--student", "student", *more)
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert told in said
    assert "Traceback" not in said


@pytest.mark.real
@pytest.mark.full
@pytest.mark.slow
def test_real_encoders(real_models, shared_data, monkeypatch):
    monkeypatch.setattr(reading_speed, "TIMED", 8)
    with gzip.open(shared_data / "multi30k" / "train.en.gz", "rt", encoding="utf-8") as file:
        captions = [line.strip() for _, line in zip(range(50), file, strict=False)]
    teacher = load_teacher(real_models / "all-MiniLM-L6-v2", device="cpu")
    student = load_student(real_models / "multilingual-e5-small", teacher, query_prompt="query: ")
    pairs = load_bitext({"de": str(shared_data / "tatoeba_v1" / "deu-eng.tsv.gz")}, on_bad_row="drop")
    pairs = pairs.shuffle(seed=0).select(range(30))
    advice = advise(student, teacher, captions, pairs, steps=30, max_seq_length=32, progress=False)
    german = advice.recovery["de"]
    assert german.queries == 10
    assert german.other_mean > 0.7
    assert german.ratio.value > 0.3
    assert advice.recovery["all"] == german
    assert advice.own_index["query_prompt"] == "query: "
    assert set(advice.own_index["tried"]) == {"query: ", "passage: "}
    assert advice.decision.verdict in ("unclear", "re-index")  # 20 pairs are too few for a map
    assert 1 < advice.costs.documents_per_second < 10_000
