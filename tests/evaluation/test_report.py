"""The report as JSON, tables and plots."""

import json
import warnings
from dataclasses import replace

import numpy as np
import pytest

from optical_hf.data import RetrievalCollection
from optical_hf.evaluation import (
    RetrievalReport,
    evaluate_retrieval,
    print_report,
    report_markdown,
    save_plots,
    write_html,
)
from optical_hf.evaluation.report.report_plots import plot_bitext, plot_gap, plot_recall
from optical_hf.evaluation.report.report_tables import FILE_WIDTH, report_console


@pytest.fixture(scope="module")
def report(student, teacher, collection):
    return evaluate_retrieval(
        student, teacher, collection, systems=("student", "teacher_english"), models={"twin": student},
        rounds=200, progress=False,
    )  # fmt: skip


def test_json_round_trip_keeps_every_figure(report, tmp_path):
    path = tmp_path / "new" / "report.json"
    text = report.to_json(path)
    for source in (text, path, str(path)):
        assert RetrievalReport.from_json(source).to_dict() == report.to_dict()
    again = RetrievalReport.from_json(path)
    assert np.array_equal(again.systems["student"].ranks, report.systems["student"].ranks)
    assert report_markdown(again) == report_markdown(report)
    assert [file.name for file in path.parent.iterdir()] == ["report.json"]


def test_the_schema_is_the_documented_one(report):
    values = report.to_dict()
    assert (values["schema"], values["version"]) == ("optical_hf.retrieval_report", 2)
    assert list(values) == [
        "schema", "version", "settings", "documents", "resource_groups", "no_gap", "queries", "systems", "recovery", "english",
        "cutoffs",
    ]  # fmt: skip
    student = values["systems"]["student"]
    assert list(student) == ["languages", "mean", "gap", "ranks", "first"]
    assert list(student["languages"]["so"]) == ["queries", "groups", "recall_at_1", "measures"]
    lengths = {len(column) for column in [*values["queries"].values(), student["ranks"], student["first"]]}
    assert lengths == {16}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "other"}, "expected a report of the schema"),
        ({"version": 3}, "expected version 2"),
    ],
)
def test_other_schemas_are_refused(report, change, message):
    with pytest.raises(ValueError, match=message):
        RetrievalReport.from_json(json.dumps(report.to_dict() | change))


def test_a_report_of_version_1_is_read(report):
    old = {**report.to_dict(), "version": 1, "tiers": report.to_dict()["resource_groups"]}
    for name in ("resource_groups", "recovery", "english", "cutoffs"):
        del old[name]
    again = RetrievalReport.from_dict(json.loads(json.dumps(old)))
    assert again.resource_groups == report.resource_groups is not None
    assert again.recovery == {}


def test_a_file_that_is_no_report(tmp_path):
    path = tmp_path / "x.json"
    path.write_text('{"half": ')
    with pytest.raises(ValueError, match=r"x\.json is not JSON"):
        RetrievalReport.from_json(path)
    path.write_text("[1]")
    with pytest.raises(ValueError, match="not a report"):
        RetrievalReport.from_json(path)


def test_tables_name_languages_from_high_to_low(report, capsys):
    markdown = report_markdown(report)
    rows = [line for line in markdown.splitlines() if line.startswith("|")]
    assert rows[0] == "| language | group | queries | student | teacher_english | twin |"
    assert rows[2].startswith("| German (de) | high | 8 | 100.0 [63.1, 100.0] |")
    assert rows[3].startswith("| Somali (so) | low | 8 |")
    assert "gap (high − low)" in markdown
    assert "low-resource group behind the teacher on English" in markdown
    print_report(report)
    printed = capsys.readouterr().out
    assert "Somali (so)" in printed
    assert "Groups of languages by resources: high de; low so." in printed


def test_a_row_is_a_line_in_a_file_and_as_wide_as_a_terminal_on_one(report, capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    print_report(report)
    in_a_file = capsys.readouterr().out
    assert "100.0 [63.1, 100.0]" in in_a_file
    assert max(map(len, in_a_file.splitlines())) > 80
    monkeypatch.setenv("COLUMNS", "80")
    print_report(report)
    on_a_terminal = capsys.readouterr().out
    assert max(len(line.rstrip()) for line in on_a_terminal.splitlines()) <= 80
    assert "100.0 [63.1, 100.0]" not in on_a_terminal


def test_a_notebook_keeps_its_own_width(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert report_console().width == FILE_WIDTH
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    assert report_console().width < FILE_WIDTH


def test_measures_of_several_relevant_documents_are_in_report_and_json():
    words = RetrievalCollection.from_lines("w", {"de": ["hund", "haus"], "so": ["eey", "guri"]}, ["dog", "house"])
    judged = {query: dict.fromkeys(words.documents["id"][:], 1) for query in words.queries["id"][:]}
    both, one = (
        evaluate_retrieval(
            None, None, collection, document_vectors={"w": np.eye(2)}, k=(1,), rounds=20, progress=False,
            query_vectors={"student": {"w": np.array([[0.2, 0.1]] * 4)}},
        )
        for collection in (replace(words, qrels=judged), words)
    )  # fmt: skip
    read = RetrievalReport.from_json(both.to_json()).systems["student"].languages["so"]
    assert read.measures == {"R@1": 1.0, "MRR": 1.0, "MAP": 1.0, "nDCG@10": pytest.approx(1.0), "P@10": 0.2}
    assert "| system | R@1 | MRR | MAP | nDCG@10 | P@10 |" in report_markdown(both)
    assert list(one.systems["student"].languages["so"].measures) == ["R@1", "MRR"]  # MAP would be MRR


@pytest.mark.slow
def test_plots_show_what_the_report_says(report, tmp_path):
    figure = plot_recall(report)
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["German (de)", "Somali (so)"]
    assert [container.get_label() for container in axes.containers] == ["student", "teacher_english", "twin"]
    points = axes.containers[0].lines[0].get_xdata()
    languages = report.systems["student"].languages
    assert list(points) == [100 * languages[code].recall_at_1.value for code in ("de", "so")]
    assert plot_gap(report).axes[0].get_yticklabels()[0].get_text() == "student"
    bitext = plot_bitext(report, {"deu": 29_000})
    assert sorted(text.get_text() for text in bitext.axes[0].texts) == ["de", "so"]
    for kind, head in (("png", b"\x89PNG"), ("svg", b"<?xml")):
        written = save_plots(report, tmp_path / kind, kind=kind, pairs={"deu": 29_000})
        assert [path.name for path in written] == [f"{name}.{kind}" for name in ("recall", "gap", "bitext")]
        assert all(path.read_bytes().startswith(head) for path in written)


@pytest.mark.slow
def test_a_page_of_sixty_languages_shows_each_of_them(tmp_path):
    """Languages from right to left, in Devanagari and in Ethiopic are among the queries of both tables."""
    scripts = {"ar": "كلب", "he": "כלב", "hi": "कुत्ता", "am": "ውሻ", "ti": "ከልቢ", "mr": "कुत्रा"}
    spare = (
        "de fr es it pt nl pl cs ru uk bg sr el tr fi sv da et lv lt hu ro sk sl ka hy fa ur bn ta te kn ml gu pa si my"
    )
    rest = "km lo th vi id tl sw so ha ig yo zu xh sn ne ps"
    codes = [*scripts, *spare.split(), *rest.split()]
    assert len(codes) == 59
    codes.append("zh")
    words = {code: [f"{scripts.get(code, code)} {i}" for i in range(3)] for code in codes}
    collection = RetrievalCollection.from_lines("sixty", words, ["a", "b", "c"])
    right, wrong = np.tile(np.eye(3), (60, 1)), np.tile(np.eye(3)[[1, 2, 0]], (60, 1))
    report = evaluate_retrieval(
        None, None, collection, models={"other": None}, document_vectors={"sixty": np.eye(3)}, rounds=20,
        query_vectors={"student": {"sixty": right}, "other": {"sixty": wrong}}, progress=False,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of glyphs that matplotlib's font lacks
        write_html(report, tmp_path / "sixty.html", pairs={"so": 5000, "de": 29_000})
    page = (tmp_path / "sixty.html").read_text(encoding="utf-8")
    first = page[page.index("Found first by student") : page.index("Found first by other")]
    for code in codes:
        assert f'lang="{code}">{scripts.get(code, code)} ' in first


def test_plots_that_cannot_be_drawn_say_why(student, teacher, collection, report):
    alone = evaluate_retrieval(student, teacher, collection.select("de"), rounds=50, progress=False)
    with pytest.raises(ValueError, match="no gap"):
        plot_gap(alone)
    with pytest.raises(ValueError, match="none of the languages de, so has bitext pairs"):
        plot_bitext(report, {"fi": 100})
