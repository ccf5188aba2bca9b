"""The model card: metadata that the hub reads, and text that claims what was handed to it and no more."""

from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import ModelCard
from sentence_transformers import SentenceTransformer
from tiny_pairs import backbone, pair
from typer.testing import CliRunner

from optical_hf.cli.app import app
from optical_hf.data import RetrievalCollection
from optical_hf.evaluation import evaluate_retrieval
from optical_hf.hub import model_card
from optical_hf.models import Encoder


@pytest.fixture(scope="module")
def report(student: Encoder) -> dict:
    """Two systems on two languages, as evaluation reports them: half right in German, a quarter in Somali."""
    documents = np.eye(4)
    german, somali = documents[[0, 1, 3, 2]], documents[[0, 2, 3, 1]]
    english = ["a dog", "a house", "a ball", "a tree"]
    lines = {"de": ["ein Hund", "ein Haus", "ein Ball", "ein Baum"], "so": ["ey", "guri", "kubad", "geed"]}
    collection = RetrievalCollection.from_lines("four", lines, english)
    spoken = np.array(collection.queries["language"])
    queries = np.zeros((8, 4))
    queries[spoken == "de"], queries[spoken == "so"] = german, somali
    vectors = {"student": {"four": queries}, "untrained": {"four": np.roll(queries, 1, axis=0)}}
    found = evaluate_retrieval(
        None,
        None,
        collection,
        models={"untrained": student},  # whose vectors are given
        document_vectors={"four": documents},
        query_vectors=vectors,
        k=[1],
        depth=4,
        rounds=100,
    )
    return found.to_dict()


@pytest.fixture(scope="module")
def measured(student: Encoder) -> dict:
    """A student that finds all, beside re-indexing and English."""
    english = ["a dog", "a house", "a ball", "a tree"]
    lines = {"de": (english, english), "so": (["ey", "guri", "kubad", "geed"], english)}
    collection = RetrievalCollection.from_lines("four", lines, english)
    systems = ("student_english", "teacher_english", "student", "own_index")
    _, teacher = pair()
    report = evaluate_retrieval(
        student, teacher, collection, systems=systems, untrained=backbone(), rounds=100, progress=False
    )
    return report.to_dict()


@pytest.fixture(scope="module")
def student() -> Encoder:
    return pair()[0]


class TestCard:
    def test_metadata_are_what_the_hub_reads(self, student: Encoder, report: dict):
        card = ModelCard(
            model_card(
                student,
                repo_id="me/tiny-so",
                teacher="org/teacher",
                base_model="org/multilingual",
                bitext={"som": 24, "de": 48},
                report=report,
                license="apache-2.0",
                datasets=["org/pairs"],
            )
        )
        data = card.data
        assert data.language == ["en", "so", "de"]
        assert (data.license, data.base_model, data.datasets) == ("apache-2.0", "org/multilingual", ["org/pairs"])
        assert (data.pipeline_tag, data.library_name) == ("sentence-similarity", "sentence-transformers")
        assert "optical-hf" in data.tags
        assert data.model_name == "tiny-so"
        figures = {(r.dataset_config, r.metric_name): r.metric_value for r in data.eval_results}
        assert figures[("de", "R@1")] == 0.5
        assert figures[("so", "R@1")] == 0.25
        gap = next(value for (config, _), value in figures.items() if config == "all")
        assert gap == 0.25

    def test_text_says_how_it_was_made_and_how_well_it_finds(self, student: Encoder, report: dict):
        card = model_card(
            student, teacher="org/teacher", bitext={"so": 24}, losses={"transport": 1.0, "mse": 0.5}, report=report
        )
        for part in (
            "`org/teacher`",
            "Somali (so)",
            "| Somali (so) | 24 |",
            "transport × 1, mse × 0.5",
            "| language | group | queries | student | untrained |",
            "| mean over languages |  |  | 37.5 |",
            "The R@1 gap of student is 25.0",
            "The worst language is Somali",
            'SentenceTransformer("path/to/student")',
            'AutoModel.from_pretrained("path/to/student")',
        ):
            assert part in card

    def test_what_was_not_given_is_not_claimed(self, student: Encoder):
        card = ModelCard(model_card(student))
        assert card.data.to_dict().keys() == {"language", "pipeline_tag", "library_name", "tags"}
        assert "Not measured." in card.text
        assert "None" not in card.text

    def test_plots_beside_the_card_are_shown(self, student: Encoder):
        assert "![Plot: recall.png](recall.png)" in model_card(student, plots=["recall.png"])
        with pytest.raises(ValueError, match="no picture beside the card"):
            model_card(student, plots=["/home/me/recall.png"])

    def test_averaged_layers_are_told(self, student: Encoder):
        assert "- **Layers:** average of 1 (weight 0.25), 2 (weight 0.75)" in model_card(pair(layers={1: 1, 2: 3})[0])
        assert "**Layers:**" not in model_card(student)

    def test_recovery_and_english_stand_beside_the_figures(self, student: Encoder, measured: dict):
        card = model_card(student, report=measured)
        rows = {line.split("|")[1].strip(): line for line in card.splitlines() if line.startswith("| ")}
        assert "| language | group | queries | teacher_english | student_english | student | own_index |" in card
        assert rows["languages"] == "| languages | student | own_index | recovery |"
        low = measured["recovery"]["student"]["low"]
        ends = " [".join((f"{100 * low['ratio']['value']:.1f}", f"{100 * low['ratio']['low']:.1f}"))
        assert rows["low-resource group"].startswith(
            f"| low-resource group | {100 * low['mean']:.1f} | {100 * low['other_mean']:.1f} | {ends}, "
        )
        assert "without training, reads the documents too" in card
        assert "English queries: the student has an R@1 of " in card
        assert "points: the student is not shown to be within 1 point of it." in card

    def test_without_groups_recovery_is_by_language_and_below_5_percent_there_is_none(
        self, student: Encoder, measured: dict
    ):
        rows = {code: dict(row) for code, row in measured["recovery"]["student"].items() if code in ("de", "so")}
        rows["so"]["ratio"] = None
        card = model_card(student, report={**measured, "recovery": {"student": rows}})
        german, somali = card.split("recovery |")[1].split("\n\n")[0].splitlines()[-2:]
        assert german.startswith(f"| German (de) | {100 * rows['de']['mean']:.1f} | ")
        assert somali.startswith("| Somali (so) | ")
        assert somali.endswith(" | – |")

    def test_a_report_without_re_indexing_says_so(self, student: Encoder, report: dict, measured: dict):
        assert "No re-indexing: the checkpoint that the student was made from is not known" in model_card(
            student, report=report
        )
        old = {name: part for name, part in report.items() if name not in ("recovery", "english")}
        old["settings"] = {name: part for name, part in report["settings"].items() if name != "no_own_index"}
        assert "Re-indexing was not measured." in model_card(student, report=old)
        images = {**report, "settings": {**report["settings"], "no_own_index": "shades has images"}}
        assert "No re-indexing: shades has images." in model_card(student, report=images)
        lost = {
            **report,
            "settings": {**report["settings"], "no_own_index": "no student at '/home/secret/e5': it is gone"},
        }
        card = model_card(student, report=lost)
        assert "Re-indexing was not measured." in card
        assert "secret" not in card
        other = {**measured, "systems": {**measured["systems"], "mine": measured["systems"]["student"]}}
        card = model_card(student, report=other, system="mine")
        assert "Re-indexing was not measured." in card
        assert "English queries" not in card

    def test_a_report_without_a_gap_says_why(self, student: Encoder, report: dict):
        system = {**report["systems"]["student"], "gap": None}
        bare = {**report, "systems": {"mine": system}, "resource_groups": None, "no_gap": "only one group"}
        card = model_card(student, report=bare)
        assert "No R@1 gap: only one group." in card
        assert len(ModelCard(card).data.eval_results) == 2

    def test_a_folder_is_no_base_model(self, student: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        (tmp_path / "models").mkdir()
        monkeypatch.chdir(tmp_path)
        for name in ("models", str(tmp_path), "../models"):
            assert ModelCard(model_card(student, base_model=name)).data.base_model is None

    def test_no_path_of_this_machine_is_published(
        self, student: Encoder, report: dict, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ):
        paths = [str(tmp_path), "~/secret", "./secret/x", "$DATA/secret", "C:\\secret", "runs/secret/x"]
        systems = {"/home/secret/student": report["systems"]["student"]}
        local = {**report, "systems": systems, "documents": {"/home/secret/test.so": 4}}
        for path in paths:
            text = model_card(
                student,
                teacher=path,
                base_model=path,
                datasets=[path, "org/pairs"],
                report=local,
                system="/home/secret/student",
            )
            assert path not in text
            assert "secret" not in text
            assert ModelCard(text).data.datasets == ["org/pairs"]
            assert "test.so" in text
        assert caplog.text.count("is a path of this machine") == 2 * len(paths)

    @pytest.mark.parametrize("name", ["Apache 2.0", "apache2", "MIT License", "GPL-3.0", "no such licence"])
    def test_a_licence_that_the_hub_does_not_know(self, student: Encoder, name: str):
        with pytest.raises(ValueError, match=f"the hub has no licence '{name}': (did you mean|take one of)"):
            model_card(student, license=name)

    def test_every_licence_of_the_hub(self, student: Encoder):
        for name in ("apache-2.0", "cc-by-sa-4.0", "llama3.3", "openrail++", "other", "unknown"):
            assert ModelCard(model_card(student, license=name)).data.license == name

    def test_a_data_set_that_is_no_id(self, student: Encoder):
        with pytest.raises(ValueError, match="'my pairs' is not the id of a hub repository"):
            model_card(student, datasets=["my pairs"])

    @pytest.mark.parametrize("other", [{}, {"a": 1}, [], {"systems": {}}])
    def test_what_is_no_report(self, student: Encoder, other: object):
        with pytest.raises(ValueError, match="no retrieval report, as it has no"):
            model_card(student, report=other)

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ('{"a": 1}', "not a retrieval report"),
            ("[1]", "expected an object"),
            ("", "is not JSON"),
            ('{"schema": ', "is not JSON"),
            ('{"schema": "optical_hf.retrieval_report", "version": 1}', "a retrieval report that is not whole"),
        ],
    )
    def test_another_file_in_the_shell(self, student: Encoder, text: str, told: str, tmp_path: Path):
        student.save_pretrained(str(tmp_path / "student"))
        path = tmp_path / "other.json"
        path.write_text(text, encoding="utf-8")
        before = (tmp_path / "student" / "README.md").read_text(encoding="utf-8")
        with pytest.raises(ValueError, match=told) as caught:
            CliRunner().invoke(app, ["card", str(tmp_path / "student"), "--report", str(path)], catch_exceptions=False)
        assert str(path) in str(caught.value)
        assert (tmp_path / "student" / "README.md").read_text(encoding="utf-8") == before

    def test_a_system_that_the_report_does_not_have(self, student: Encoder, report: dict):
        with pytest.raises(ValueError, match="no system 'ridge': pass system=, one of student, untrained"):
            model_card(student, report=report, system="ridge")

    def test_an_unknown_language(self, student: Encoder):
        with pytest.raises(ValueError, match=r"unknown language code 'somali'.*'so'"):
            model_card(student, bitext={"somali": 3})

    def test_saved_beside_the_student_it_is_read_back(self, student: Encoder, tmp_path: Path):
        student.save_pretrained(str(tmp_path))
        (tmp_path / "README.md").write_text(model_card(student, license="mit"))
        assert ModelCard.load(tmp_path / "README.md").data.license == "mit"
        assert isinstance(SentenceTransformer(str(tmp_path)), SentenceTransformer)
