"""Re-indexing as a system, recovery, and the student on English queries."""

import json
import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from evaluation.conftest import ENGLISH, GERMAN, SOMALI, WORDS, dictionary_model, word_tokenizer
from PIL import Image
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding

from optical_hf.data.collections import images_to_captions
from optical_hf.evaluation import (
    RetrievalReport,
    compare_reports,
    evaluate_retrieval,
    print_report,
    report_markdown,
    write_html,
)
from optical_hf.evaluation.own_index import Reading, readings, untrained_checkpoint
from optical_hf.evaluation.report.language_scores import Bootstrap
from optical_hf.evaluation.report.recovery import score_english
from optical_hf.metrics.ranking import ranks_from_scores
from optical_hf.models.loading import load_student
from optical_hf.models.prompts import set_prompts
from optical_hf.models.views import as_late_interaction

QUIET = {"progress": False, "rounds": 200}


def elsewhere(known, **more):
    """A dictionary model whose vectors lie elsewhere than the teacher's: it finds nothing in the teacher's index."""
    turn, _ = torch.linalg.qr(torch.randn(32, 32, generator=torch.Generator().manual_seed(7)))
    weights = dictionary_model(known, seed=2)[0].embedding.weight.detach() @ turn
    embedding = StaticEmbedding(word_tokenizer(WORDS), embedding_weights=weights.numpy())
    return SentenceTransformer(modules=[embedding], device="cpu", **more)


@pytest.fixture(scope="module")
def report(student, teacher, collection):
    return evaluate_retrieval(
        student,
        teacher,
        collection,
        untrained=elsewhere([ENGLISH, GERMAN, SOMALI]),
        **QUIET,
    )


def test_it_reads_documents_itself_and_the_teacher_s_index_is_nothing_to_it(report, teacher, collection):
    assert list(report.systems) == ["student", "own_index"]  # the default, as the checkpoint is known
    assert report.systems["own_index"].ranks.tolist() == [1.0] * 16
    there = evaluate_retrieval(
        None, teacher, collection, systems=(), models={"raw": elsewhere([ENGLISH, GERMAN, SOMALI])}, **QUIET
    )
    assert there.systems["raw"].mean < 0.5


def test_a_report_says_that_the_checkpoint_is_not_known(student, teacher, collection):
    alone = evaluate_retrieval(student, teacher, collection, **QUIET)
    assert list(alone.systems) == ["student"]
    assert "No re-indexing: the checkpoint that the student was made from is not known" in report_markdown(alone)


def test_recovery_is_the_share_of_re_indexing(report):
    rows = report.recovery["student"]
    assert list(rows) == ["de", "so", "high", "low"]
    somali = report.systems["student"].languages["so"].recall_at_1.value
    assert somali < 0.5
    assert (rows["de"]["ratio"]["value"], rows["so"]["ratio"]["value"]) == (1.0, somali)  # of 100 %
    assert (rows["high"]["ratio"], rows["low"]["ratio"]) == (rows["de"]["ratio"], rows["so"]["ratio"])
    lost = round(8 * (1 - somali))
    assert rows["so"]["p_value"] == pytest.approx(2 / 2**lost)  # all signs alike
    assert rows["so"]["p_holm"] == pytest.approx(min(1, 4 * 2 / 2**lost))


def test_no_share_where_re_indexing_finds_next_to_nothing(student, teacher, collection):
    blind = elsewhere([ENGLISH])
    weights = blind[0].embedding.weight.data
    weights[:] = torch.eye(32)[0]  # everything alike: all ties, which count against it
    report = evaluate_retrieval(student, teacher, collection, untrained=blind, **QUIET)
    assert report.systems["own_index"].mean == 0
    assert report.recovery["student"]["de"]["ratio"] is None
    row = next(line for line in report_markdown(report).split("Recovery")[1].splitlines() if "German" in line)
    assert row.split("|")[6].strip() == "–"


def test_it_stands_in_every_table_and_in_the_json(report, tmp_path, capsys):
    print_report(report)
    write_html(report, tmp_path / "page.html")
    for shown in (capsys.readouterr().out, (tmp_path / "page.html").read_text(), report_markdown(report)):
        words = " ".join(shown.split())
        assert "Recovery in percent" in words
        assert "own_index is re-indexing" in words
    assert (
        sum("| student | own_index |" in line for line in report_markdown(report).splitlines()) == 3
    )  # R@1, recovery, gap
    again = RetrievalReport.from_json(report.to_json())
    assert again.to_dict() == report.to_dict()
    assert report_markdown(again) == report_markdown(report)


def test_a_comparison_shows_it_beside_two_others(student, teacher, collection):
    untrained = elsewhere([ENGLISH, GERMAN, SOMALI])
    report = evaluate_retrieval(student, teacher, collection, untrained=untrained, models={"twin": student}, **QUIET)
    table = compare_reports(report, other_system="twin").to_markdown()
    assert "| language | group | student | twin | own_index | difference |" in table
    assert "| German (de) | high | 100.0 | 100.0 | 100.0 |" in table
    assert "twin" not in compare_reports(report, other_system="own_index").to_markdown()
    assert compare_reports(report, other_system="own_index").own_index is None


def test_a_report_of_0_1_is_read(report):
    old = json.loads(report.to_json())
    del old["recovery"], old["english"], old["settings"]["own_index"], old["systems"]["own_index"]
    again = RetrievalReport.from_json(json.dumps(old))
    assert (again.recovery, again.english) == ({}, None)
    assert "Recovery" not in report_markdown(again)


@pytest.mark.parametrize("search", ["vector", "maxsim"])
def test_its_ranks_are_those_of_the_library(bert, collection, search):
    report = evaluate_retrieval(
        None, None, collection, systems=("own_index",), untrained=bert, search=search, high=["de"], **QUIET
    )
    view = bert if search == "vector" else as_late_interaction(bert)
    queries, documents = collection.queries["text"][:], collection.documents["text"][:]
    scores = view.similarity(view.encode_query(queries), view.encode_document(documents))
    assert report.systems["own_index"].ranks.tolist() == ranks_from_scores(scores, collection.relevance).tolist()


def test_both_prompts_are_tried_and_the_better_one_is_the_bar(student, teacher, collection):
    asked = []

    class Spoilt(SentenceTransformer):
        """Mixes its documents up where they begin with its own prompt."""

        def encode(self, inputs, **kwargs):
            prompt = self.prompts[kwargs["prompt_name"]]
            asked.append((kwargs["prompt_name"], prompt))
            vectors = super().encode(inputs, **kwargs)
            return vectors[::-1].copy() if (kwargs["prompt_name"], prompt) == ("document", "a ") else vectors

    prompts = {"query": "the ", "document": "a "}
    model = Spoilt(modules=list(elsewhere([ENGLISH, GERMAN, SOMALI])), prompts=prompts, device="cpu")
    report = evaluate_retrieval(student, teacher, collection, untrained=model, **QUIET)
    assert sorted(set(asked)) == [("document", "a "), ("document", "the "), ("query", "the ")]
    about = report.settings["own_index"]
    assert (about["query_prompt"], about["document_prompt"]) == ("the ", "the ")
    assert about["tried"]["the "] > about["tried"]["a "]
    assert report.systems["own_index"].mean == about["tried"]["the "]
    assert "documents with 'the '" in report_markdown(report)
    assert model.prompts == prompts


def test_prompts_of_the_checkpoint_of_its_family_or_of_the_student(bert, tmp_path):
    def read(name, student=None, **prompts):
        bert.save_pretrained(str(tmp_path / name))
        model = SentenceTransformer(str(tmp_path / name), device="cpu")
        set_prompts(model, **prompts)
        return readings(model, student)

    both = [Reading("query: ", "passage: "), Reading("query: ", "query: ")]
    assert read("multilingual-e5-small") == both
    assert read("plain", query="query: ", document="passage: ") == both
    assert read("plain") == [Reading("", "")]
    assert [reading.document for reading in read("bge-small-en-v1.5")] == [""]
    asks = SentenceTransformer(modules=list(bert), prompts={"query": "ask: "}, device="cpu")
    assert read("plain", asks) == [Reading("ask: ", ""), Reading("ask: ", "ask: ")]


def test_the_checkpoint_is_what_the_student_was_built_from_or_what_its_card_says(bert, collection, tmp_path, caplog):
    bert.save_pretrained(str(tmp_path / "backbone"))
    made = load_student(tmp_path / "backbone", bert)
    assert untrained_checkpoint(None, made) == str(tmp_path / "backbone")
    report = evaluate_retrieval(made, bert, collection, high=["de"], **QUIET)
    assert list(report.systems) == ["student", "own_index"]
    assert report.settings["own_index"]["checkpoint"] == "backbone"

    made.save_pretrained(str(tmp_path / "student"))
    card = tmp_path / "student" / "README.md"
    card.write_text("---\ntags: []\n---\n")
    saved = SentenceTransformer(str(tmp_path / "student"), device="cpu")
    assert untrained_checkpoint(None, saved) is None
    assert list(evaluate_retrieval(saved, bert, collection, high=["de"], **QUIET).systems) == ["student"]
    card.write_text(f"---\nbase_model: {tmp_path}/backbone\n---\n")
    assert untrained_checkpoint(None, saved) == f"{tmp_path}/backbone"
    card.write_text(f"---\nbase_model: {tmp_path}/gone\n---\n")
    with caplog.at_level(logging.WARNING):
        report = evaluate_retrieval(saved, bert, collection, high=["de"], **QUIET)
    assert list(report.systems) == ["student"]
    assert "re-indexing is not evaluated: no student at" in caplog.text
    assert "No re-indexing: no student at" in report_markdown(report)


def test_a_limit_of_tokens_binds_every_model(bert, collection, tmp_path, monkeypatch):
    """With three tokens a document is [CLS] a [SEP], and so are all others: nothing is told from anything."""
    bert.save_pretrained(str(tmp_path / "backbone"))
    made = load_student(tmp_path / "backbone", bert)
    limits = (made.max_seq_length, bert.max_seq_length)
    asked = {"systems": ("student", "own_index"), "high": ["de"], **QUIET}
    report = evaluate_retrieval(made, bert, collection, max_seq_length=3, **asked)
    assert [system.mean for system in report.systems.values()] == [0, 0]
    assert (made.max_seq_length, bert.max_seq_length) == limits
    with pytest.raises(ValueError, match="max_seq_length is 33, but the backbone"):
        evaluate_retrieval(made, bert, collection, max_seq_length=33, **asked)
    with pytest.raises(ValueError, match="max_seq_length is 0"):
        evaluate_retrieval(made, bert, collection, max_seq_length=0, **asked)


def test_trained_weights_are_refused(student, bert, collection, tmp_path):
    asked = {"systems": ("own_index",), "high": ["de"], **QUIET}
    with pytest.raises(ValueError, match="needs the checkpoint that the student was made from, and neither untrained="):
        evaluate_retrieval(student, student, collection, **asked)
    with pytest.raises(ValueError, match="is the student itself, or shares its weights"):
        evaluate_retrieval(student, student, collection, untrained=student, **asked)
    bert.save_pretrained(str(tmp_path / "backbone"))
    load_student(tmp_path / "backbone", bert).save_pretrained(str(tmp_path / "student"))
    with pytest.raises(ValueError, match="has a projection, as a trained student has: its index"):
        evaluate_retrieval(None, bert, collection, untrained=tmp_path / "student", **asked)


def test_there_is_no_re_indexing_of_images(tmp_path):
    for number, name in enumerate("123"):
        Image.new("RGB", (2, 2), (80 * number, 0, 0)).save(tmp_path / f"{name}.png")
    collection = images_to_captions("shades", tmp_path, {"1": ["hund"], "2": ["haus"], "3": ["baum"]}, "de")
    report = evaluate_retrieval(
        elsewhere([ENGLISH]), None, collection, systems=("student", "own_index"),
        untrained=elsewhere([GERMAN]), query_vectors={"student": {"shades": np.eye(3, 32)}}, **QUIET,
    )  # fmt: skip
    assert list(report.systems) == ["student"]
    assert report.recovery == {}
    assert "No re-indexing: shades has images" in report_markdown(report)


def test_the_student_reads_english_queries_beside_the_teacher(student, teacher, collection):
    systems = ("student_english", "teacher_english")
    report = evaluate_retrieval(student, teacher, collection, systems=systems, **QUIET)
    assert report.systems["student_english"].mean == report.systems["teacher_english"].mean == 1.0
    row = report.english["rows"]["de"]
    # Eight queries without a difference show nothing: 37 % of all others may differ.
    assert row["difference"]["low"] == pytest.approx(0.025 ** (1 / 8) - 1)
    assert not row["not_inferior"]
    assert "| mean over languages |  | 16 | 100.0 | 100.0 |" in report_markdown(report)
    assert "not shown" in report_markdown(report)
    wide = evaluate_retrieval(student, teacher, collection, systems=systems, margin=0.5, **QUIET)
    assert wide.english["rows"]["de"]["not_inferior"]
    assert "within 50 points" in report_markdown(wide)
    bare = replace(collection, queries=collection.queries.remove_columns("english"))
    with pytest.raises(ValueError, match="leave out teacher_english and student_english"):
        evaluate_retrieval(student, teacher, bare, systems=("student_english",), **QUIET)


def test_non_inferiority_follows_the_lower_end_of_the_interval():
    languages, groups = np.array(["de"] * 400), np.arange(400).astype(str)
    ranks = {"student_english": np.ones(400), "teacher_english": np.ones(400)}
    for margin, shown in ((0.01, True), (0.009, False)):  # 1 - 0.025^(1 / 400) is 0.0092
        assert score_english(ranks, languages, groups, margin, Bootstrap())["rows"]["de"]["not_inferior"] is shown
    ranks["student_english"][:20] = 2
    rows = score_english(ranks, languages, groups, 0.05, Bootstrap())["rows"]
    assert rows["de"]["difference"]["value"] == pytest.approx(-0.05)
    assert not rows["de"]["not_inferior"]
    assert score_english({"student_english": np.ones(400)}, languages, groups, 0.01, Bootstrap()) is None


@pytest.mark.parametrize("stated", ["ask: ", None])
def test_a_checkpoint_by_name_gets_the_prompts_of_its_family_unless_it_states_one(
    stated, bert, collection, tmp_path, caplog
):
    place = tmp_path / "multilingual-e5-small"
    bert.save_pretrained(str(place))
    if stated is not None:
        model = SentenceTransformer(str(place), device="cpu")
        set_prompts(model, query=stated)
        model.save_pretrained(str(place))
    asked = {"systems": ("own_index",), "untrained": place, "high": ["de"], **QUIET}
    with caplog.at_level(logging.WARNING):
        about = evaluate_retrieval(None, bert, collection, **asked).settings["own_index"]
    assert about["query_prompt"] == (stated or "query: ")
    assert list(about["tried"]) == ["passage: ", stated or "query: "]
    assert "states no prompt" not in caplog.text
