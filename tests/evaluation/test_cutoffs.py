"""One cut-off of the score for all languages: which it is, what it gives each language, and how that is shown."""

import numpy as np
import pytest

from optical_hf import RetrievalCollection, RetrievalReport, evaluate_retrieval
from optical_hf.evaluation import write_html
from optical_hf.evaluation.report.cutoff_views import cutoff_tables, plot_cutoffs, verdict
from optical_hf.evaluation.report.cutoffs import LEAST_ANSWERS, lowest_cutoff


def test_the_lowest_cutoff_that_is_right_often_enough():
    random = np.random.default_rng(0)
    score = random.normal(size=500).round(2)
    right = score + random.normal(size=500) > 0
    wanted = min(s for s in np.unique(score) if (score >= s).sum() >= LEAST_ANSWERS and right[score >= s].mean() >= 0.9)
    assert lowest_cutoff(score, right) == wanted


def test_there_may_be_none():
    assert lowest_cutoff(np.arange(50.0), np.zeros(50, bool)) is None
    assert lowest_cutoff(np.arange(5.0), np.ones(5, bool)) is None
    assert lowest_cutoff(np.full(40, -np.inf), np.ones(40, bool)) is None


@pytest.fixture(scope="module")
def report():
    """60 documents; German is found with high scores, Somali is found a little more often than not and with lower ones."""
    count = 60
    texts = [f"text {n}" for n in range(count)]
    queries = {code: ([f"{code} {n}" for n in range(count)], texts) for code in ("de", "so")}
    collection = RetrievalCollection.from_lines("c", queries, texts)
    german, somali = np.eye(count), 0.6 * np.eye(count)
    somali += 0.5 * np.roll(np.eye(count), 1, axis=1)
    somali[:24] = 0.5 * np.eye(count)[:24] + 0.7 * np.roll(np.eye(count), 1, axis=1)[:24]
    noise = np.random.default_rng(0).normal(scale=0.02, size=(2 * count, count))
    vectors = np.concatenate([german, somali]) + noise
    return evaluate_retrieval(
        None, None, collection, document_vectors={"c": np.eye(count)}, query_vectors={"student": {"c": vectors}},
        rounds=50, progress=False,
    )  # fmt: skip


def test_one_cutoff_does_not_serve_both(report):
    kept = report.cutoffs["student"]
    german, somali = kept["languages"]["de"], kept["languages"]["so"]
    scores, ranks = report.found["student"]["c"].scores[:, 0], report.found["student"]["c"].ranks
    shown = scores >= kept["cutoff"]
    assert (ranks[shown] == 1).mean() >= 0.9
    for code, mine in (("de", slice(0, 60)), ("so", slice(60, 120))):
        row = kept["languages"][code]
        assert row["answered"] == shown[mine].mean()
        right = scores[mine][ranks[mine] == 1]
        assert row["right"] == pytest.approx(np.quantile(right, [0.1, 0.5, 0.9]).tolist(), abs=1e-4)
    assert german["right"][0] > somali["right"][2]
    assert german["correct"]["value"] == 1
    assert RetrievalReport.from_json(report.to_json()).cutoffs == report.cutoffs


@pytest.mark.slow
def test_tables_plots_and_pages_show_it(report, tmp_path):
    (table,) = cutoff_tables(report)
    assert [row[0] for row in table.rows] == ["German (de)", "Somali (so)"]
    assert "One cut-off" in table.title
    assert verdict(report, "student") in table.note
    axes = plot_cutoffs(report, "student").axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["German (de)", "Somali (so)"]
    write_html(report, tmp_path / "x.html")
    assert "One cut-off for all languages?" in (tmp_path / "x.html").read_text()
