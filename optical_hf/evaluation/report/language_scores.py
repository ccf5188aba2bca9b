"""From ranks to figures: means by language with their intervals, the two groups of languages, and the gap between them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optical_hf.languages import canonical_language, language_info
from optical_hf.metrics.bootstrap import Estimate, checked_confidence, grouped_level
from optical_hf.metrics.gap import cross_lingual_gap
from optical_hf.metrics.observations import observe
from optical_hf.metrics.ranking import recall_at_k, reciprocal_rank
from optical_hf.metrics.resource_groups import ResourceGroups, checked_resource_groups, split_resource_groups
from optical_hf.settings_checks import check_counts, check_lists

HIGH_FROM, LOW_TO = 4, 2
"""Classes of Joshi et al. 2020: 4 and 5 are the high-resource group, 0 to 2 the low-resource group; 3 is in neither."""

CEILING = "(teacher on English)"


@dataclass(frozen=True)
class LanguageResult:
    """One system in one language.

    Args:
        queries: how many.
        groups: how many of them are resampled as one thing.
        recall_at_1: R@1 with its bootstrap interval; one group has none.
        measures: means by name: R@k, MRR, and where queries have several relevant documents MAP, nDCG@10 and P@10.
    """

    queries: int
    groups: int
    recall_at_1: Estimate
    measures: dict[str, float]


@dataclass(frozen=True)
class Bootstrap:
    """Settings of the intervals: a confidence between 0 and 1, rounds and a seed that are whole numbers (ValueError otherwise)."""

    confidence: float = 0.95
    rounds: int = 10_000
    seed: int = 0

    def __post_init__(self) -> None:
        checked_confidence(self.confidence)
        check_counts(rounds=self.rounds)
        if not isinstance(self.seed, Integral) or self.seed < 0:
            raise ValueError(f"seed: expected a whole number of at least 0, got {self.seed!r}")


def choose_resource_groups(
    languages: Sequence[str],
    groups: Sequence[str],
    high: Collection[str] | None,
    low: Collection[str] | None,
    middle: Collection[str] = (),
) -> tuple[ResourceGroups | None, str | None]:
    """The high- and the low-resource group of languages; or None and the reason why there is no gap.

    Lists that the user gives must fit the queries; of one list, the other is the rest. Without lists the groups follow the
    classes of Joshi et al. 2020, and languages that are all of one group have no gap.

    Args:
        languages: (Q,) of the queries.
        groups: (Q,) of the queries.
        high: the user's high-resource languages.
        low: the user's low-resource languages.
        middle: languages that the user wants reported and counted in neither.

    Raises:
        ValueError: a language in no list or in two, a list without queries, fewer than two languages for the user's
            lists, a language whose queries are all of one group.
    """
    check_lists(high=high, low=low, middle=middle)
    present = list(dict.fromkeys(languages))
    if high is None and low is None:
        if len(present) < 2:
            return None, f"a gap needs queries in at least two languages, there is only {present[0]}"
        levels = {language: language_info(language).resource_class for language in present}
        resource_groups = split_resource_groups(levels, high_from=HIGH_FROM, low_to=LOW_TO)
        for name, group in (("high", resource_groups.high), ("low", resource_groups.low)):
            if not group:
                return None, (
                    f"no language of the {name}-resource group (Joshi et al. 2020, high from class {HIGH_FROM}, low to {LOW_TO}) "
                    f"has a query: the queries are in {', '.join(present)}; name the groups with high=[...] and low=[...]"
                )
    else:
        middle = [canonical_language(code) for code in middle]
        high = None if high is None else [canonical_language(code) for code in high]
        low = None if low is None else [canonical_language(code) for code in low]
        rest = [language for language in present if language not in {*(high or ()), *(low or ()), *middle}]
        resource_groups = checked_resource_groups(
            present, rest if high is None else high, rest if low is None else low, middle
        )
    observe(
        [np.zeros(len(languages))], languages, groups
    )  # what the bootstrap cannot use is an error before the encoding
    return resource_groups, None


def score_languages(
    ranks: NDArray[np.float64],
    languages: NDArray[np.str_],
    groups: NDArray[np.str_],
    cutoffs: Sequence[int],
    bootstrap: Bootstrap,
    graded: Mapping[str, Mapping[str, float]] | None = None,
) -> dict[str, LanguageResult]:
    """R@1 with its interval and the means of all measures, by language, in the order in which the languages first occur.

    Args:
        ranks: (Q,) of the first relevant document, inf where none was retrieved.
        languages: (Q,).
        groups: (Q,).
        cutoffs: the k of R@k.
        bootstrap: settings of the intervals.
        graded: further measures by language, from `graded_measures`.
    """
    results = {}
    for language in dict.fromkeys(languages.tolist()):
        mine = languages == language
        hits = recall_at_k(ranks[mine], 1)
        measures = {f"R@{k}": float(recall_at_k(ranks[mine], k).mean()) for k in cutoffs}
        measures |= {"MRR": float(reciprocal_rank(ranks[mine]).mean()), **(graded or {}).get(language, {})}
        level, count = grouped_level(hits, groups[mine], **asdict(bootstrap))
        results[language] = LanguageResult(int(mine.sum()), count, level, measures)
    return results


def score_gap(
    ranks: NDArray[np.float64],
    languages: NDArray[np.str_],
    groups: NDArray[np.str_],
    *,
    resource_groups: ResourceGroups,
    bootstrap: Bootstrap,
    ceiling: NDArray[np.float64] | None = None,
) -> dict[str, Any]:
    """The gap report of one system, as a dict.

    Args:
        ranks: (Q,) of the system.
        languages: (Q,).
        groups: (Q,).
        resource_groups: from `choose_resource_groups`.
        bootstrap: settings of the intervals.
        ceiling: (Q,) ranks of the teacher on the English queries, to which the gap is reported as well.
    """
    hits, named, grouped = recall_at_k(ranks, 1), languages, groups
    if ceiling is not None:
        hits = np.concatenate([hits, recall_at_k(ceiling, 1)])
        named = np.concatenate([languages, np.full(len(ceiling), CEILING)])
        grouped = np.concatenate([groups, groups])
    return cross_lingual_gap(
        hits,
        named,
        **resource_groups._asdict(),
        groups=grouped,
        reference=None if ceiling is None else CEILING,
        **asdict(bootstrap),
    ).to_dict()
