"""Two systems against each other, the page, run files, BM25, and images as documents and as queries."""

import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import ir_measures
import numpy as np
import PIL.Image
import pytest
import torch
from datasets import Dataset, Features, Image, Value
from sentence_transformers import SentenceTransformer

from optical_hf.data import RetrievalCollection
from optical_hf.data.collections import captions_to_images, images_to_captions
from optical_hf.evaluation import RetrievalReport, evaluate_retrieval, write_html
from optical_hf.evaluation.report.comparison import compare_reports, disagreements
from optical_hf.evaluation.report.report_tables import caption_of_tests
from optical_hf.evaluation.report.trec_files import write_trec
from optical_hf.metrics.significance import compare_systems

QUIET = {"progress": False, "rounds": 200, "high": ["de"], "low": ["so"]}


@pytest.fixture(scope="module")
def report(student, teacher, collection):
    return evaluate_retrieval(student, teacher, collection, models={"english only": teacher}, **QUIET)


def test_systems_of_one_report_and_of_two_compare_alike(report, student, teacher, collection):
    compared = compare_reports(report, other_system="english only", rounds=500)
    comparison = compared.tests
    assert comparison.languages["de"].difference.value == 1.0 - comparison.languages["de"].other_mean
    assert comparison.languages["de"].p_value < 0.05
    expected = compare_systems(
        report.systems["student"].ranks == 1,
        report.systems["english only"].ranks == 1,
        report.queries.languages,
        high=["de"],
        low=["so"],
        groups=report.queries.groups,
        rounds=500,
    )
    assert comparison == expected

    backwards = replace(collection, queries=collection.queries.select(range(15, -1, -1)))
    other = evaluate_retrieval(teacher, teacher, backwards, **QUIET)
    assert compare_reports(report, RetrievalReport.from_json(other.to_json()), rounds=500).tests == expected
    assert "p corrected over the 3 tests of this table (Holm)" in compared.table().note
    assert compared.table().rows[0][-1] == f"{comparison.languages['de'].p_holm:.3f} (exact)"
    assert [row[0] for row in compared.table().rows] == ["German (de)", "Somali (so)", "gap (high − low)"]


def test_a_caption_says_where_rounds_are_too_few_for_its_tests():
    assert caption_of_tests(21, 10_000).endswith("p corrected over the 21 tests of this table (Holm).")
    assert "A p of random signs cannot be below 0.25" in caption_of_tests(500, 1000)


def test_a_comparison_is_printed_and_written(report, capsys):
    compared = compare_reports(report, other_system="english only")
    compared.print()
    printed = capsys.readouterr().out
    assert "R@1 of student minus english only" in printed
    assert "Somali (so)" in compared.to_markdown()
    assert compared.to_dict()["gap_p_value"] == compared.tests.gap_p_value
    two = compare_reports(report, RetrievalReport.from_json(report.to_json()))
    assert (two.system, two.other) == ("first student", "second student")
    assert two.tests.gap_change.value == 0.0


def test_reports_with_other_queries_are_refused(report, student, teacher, collection):
    fewer = evaluate_retrieval(student, teacher, collection.select(limit=6), **QUIET)
    with pytest.raises(ValueError, match="quer"):
        compare_reports(report, fewer)
    with pytest.raises(ValueError, match="no system 'ridge' in this report; it has student, english only"):
        compare_reports(report, other_system="ridge")


def test_disagreements_show_texts_and_take_turns_over_languages(report):
    found = disagreements(report, "student", "english only", limit=3)
    german = {row.query: row for row in found if row.language == "de"}
    assert german
    queries = report.collections["words"].queries
    english = dict(zip(queries["text"][:], queries["english"][:], strict=True))
    for row in german.values():
        assert row.right == f"a {english[row.query]}"
        assert row.instead != row.right
        assert int(row.rank) > 1
    assert len(found) == 3
    bare = disagreements(RetrievalReport.from_json(report.to_json()), "student", "english only", limit=3)
    assert bare[0].query.startswith(("de/", "so/"))


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_is_whole_and_asks_nothing_of_the_network(student, teacher, tmp_path):
    words = RetrievalCollection.from_lines(
        "<words>", {"ar": ["كلب", "بيت", "شجرة"], "am": ["ውሻ", "ቤት", "ዛፍ"]}, ["a dog", "a <b>house</b>", "a tree"]
    )
    vectors = {"student": {"<words>": np.tile(np.eye(3), (2, 1))}, "other": {"<words>": np.ones((6, 3))}}
    report = evaluate_retrieval(
        None, None, words, models={"other": None}, query_vectors=vectors, document_vectors={"<words>": np.eye(3)},
        k=(1,), rounds=50, progress=False,
    )  # fmt: skip
    write_html(report, tmp_path / "report.html", pairs={"ar": 1000})
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = Page()
    page.feed(text)
    assert page.tags.count("svg") == 5
    assert not {"script", "link", "img", "iframe", "b"} & set(page.tags)
    loaded = [value for name, value in page.attributes if name in ("src", "href", "xlink:href")]
    assert all(value.startswith("#") for value in loaded)
    assert not re.search(r"url\((?!#)|@import|@font-face", text)
    assert ("dir", "auto") in page.attributes
    assert ("lang", "am") in page.attributes
    seen = "".join(page.text)
    for expected in ("ውሻ", "بيت", "a <b>house</b>", "Amharic (am)", "Found first by student, missed by other"):
        assert expected in seen
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_run_files_score_as_the_report_says(report, tmp_path):
    files = write_trec(report, tmp_path)
    assert [file.name for file in files] == ["words.student.run", "words.english only.run", "words.qrels"]
    shutil.move(tmp_path / "words.student.run", tmp_path / "run")
    qrels = list(ir_measures.read_trec_qrels(str(tmp_path / "words.qrels")))
    run = list(ir_measures.read_trec_run(str(tmp_path / "run")))
    measured = ir_measures.calc_aggregate([ir_measures.Success @ 1, ir_measures.RR], qrels, run)
    ranks = report.systems["student"].ranks
    assert measured[ir_measures.Success @ 1] == (ranks == 1).mean()
    assert measured[ir_measures.RR] == pytest.approx((1 / ranks).mean())
    with pytest.raises(ValueError, match="read from JSON"):
        write_trec(RetrievalReport.from_json(report.to_json()), tmp_path)


def test_ids_that_a_run_file_cannot_hold(student, teacher, tmp_path):
    words = RetrievalCollection.from_lines("w", {"de": ["hund", "haus"]}, ["dog", "house"], ids=["a b", "c"])
    report = evaluate_retrieval(student, teacher, words, k=(1,), rounds=50, progress=False)
    with pytest.raises(ValueError, match="2 ids of w are empty or hold white space"):
        write_trec(report, tmp_path)


def test_bm25_reads_translations(teacher, collection):
    pytest.importorskip("bm25s")
    report = evaluate_retrieval(None, None, collection, systems=("bm25",), **QUIET)
    languages = report.systems["bm25"].languages
    assert languages["de"].recall_at_1.value == 1.0
    assert languages["so"].recall_at_1.value == 0.0
    assert np.isinf(report.systems["bm25"].ranks[8:]).all()  # what shares no word is not found, however deep


class ColourModel(SentenceTransformer):
    """Knows the colours of images and the words for them."""

    WORDS = {"rot": 0, "grün": 1, "blau": 2, "cas": 0, "cagaar": 1, "buluug": 2}  # noqa: RUF012

    def encode(self, inputs, **kwargs):
        def vector(item):
            if isinstance(item, str):
                return np.eye(3, dtype=np.float32)[self.WORDS[item]]
            return np.asarray(item.convert("RGB"), dtype=np.float32).mean((0, 1)) / 255

        return np.stack([vector(item) for item in inputs])


@pytest.fixture(scope="module")
def images():
    colours = {"r": (255, 0, 0), "g": (0, 255, 0), "b": (0, 0, 255)}
    rows = [{"image_id": key, "image": PIL.Image.new("RGB", (4, 4), colour)} for key, colour in colours.items()]
    return Dataset.from_list(rows, features=Features({"image_id": Value("string"), "image": Image()}))


CAPTIONS = {
    "de": {"r": ["rot"], "g": ["grün"], "b": ["blau"]},
    "so": {"r": ["cas"], "g": ["cagaar"], "b": ["buluug"]},
}


def test_captions_find_images_and_images_find_captions(images, tmp_path):
    model = ColourModel(modules=[torch.nn.Identity()], device="cpu")
    to_images = captions_to_images("to images", CAPTIONS, images)
    quiet = {**QUIET, "k": (1,)}
    assert evaluate_retrieval(model, model, to_images, **quiet).systems["student"].mean == 1.0
    wrong = ColourModel(modules=[torch.nn.Identity()], device="cpu")
    wrong.WORDS = ColourModel.WORDS | {"cas": 2, "cagaar": 0, "buluug": 1}
    found = evaluate_retrieval(wrong, model, to_images, folder=tmp_path, piece=2, **quiet).systems["student"]
    assert {code: language.recall_at_1.value for code, language in found.languages.items()} == {"de": 1.0, "so": 0.0}

    to_captions = [images_to_captions(f"captions {code}", images, CAPTIONS[code], code) for code in CAPTIONS]
    report = evaluate_retrieval(wrong, model, to_captions, **quiet)
    assert report.systems["student"].languages["so"].recall_at_1.value == 0.0
    assert report.systems["student"].languages["de"].recall_at_1.value == 1.0
    assert set(report.queries.groups) == {"r", "g", "b"}  # an image is one group, in whatever language it is described
