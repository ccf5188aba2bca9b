"""Is one system better than another, language by language, and did the gap change? Paired permutation tests by group.

Under the null hypothesis the two are exchangeable, so the
difference of every group may change its sign; a group flips in all its languages at once. Holm's correction over
languages and the gap. (Smucker, Allan and Carterette, A comparison of statistical significance tests for information
retrieval evaluation, CIKM 2007; Holm, A simple sequentially rejective multiple test procedure, 1979.)

Shapes: R rounds, G groups, C columns, L languages, P p-values.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optical_hf.metrics.bootstrap import Estimate, checked_confidence, linear_estimate, resampled_means
from optical_hf.metrics.naming import first_few
from optical_hf.metrics.observations import Block, Observations, observe
from optical_hf.metrics.resampling import Floats, signed_sums
from optical_hf.metrics.resource_groups import ResourceGroup, ResourceGroups, checked_resource_groups
from optical_hf.metrics.sign_test import PValue, SignTest, sign_test


@dataclass(frozen=True)
class LanguageChange:
    """One language of a comparison."""

    resource_group: ResourceGroup
    queries: int
    groups: int
    mean: float
    other_mean: float
    difference: Estimate
    p_value: float
    p_holm: float
    test: SignTest


@dataclass(frozen=True)
class SystemComparison:
    """What `compare_systems` measured: differences are the first system minus the other, p_holm over languages and gap."""

    languages: dict[str, LanguageChange]
    gap: float
    other_gap: float
    gap_change: Estimate
    gap_p_value: float
    gap_p_holm: float
    gap_test: SignTest
    confidence: float
    rounds: int
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """The comparison as plain dicts, ready for JSON."""
        return asdict(self)


def compare_systems(
    hits: ArrayLike,
    other_hits: ArrayLike,
    languages: Sequence[str],
    *,
    high: Collection[str],
    low: Collection[str],
    middle: Collection[str] = (),
    groups: Sequence[object] | None = None,
    confidence: float = 0.95,
    rounds: int = 10_000,
    seed: int = 0,
) -> SystemComparison:
    """Compare two systems on the same queries: each language, and the gap between high- and low-resource languages.

    The p-values are those of `sign_test`: exact where at most 20 groups differ, else the mid-p value of random signs.

    Args:
        hits: (Q,) of the first system, 0 or 1 or any per-query measure in [0, 1].
        other_hits: (Q,) of the other, for the same queries in the same order (see `align_queries`).
        languages: (Q,) language of each query.
        high: As in `cross_lingual_gap`.
        low: Likewise.
        middle: Likewise.
        groups: (Q,) what each query belongs to; a group keeps or swaps its systems as a whole.
        confidence: Of the bootstrap intervals of the differences.
        rounds: Of the random signs and of the bootstrap; no p-value of random signs is below 0.5 / (rounds + 1).
        seed: Of both.

    Returns:
        By language: means, difference with interval, p-value and the name of the test. For the gap: its change, likewise.
        `p_holm` and `gap_p_holm` are corrected over all these p-values, languages and gap (Holm). The null hypothesis
        of the gap's test is that both groups of languages changed alike: their common change is taken out first.

    Raises:
        ValueError: As `cross_lingual_gap`.

    Example:
        >>> languages = ["de"] * 8 + ["so"] * 8
        >>> result = compare_systems([1] * 16, [1] * 8 + [0] * 8, languages, high=["de"], low=["so"])
        >>> result.languages["de"].p_value, result.languages["so"].p_holm < 0.05, result.gap_change.value
        (1.0, True, -1.0)
    """
    confidence = checked_confidence(confidence)
    observations = observe([hits, other_hits], languages, groups)
    names = observations.languages
    resource_groups = checked_resource_groups(names, high, low, middle)
    contrast_L = gap_contrast(names, resource_groups)
    means_SL = observations.means_SL()
    differences = observations.difference()
    resampled_RL = resampled_means(differences, rounds, seed)[:, 0]
    *tests_L, gap_test = _sign_tests(differences, contrast_L, rounds, seed)
    *p_holm_L, gap_p_holm = holm([test.value for test in (*tests_L, gap_test)])
    return SystemComparison(
        languages={
            name: LanguageChange(
                resource_group=resource_groups.group_of(name),
                queries=int(observations.queries[column]),
                groups=int(observations.groups[column]),
                mean=float(means_SL[0, column]),
                other_mean=float(means_SL[1, column]),
                difference=linear_estimate(differences, resampled_RL, alone_L, confidence),
                p_value=tests_L[column].value,
                p_holm=float(p_holm_L[column]),
                test=tests_L[column].test,
            )
            for column, (name, alone_L) in enumerate(zip(names, np.eye(len(names)), strict=True))
        },
        gap=float(means_SL[0] @ contrast_L),
        other_gap=float(means_SL[1] @ contrast_L),
        gap_change=linear_estimate(differences, resampled_RL, contrast_L, confidence),
        gap_p_value=gap_test.value,
        gap_p_holm=float(gap_p_holm),
        gap_test=gap_test.test,
        confidence=confidence,
        rounds=rounds,
        seed=seed,
    )


def holm(p_values: ArrayLike) -> Floats:
    """P-values corrected for testing several hypotheses at once (family-wise error, no assumption on dependence).

    adjusted_(i) = max_{j <= i} min(1, (P - j + 1) p_(j)), p_(1) <= ... <= p_(P)

    Args:
        p_values: (P,) uncorrected.

    Returns:
        (P,) corrected, in the same order.

    Source:
        Holm, A simple sequentially rejective multiple test procedure, 1979.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        array([0.03, 0.06, 0.06])
    """
    p_P = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p_P)
    adjusted_P = np.empty_like(p_P)
    adjusted_P[order] = np.minimum(1.0, np.maximum.accumulate(p_P[order] * np.arange(len(p_P), 0, -1)))
    return adjusted_P


def align_queries(queries: Sequence[str], other_queries: Sequence[str]) -> NDArray[np.intp]:
    """Where each query of the first system stands among those of the other: `other_hits[order]` is then paired.

    Args:
        queries: Query ids of the first system.
        other_queries: Query ids of the other, in any order.

    Returns:
        (Q,) positions in `other_queries`.

    Raises:
        ValueError: An id that occurs twice, or that only one of the systems has.

    Example:
        >>> align_queries(["q1", "q2"], ["q2", "q1"])
        array([1, 0])
    """
    for which, ids in (("first", queries), ("other", other_queries)):
        if repeated := len(ids) - len(set(ids)):
            raise ValueError(
                f"{repeated} query ids of the {which} system are repeated, so it is open which hits belong together. "
                "Make them unique, for instance by the language in front."
            )
    position = {query: place for place, query in enumerate(other_queries)}
    missing = [query for query in queries if query not in position]
    known = set(queries)
    extra = [query for query in other_queries if query not in known]
    if missing or extra:
        raise ValueError(
            f"the systems answered other queries: {len(missing)} of the first system's {len(queries)} are missing from "
            f"the other ({first_few(missing)}), {len(extra)} of the other's {len(other_queries)} from the first "
            f"({first_few(extra)}). Evaluate both on the same collection, or cut both to what they share."
        )
    return np.array([position[query] for query in queries], dtype=np.intp)


def gap_contrast(languages: Sequence[str], resource_groups: ResourceGroups) -> Floats:
    """(L,) weights with which language means make the gap: 1 / |high|, -1 / |low|, 0 for the middle."""
    weight = {"high": 1 / len(resource_groups.high), "low": -1 / len(resource_groups.low), "middle": 0.0}
    return np.array([weight[resource_groups.group_of(language)] for language in languages])


def _sign_tests(difference: Observations, contrast_L: Floats, rounds: int, seed: int) -> list[PValue]:
    """The test of each language's difference and, last, of the change of the gap, all by the same random signs."""
    generator = np.random.default_rng(seed)
    mean_L = difference.means_SL()[0]
    common = (mean_L @ np.maximum(contrast_L, 0) - mean_L @ np.minimum(contrast_L, 0)) / 2
    rows = [_difference_rows(block, contrast_L[block.languages], common) for block in difference.blocks]
    sums = [signed_sums(rows_GC, rounds, generator) for rows_GC in rows]
    tests = {
        language: sign_test(difference_G, drawn_R)
        for block, rows_GC, sums_RC in zip(difference.blocks, rows, sums, strict=True)
        for language, difference_G, drawn_R in zip(block.languages, rows_GC[:, :-1].T, sums_RC[:, :-1].T, strict=True)
    }
    gap_G = np.concatenate([rows_GC[:, -1] for rows_GC in rows])
    gap_R = np.sum([sums_RC[:, -1] for sums_RC in sums], axis=0)
    return [*(tests[language] for language in range(len(contrast_L))), sign_test(gap_G, gap_R)]


def _difference_rows(block: Block, contrast_L: Floats, common: float) -> Floats:
    """(G, L + 1): each group's difference in each language, and its share in the change of the gap.

    The sum of the last column over all blocks is the change of the gap itself, with or without `common`: the weights
    sum to zero. Without taking `common` out, languages that share no groups would test the gap with needless noise.
    """
    difference_GL = block.totals_GSL[:, 0]
    share_G = (difference_GL - common * block.counts_GL) @ (contrast_L / block.counts_GL.sum(axis=0))
    return np.column_stack([difference_GL, share_G])
