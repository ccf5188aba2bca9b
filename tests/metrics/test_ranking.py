"""Ranks and measures agree with ir-measures, and ties count against the system everywhere."""

import itertools

import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from optical_hf.metrics.ranking import (
    ranks_from_scores,
    recall_at_k,
    reciprocal_rank,
    trec_measures,
)


def as_qrels(mask_QD):
    return {f"q{q}": {f"d{d}": int(grade) for d, grade in enumerate(row) if grade} for q, row in enumerate(mask_QD)}


def as_run(scores_QD):
    return {f"q{q}": {f"d{d}": float(score) for d, score in enumerate(row)} for q, row in enumerate(scores_QD)}


@st.composite
def retrievals(draw, max_grade=1):
    """Scores with and without ties, and grades with at least one relevant document a query."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.integers(1, 6)), draw(st.integers(1, 30))
    levels = draw(st.sampled_from([2, 5, 10**6]))
    grades_QD = rng.integers(0, max_grade + 1, shape) * (rng.random(shape) < draw(st.sampled_from([0.05, 0.5])))
    grades_QD[np.arange(shape[0]), rng.integers(shape[1], size=shape[0])] = max_grade
    return rng.integers(levels, size=shape) / levels, grades_QD


@st.composite
def ties(draw):
    """Up to six retrieved documents at three scores, of grades 0 to 2 or unjudged, and perhaps one that was not retrieved."""
    scores = dict(
        zip("abcdef", draw(st.lists(st.sampled_from([0.25, 0.5, 0.75]), min_size=1, max_size=6)), strict=False)
    )
    grades = {document: draw(st.sampled_from([None, 0, 1, 2])) for document in [*scores, "missed"]}
    judged = {document: grade for document, grade in grades.items() if grade is not None}
    return judged | {draw(st.sampled_from([*grades])): draw(st.sampled_from([1, 2]))}, scores


def is_sorted(values):
    return all(one <= other for one, other in itertools.pairwise(values))


@given(retrievals(), st.integers(1, 12))
@settings(max_examples=100)
def test_recall_and_reciprocal_rank_agree_with_ir_measures_to_the_last_digit(retrieval, k):
    scores_QD, mask_QD = retrieval
    ranks = ranks_from_scores(scores_QD, mask_QD.astype(bool))
    expected = trec_measures(as_qrels(mask_QD), as_run(scores_QD), [f"Success@{k}", "RR"])
    assert recall_at_k(ranks, k).tolist() == list(expected[f"Success@{k}"].values())
    assert reciprocal_rank(ranks).tolist() == list(expected["RR"].values())


@given(retrievals())
@settings(max_examples=50)
def test_with_one_relevant_document_a_query_our_recall_is_trec_recall(retrieval):
    scores_QD, _ = retrieval
    answer_Q = np.arange(len(scores_QD)) % scores_QD.shape[1]
    ranks = ranks_from_scores(scores_QD, answer_Q)
    mask_QD = np.eye(scores_QD.shape[1], dtype=int)[answer_Q]
    assert recall_at_k(ranks, 1).tolist() == list(
        trec_measures(as_qrels(mask_QD), as_run(scores_QD), ["R@1"])["R@1"].values()
    )


@given(retrievals(max_grade=3))
@settings(max_examples=50)
def test_without_ties_every_measure_is_that_of_ir_measures_itself(retrieval):
    scores_QD, grades_QD = retrieval
    scores_QD = np.argsort(np.argsort(scores_QD, axis=1), axis=1) / scores_QD.shape[1]
    measures = ["AP", "nDCG@10", "P@5", "R@3", "RR", "AP(rel=2)"]
    qrels, run = as_qrels(grades_QD), as_run(scores_QD)
    ours = trec_measures(qrels, run, measures)
    for metric in ir_measures.iter_calc([ir_measures.parse_measure(name) for name in measures], qrels, run):
        assert ours[str(metric.measure)][metric.query_id] == metric.value


@given(retrievals())
@settings(max_examples=50)
def test_masks_index_lists_and_sparse_masks_give_the_same_ranks(retrieval):
    scores_QD, mask_QD = retrieval
    ranks = ranks_from_scores(scores_QD, mask_QD.astype(bool))
    assert ranks_from_scores(scores_QD, [np.flatnonzero(row).tolist() for row in mask_QD]).tolist() == ranks.tolist()
    assert ranks_from_scores(scores_QD, csr_array(mask_QD)).tolist() == ranks.tolist()


def test_a_model_that_scores_all_documents_alike_finds_nothing():
    scores_QD = np.zeros((3, 5))
    assert ranks_from_scores(scores_QD, [0, 2, 4]).tolist() == [5, 5, 5]
    for name in ("a", "b", "z"):  # trec_eval alone lets the document id decide
        assert trec_measures({"q": {name: 1}}, {"q": {"a": 0.5, "b": 0.5, "z": 0.5}}, ["P@1"])["P@1"]["q"] == 0.0


def test_equal_scores_of_several_relevant_documents_do_not_count_against_each_other():
    assert ranks_from_scores([[0.5, 0.5, 0.5, 0.1]], [[0, 1]]).tolist() == [2]
    assert ranks_from_scores([[0.5, 0.5, 0.1]], [[0, 1, 1, 0]]).tolist() == [1]


def test_within_a_tie_the_lower_grade_comes_first():
    tied = trec_measures({"q": {"good": 3, "fair": 1}}, {"q": {"good": 1.0, "fair": 1.0}}, ["nDCG@1", "P(rel=2)@1"])
    assert tied["nDCG@1"]["q"] == pytest.approx(1 / 3)
    assert tied["P(rel=2)@1"]["q"] == 0.0


@pytest.mark.parametrize(
    "names", [["AP", "MAP"], ["MRR", "RR"], ["nDCG@10", "NDCG@10"], ["P@2", "Precision@2", "P(rel=1)@2"]]
)
def test_two_names_of_one_measure_have_its_value(names):
    qrels, run = {"q": {"a": 2, "b": 1}}, {"q": {"b": 0.9, "c": 0.8, "a": 0.5}}
    alone = trec_measures(qrels, run, names[:1])[names[0]]
    assert alone["q"] > 0
    assert trec_measures(qrels, run, [*names, names[0]]) == dict.fromkeys(names, alone)


@given(ties(), st.sampled_from(["AP", "nDCG@3", "nDCG", "P@2", "RR", "R@2", "Success@1", "AP(rel=2)", "Rprec"]))
@settings(max_examples=50)
def test_a_tie_gives_the_least_value_that_any_order_of_the_tied_documents_has(retrieval, name):
    """Every order that the scores allow, each a query of its own to ir-measures; graded, with unjudged documents."""
    grades, scores = retrieval
    orders = [order for order in itertools.permutations(scores) if is_sorted([-scores[document] for document in order])]
    runs = {str(i): {document: float(-place) for place, document in enumerate(order)} for i, order in enumerate(orders)}
    values = ir_measures.iter_calc([ir_measures.parse_measure(name)], dict.fromkeys(runs, grades), runs)
    assert trec_measures({"q": grades}, {"q": scores}, [name])[name]["q"] == min(metric.value for metric in values)


def test_scores_that_differ_beyond_single_precision_are_still_ordered():
    run = {"q": {"a": 1.0 + 1e-12, "z": 1.0}}
    assert trec_measures({"q": {"a": 1}}, run, ["P@1"])["P@1"]["q"] == 1.0
    assert ranks_from_scores([list(run["q"].values())], [0]).tolist() == [1]


def test_what_was_not_retrieved_counts_as_zero():
    ranks = [np.inf, np.inf]
    assert recall_at_k(ranks, 10).tolist() == reciprocal_rank(ranks).tolist() == [0.0, 0.0]
    assert trec_measures({"b": {"d": 1}}, {"b": {}}, ["AP"]) == {"AP": {"b": 0.0}}


def test_documents_filled_with_minus_infinity_are_never_found():
    scores_QD = np.array([[-np.inf, 0.3, -np.inf]])
    assert ranks_from_scores(scores_QD, [1]).tolist() == [1]
    assert ranks_from_scores(scores_QD, [0]).tolist() == [3]


def test_no_queries_have_no_ranks():
    assert ranks_from_scores(np.zeros((0, 4)), np.zeros(0, int)).shape == (0,)


@pytest.mark.parametrize(
    ("scores", "relevant", "message"),
    [
        ([[0.1, 0.2], [0.3, 0.4]], [[0], []], r"1 of 2 queries have no relevant document \(1\)"),
        ([[0.1, np.nan], [0.3, 0.4]], [0, 0], r"1 of 2 queries have NaN scores \(rows 0\)"),
        ([[0.1, 0.2]], [2], r"1 relevant indices lie outside the 2 documents \(2\)"),
        ([[0.1, 0.2]], [-1], "outside the 2 documents"),
        ([[0.1, 0.2]], [0, 1], "scores are for 1 queries and 2 documents, but relevant is for 2 and 2"),
        ([[0.1, 0.2]], np.ones((1, 3), bool), "relevant is for 1 and 3"),
        ([[0.1, 0.2]], [0.5], "column indices or a boolean mask"),
        ([0.1, 0.2], [0], r"\(queries, documents\) matrix"),
    ],
)
def test_wrong_scores_are_named(scores, relevant, message):
    with pytest.raises(ValueError, match=message):
        ranks_from_scores(np.asarray(scores), relevant)


@pytest.mark.parametrize(
    ("qrels", "run", "message"),
    [
        ({"a": {"d": 0}, "b": {"d": 1}}, {"a": {}, "b": {}}, r"1 of 2 queries have no relevant document \(a\)"),
        ({"a": {"d": 1}, "b": {"d": 1}}, {"a": {}}, r"lacks 1 of 2 queries of the qrels \(b\)"),
        ({"a": {"d": 1}}, {"a": {}, "b": {}, "c": {}}, r"2 queries that the qrels do not know \(b, c\)"),
        ({"a": {"d": 1}}, {"a": {"d": float("nan")}}, r"1 of 1 queries have NaN scores \(a\)"),
        ({}, {}, "no query"),
    ],
)
def test_wrong_runs_are_named(qrels, run, message):
    with pytest.raises(ValueError, match=message):
        trec_measures(qrels, run)


@pytest.mark.parametrize("name", ["nDGC@10", "P", "AP(foo=1)", "import os"])
def test_unknown_measures_are_named(name):
    with pytest.raises(ValueError, match="no measure"):
        trec_measures({"a": {"d": 1}}, {"a": {}}, [name])


def test_ranks_counted_from_zero_are_noticed():
    with pytest.raises(ValueError, match=r"1 of \d are smaller or NaN"):
        recall_at_k([0, 1, 2], 1)
    with pytest.raises(ValueError, match=r"1 of \d are smaller or NaN"):
        reciprocal_rank([np.nan])
    with pytest.raises(ValueError, match="k must be at least 1"):
        recall_at_k([1], 0)
