"""Ranks of relevant documents, and the measures made of them: R@k, reciprocal rank, AP, nDCG@k, P@k.

One rule for ties, everywhere: **a tie counts against the system**. Of documents with equal scores the non-relevant come
first, then the less relevant before the more relevant. So a model that gives every document the same score finds
nothing. AP, nDCG and P@k are those of
trec_eval, through `ir-measures`; the run it sees has its ties already resolved by this rule (trec_eval alone would
resolve them by document id, after rounding scores to single precision).

Shapes: Q queries, D documents.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import ir_measures
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from optical_hf.metrics.naming import first_few

Relevant: TypeAlias = ArrayLike | Sequence[Sequence[int]] | csr_array
"""Which columns are relevant to each query: one index a query (Q,), a list of indices a query, or a mask (Q, D)."""

Qrels: TypeAlias = Mapping[str, Mapping[str, int]]
"""query id -> document id -> grade; above zero is relevant."""

Run: TypeAlias = Mapping[str, Mapping[str, float]]
"""query id -> document id -> score; higher is better."""


def ranks_from_scores(scores: ArrayLike, relevant: Relevant) -> NDArray[np.int64]:
    """Rank of each query's best relevant document, ties counted against the system.

    rank_q = 1 + #{d not relevant to q : s_qd >= max_{r relevant to q} s_qr}

    Args:
        scores: (Q, D), higher is better. Documents that must not be found may hold -inf.
        relevant: One column index a query (Q,), a sequence of column indices a query, or a boolean mask (Q, D)
            (dense or a scipy sparse array).

    Returns:
        (Q,) ranks counted from 1.

    Raises:
        ValueError: A NaN score, a query without a relevant document, an index outside the documents, other lengths.

    Example:
        >>> ranks_from_scores([[0.9, 0.1, 0.4], [0.5, 0.5, 0.2]], [2, 0])
        array([2, 2])
    """
    scores_QD = np.asarray(scores)
    if scores_QD.ndim != 2:
        raise ValueError(f"scores must be a (queries, documents) matrix, but their shape is {scores_QD.shape}.")
    mask_QD = _relevance_mask(relevant, *scores_QD.shape)
    nan_Q = np.isnan(scores_QD).any(axis=1)
    if nan_Q.any():
        raise ValueError(
            f"{nan_Q.sum()} of {len(scores_QD)} queries have NaN scores (rows {first_few(np.flatnonzero(nan_Q))}). "
            "A NaN is worse than everything it is compared with, so its document would have dropped out unnoticed. "
            "Look for empty texts, or an overflow in half precision, where these were encoded."
        )
    if not len(scores_QD):
        return np.zeros(0, np.int64)
    rows = np.repeat(np.arange(len(scores_QD)), np.diff(mask_QD.indptr))
    relevant_scores = scores_QD[rows, mask_QD.indices]
    best_Q = np.maximum.reduceat(relevant_scores, mask_QD.indptr[:-1])
    relevant_at_best_Q = np.bincount(rows, weights=relevant_scores >= best_Q[rows]).astype(np.int64)
    return 1 + np.count_nonzero(scores_QD >= best_Q[:, None], axis=1) - relevant_at_best_Q


def recall_at_k(ranks: ArrayLike, k: int) -> NDArray[np.float64]:
    """Whether a relevant document is among the first k (R@k): hit_q = [rank_q <= k].

    With one relevant document a query this is recall; with many it is what image retrieval calls R@k and trec_eval
    calls success at k. For the share of all the relevant documents, ask `trec_measures` for "R@k".

    Args:
        ranks: (Q,) from `ranks_from_scores`; infinity where no relevant document was retrieved.
        k: At least 1.

    Returns:
        (Q,) of 0.0 and 1.0; their mean is R@k.

    Raises:
        ValueError: k below 1 or a rank below 1.

    Example:
        >>> recall_at_k([1, 3, 2], 2)
        array([1., 0., 1.])
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, but is {k}.")
    return (_checked_ranks(ranks) <= k).astype(np.float64)


def reciprocal_rank(ranks: ArrayLike) -> NDArray[np.float64]:
    """One over the rank of the best relevant document, 0 where none was retrieved; the mean is MRR.

    Args:
        ranks: (Q,) from `ranks_from_scores`; infinity where no relevant document was retrieved.

    Returns:
        (Q,) values in [0, 1].

    Raises:
        ValueError: A rank below 1.

    Example:
        >>> reciprocal_rank([1, 4, float("inf")])
        array([1.  , 0.25, 0.  ])
    """
    return 1.0 / _checked_ranks(ranks)


def trec_measures(
    qrels: Qrels, run: Run, measures: Sequence[str] = ("RR", "AP", "nDCG@10", "P@10")
) -> dict[str, dict[str, float]]:
    """Per-query measures of trec_eval, ties counted against the system.

    Args:
        qrels: query id -> document id -> grade; above zero is relevant, and nDCG uses the grade as gain.
        run: query id -> document id -> score; the order of equal scores is decided here, not by document ids.
        measures: Names as `ir-measures` writes them: "AP", "nDCG@10", "P@5", "RR", "R@100", "Success@1", "AP(rel=2)".
            Two names of one measure ("AP" and "MAP") are two entries of equal values.

    Returns:
        measure -> query id -> value, queries in the order of `qrels`.

    Raises:
        ValueError: No queries, a query without a relevant document, a run with missing or other queries, a NaN score,
            or an unknown measure.

    Source:
        https://ir-measur.es, MacAvaney, Macdonald and Ounis, ECIR 2022.

    Example:
        >>> trec_measures({"q": {"a": 2, "b": 1}}, {"q": {"b": 0.9, "a": 0.5, "c": 0.5}}, ["AP", "P@2"])
        {'AP': {'q': 0.8333333333333333}, 'P@2': {'q': 0.5}}
    """
    parsed = {name: _parse_measure(name) for name in measures}
    _check_run(qrels, run)
    resolved = {
        query: {document: float(-place) for place, document in enumerate(_ordered(qrels[query], run[query]))}
        for query in qrels
    }
    plain_qrels = {query: {document: int(grade) for document, grade in qrels[query].items()} for query in qrels}
    values = {measure: dict.fromkeys(qrels, 0.0) for measure in parsed.values()}
    for metric in ir_measures.iter_calc(list(values), plain_qrels, resolved):
        values[metric.measure][metric.query_id] = float(metric.value)
    return {name: dict(values[measure]) for name, measure in parsed.items()}


def _ordered(grades: Mapping[str, int], scores: Mapping[str, float]) -> list[str]:
    """Documents from first to last: by falling score, within a tie by rising grade, then by id to be deterministic."""
    return sorted(scores, key=lambda document: (-scores[document], grades.get(document, 0), document))


def _parse_measure(name: str) -> ir_measures.Measure:
    try:
        measure = ir_measures.parse_measure(name)
        measure.validate_params()
    except (NameError, ValueError, AssertionError) as error:
        raise ValueError(
            f"no measure {name!r} ({error}). Names are those of ir-measures, e.g. 'AP', 'nDCG@10', 'P@5', 'R@100'."
        ) from None
    return measure


def _check_run(qrels: Qrels, run: Run) -> None:
    if not qrels:
        raise ValueError("qrels hold no query, so there is nothing to average over.")
    _check_relevant([query for query, grades in qrels.items() if max(grades.values(), default=0) <= 0], len(qrels))
    missing = [query for query in qrels if query not in run]
    if missing:
        raise ValueError(
            f"the run lacks {len(missing)} of {len(qrels)} queries of the qrels ({first_few(missing)}). They would "
            "have counted as 0. If they retrieved nothing, give each an empty mapping."
        )
    unknown = [query for query in run if query not in qrels]
    if unknown:
        raise ValueError(
            f"the run has {len(unknown)} queries that the qrels do not know ({first_few(unknown)}). They would "
            "have been left out of the mean. Take them out of the run or add their judgements."
        )
    nan = [query for query, scores in run.items() if any(np.isnan(score) for score in scores.values())]
    if nan:
        raise ValueError(
            f"{len(nan)} of {len(run)} queries have NaN scores ({first_few(nan)}); their order would have been "
            "arbitrary. Look for empty texts, or an overflow in half precision, where these were encoded."
        )


def _checked_ranks(ranks: ArrayLike) -> NDArray[np.float64]:
    ranks_Q = np.asarray(ranks, dtype=np.float64)
    wrong = ~(ranks_Q >= 1)
    if wrong.any():
        raise ValueError(
            f"ranks count from 1, but {wrong.sum()} of {ranks_Q.size} are smaller or NaN; were they counted from 0?"
        )
    return ranks_Q


def _relevance_mask(relevant: Any, queries: int, documents: int) -> csr_array:
    """The relevant columns of each query as a boolean CSR matrix with at least one entry a row."""
    dense = isinstance(relevant, np.ndarray) and relevant.ndim == 2 and relevant.dtype == bool
    is_mask = dense or hasattr(relevant, "tocsr")
    mask = csr_array(relevant, dtype=bool) if is_mask else _mask_from_indices(relevant, documents)
    if mask.shape != (queries, documents):
        raise ValueError(
            f"scores are for {queries} queries and {documents} documents, "
            f"but relevant is for {mask.shape[0]} and {mask.shape[1]}."
        )
    mask.sum_duplicates()
    mask.eliminate_zeros()
    _check_relevant(np.flatnonzero(np.diff(mask.indptr) == 0), queries)
    return mask


def _mask_from_indices(relevant: Any, documents: int) -> csr_array:
    rows = [np.atleast_1d(np.asarray(row)) for row in relevant]
    columns = np.concatenate([row for row in rows if row.size] or [np.zeros(0, np.int64)])
    if columns.dtype.kind not in "iu":
        raise ValueError(f"relevant must hold column indices or a boolean mask, but holds {columns.dtype} values.")
    outside = (columns < 0) | (columns >= documents)
    if outside.any():
        raise ValueError(
            f"{outside.sum()} relevant indices lie outside the {documents} documents "
            f"({first_few(columns[outside])}). A negative index would have counted from the end."
        )
    starts = np.concatenate([[0], np.cumsum([row.size for row in rows])])
    return csr_array((np.ones(len(columns), bool), columns, starts), shape=(len(rows), documents))


def _check_relevant(without: Any, queries: int) -> None:
    """Raise ValueError for queries without a relevant document."""
    if len(without):
        raise ValueError(
            f"{len(without)} of {queries} queries have no relevant document ({first_few(without)}). No ranking can answer "
            "them, so they would have lowered every mean by a constant. Take them out or add their judgements."
        )
