"""Whether one cut-off of the score serves all languages: a service shows the first document only where it scores enough.

The cut-off is the lowest with which, over all queries together, a wanted share of the answers that are shown is right. For each
language follow the share of queries that get an answer, and how many of these are right.

Shapes: Q queries.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from optical_hf.evaluation.searching import Found

PRECISION = 0.9
"""Share of the answers that are to be right."""
QUANTILES = (0.1, 0.5, 0.9)
LEAST_ANSWERS = 20
"""From so many answers on a cut-off is believed."""


def score_cutoffs(
    found: Mapping[str, Sequence[Found]], systems: Sequence[str], languages: NDArray[np.str_], confidence: float
) -> dict[str, dict[str, Any]]:
    """Scores of first documents by language, and what one cut-off for all languages gives.

    Args:
        found: by system, of each collection.
        systems: those that score by vectors.
        languages: (Q,) of all queries.
        confidence: of the intervals of the precision (Clopper and Pearson, queries as independent).

    Returns:
        By system: `precision` wanted, `cutoff` (None where no cut-off reaches it), and `languages`, by code: `right` and `wrong`,
        quantiles of the scores of first documents (None where there is none), `answered`, `correct` with its interval, and
        `own_cutoff` and `own_answered`, of a cut-off for this language alone.
    """
    return {name: _one(found[name], languages, confidence) for name in systems if name in found}


def lowest_cutoff(
    score_Q: NDArray[np.float64], right_Q: NDArray[np.bool_], precision: float = PRECISION
) -> float | None:
    """The lowest score from which on a share `precision` of the answers is right; None where there is none.

    Example:
        >>> score, right = np.arange(40.0), np.arange(40) % 2 + np.arange(40) // 20 > 0
        >>> lowest_cutoff(score, right, 0.9)
        15.0
    """
    order = np.argsort(-score_Q, kind="stable")
    share_Q = np.cumsum(right_Q[order]) / np.arange(1, len(order) + 1)
    last_Q = np.append(score_Q[order][1:] != score_Q[order][:-1], True)  # answers of one score are shown together
    enough = (share_Q >= precision) & last_Q & np.isfinite(score_Q[order])
    enough[: LEAST_ANSWERS - 1] = False
    return float(score_Q[order][np.flatnonzero(enough)[-1]]) if enough.any() else None


def _one(parts: Sequence[Found], languages: NDArray[np.str_], confidence: float) -> dict[str, Any]:
    score_Q = np.concatenate([part.scores[:, 0] for part in parts]).astype(np.float64)
    right_Q = np.concatenate([part.ranks for part in parts]) == 1
    cutoff = lowest_cutoff(score_Q, right_Q)
    rows = {}
    for code in dict.fromkeys(languages.tolist()):
        mine = languages == code
        rows[code] = {
            "right": _quantiles(score_Q[mine & right_Q]),
            "wrong": _quantiles(score_Q[mine & ~right_Q]),
            **_answers(score_Q[mine], right_Q[mine], cutoff, confidence),
        }
    return {"precision": PRECISION, "cutoff": cutoff, "languages": rows}


def _answers(
    score_Q: NDArray[np.float64], right_Q: NDArray[np.bool_], cutoff: float | None, confidence: float
) -> dict[str, Any]:
    own = lowest_cutoff(score_Q, right_Q)
    told: dict[str, Any] = {"own_cutoff": own, "own_answered": None if own is None else float((score_Q >= own).mean())}
    if cutoff is None:
        return {"answered": None, "correct": None, **told}
    shown = score_Q >= cutoff
    if not shown.any():
        return {"answered": 0.0, "correct": None, **told}
    test = binomtest(int(right_Q[shown].sum()), int(shown.sum()))
    interval = test.proportion_ci(confidence, "exact")
    correct = {"value": float(test.statistic), "low": float(interval.low), "high": float(interval.high)}
    return {"answered": float(shown.mean()), "correct": correct, **told}


def _quantiles(scores: NDArray[np.float64]) -> list[float] | None:
    kept = scores[np.isfinite(scores)]
    return [round(float(value), 4) for value in np.quantile(kept, QUANTILES)] if len(kept) else None
