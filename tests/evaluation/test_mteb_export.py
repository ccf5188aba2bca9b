"""MTEB finds what we find."""

import pytest

from optical_hf.evaluation import evaluate_retrieval
from optical_hf.evaluation.mteb_export import mteb_model, mteb_task
from optical_hf.models.views import as_late_interaction

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("search", ["vector", "maxsim"])
def test_scores_equal_those_of_mteb(bert, student, teacher, collection, search):
    mteb = pytest.importorskip("mteb")
    pair = (student, teacher) if search == "vector" else (as_late_interaction(bert), as_late_interaction(bert))
    results = mteb.evaluate(mteb_model(*pair), [mteb_task(collection)], cache=None, show_progress_bar=False)
    ours = evaluate_retrieval(*pair, collection, search=search, high=["de"], rounds=50, progress=False)
    scores = {score["hf_subset"]: score for score in results.task_results[0].scores["test"]}
    assert set(scores) == {"de", "so"}
    for code, score in scores.items():
        language = ours.systems["student"].languages[code]
        assert score["hit_rate_at_1"] == score["main_score"] == pytest.approx(language.recall_at_1.value)
        assert score["hit_rate_at_5"] == pytest.approx(language.measures["R@5"])


def test_a_student_alone_is_an_ordinary_mteb_model(student, collection):
    mteb = pytest.importorskip("mteb")
    results = mteb.evaluate(student, [mteb_task(collection)], cache=None, show_progress_bar=False)
    ours = evaluate_retrieval(student, student, collection, high=["de"], rounds=50, progress=False)
    for score in results.task_results[0].scores["test"]:
        expected = ours.systems["student"].languages[score["hf_subset"]].recall_at_1.value
        assert score["hit_rate_at_1"] == pytest.approx(expected)


def test_two_kinds_of_models_are_refused(student, bert):
    pytest.importorskip("mteb")
    with pytest.raises(ValueError, match="both have one vector a text"):
        mteb_model(student, as_late_interaction(bert))
