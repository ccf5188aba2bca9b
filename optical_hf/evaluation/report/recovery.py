"""Recovery, what share of re-indexing's R@1 a student reaches in the teacher's index; and what it costs English queries.

The figures come from ranks alone. They are kept in a report and its JSON as plain values.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optical_hf.evaluation.report.language_scores import Bootstrap
from optical_hf.metrics.paired_level import PairedLevel, paired_level
from optical_hf.metrics.ranking import recall_at_k
from optical_hf.metrics.resource_groups import ResourceGroups
from optical_hf.metrics.significance import holm

Ranks = NDArray[np.float64]
MEAN = "mean"


def score_recovery(
    ranks: Mapping[str, Ranks],
    students: Sequence[str],
    languages: NDArray[np.str_],
    groups: NDArray[np.str_],
    resource_groups: ResourceGroups | None,
    bootstrap: Bootstrap,
) -> dict[str, dict[str, Any]]:
    """R@1 of each student as a share of that of `own_index`, by language, and for the means of both groups of languages.

    Args:
        ranks: (Q,) of each system.
        students: the systems that search the teacher's index with the query as it is.
        languages: (Q,).
        groups: (Q,).
        resource_groups: the groups of languages; None without a gap.
        bootstrap: settings of the intervals and tests.

    Returns:
        By student and then by language, "high" and "low": `PairedLevel.to_dict` with `p_holm`, corrected over these tests.
        Nothing without `own_index`.
    """
    if "own_index" not in ranks:
        return {}
    sets = {code: [code] for code in dict.fromkeys(languages.tolist())}
    for name in () if resource_groups is None else ("high", "low"):
        sets[name] = [code for code in getattr(resource_groups, name) if code in sets]
    return {
        name: _paired(ranks[name], ranks["own_index"], sets, languages, groups, bootstrap)
        for name in students
        if name in ranks
    }


def score_english(
    ranks: Mapping[str, Ranks],
    languages: NDArray[np.str_],
    groups: NDArray[np.str_],
    margin: float,
    bootstrap: Bootstrap,
) -> dict[str, Any] | None:
    """Whether the student on English queries is at most `margin` behind the teacher on them, by language and in the mean.

    It is not inferior where the lower end of the paired interval of the difference lies above -margin.

    Args:
        ranks: (Q,) of each system.
        languages: (Q,) in which the queries stand beside their English.
        groups: (Q,).
        margin: a share, 0.01 for one point.
        bootstrap: settings of the intervals and tests.

    Returns:
        `margin` and, by language and as "mean", `PairedLevel.to_dict` with `p_holm` and `not_inferior`. None unless
        `student_english` and `teacher_english` were both evaluated.
    """
    if not {"student_english", "teacher_english"} <= ranks.keys():
        return None
    codes = list(dict.fromkeys(languages.tolist()))
    sets = {code: [code] for code in codes} | ({MEAN: codes} if len(codes) > 1 else {})
    rows = _paired(ranks["student_english"], ranks["teacher_english"], sets, languages, groups, bootstrap)
    for row in rows.values():
        low = row["difference"]["low"]
        row["not_inferior"] = low is not None and low > -margin
    return {"margin": margin, "rows": rows}


def _paired(
    ranks: Ranks,
    others: Ranks,
    sets: Mapping[str, list[str]],
    languages: NDArray[np.str_],
    groups: NDArray[np.str_],
    bootstrap: Bootstrap,
) -> dict[str, Any]:
    hits, other_hits = recall_at_k(ranks, 1), recall_at_k(others, 1)
    levels: dict[str, PairedLevel] = {}
    for name, codes in sets.items():
        mine = np.isin(languages, codes)
        levels[name] = paired_level(hits[mine], other_hits[mine], languages[mine], groups[mine], **asdict(bootstrap))
    corrected = holm([level.p_value for level in levels.values()])
    return {
        name: {**level.to_dict(), "p_holm": float(p)}
        for (name, level), p in zip(levels.items(), corrected, strict=True)
    }
