"""From ranks to figures by language and to the gap: which languages are high and low, and every mean with its interval.

Knows ranks, languages and groups; nothing about models or search.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, astuple, dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optical_hf.languages import canonical_language, language_info
from optical_hf.metrics.bootstrap import checked_confidence, grouped_level
from optical_hf.metrics.gap import cross_lingual_gap
from optical_hf.metrics.observations import observe
from optical_hf.metrics.ranking import recall_at_k, reciprocal_rank
from optical_hf.metrics.tiers import Tiers, checked_tiers, split_tiers
from optical_hf.settings_checks import check_counts, check_lists

HIGH_FROM, LOW_TO = 4, 2
"""Classes of Joshi et al. 2020: 4 and 5 are the high tier, 0 to 2 the low one; 3 is reported and counted in neither."""

CEILING = "(teacher on English)"


@dataclass(frozen=True)
class Level:
    """A mean with its bootstrap interval (None where one group leaves nothing to resample)."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class LanguageResult:
    """One system in one language: how many queries and groups, and the measures, R@1 with its interval."""

    queries: int
    groups: int
    recall_at_1: Level
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


def choose_tiers(
    languages: Sequence[str],
    groups: Sequence[str],
    high: Collection[str] | None,
    low: Collection[str] | None,
    middle: Collection[str] = (),
) -> tuple[Tiers | None, str | None]:
    """The tiers of a gap, or None and the reason why there is no gap to speak of.

    Lists that the user gives must fit (ValueError otherwise); of one list the other is the rest. Without lists the
    tiers are the classes of Joshi et al. 2020, and a set of languages that has only one tier simply has no gap.

    Args:
        languages: (Q,) of the queries.
        groups: (Q,) of the queries.
        high: the user's high tier.
        low: the user's low tier.
        middle: languages the user wants reported only.

    Raises:
        ValueError: a language in no tier or in two, a tier without queries, fewer than two languages for the user's
            tiers, a language of one group.
    """
    check_lists(high=high, low=low, middle=middle)
    present = list(dict.fromkeys(languages))
    if high is None and low is None:
        if len(present) < 2:
            return None, f"a gap needs queries in at least two languages, there is only {present[0]}"
        levels = {language: language_info(language).tier for language in present}
        tiers = split_tiers(levels, high_from=HIGH_FROM, low_to=LOW_TO)
        for name, tier in (("high", tiers.high), ("low", tiers.low)):
            if not tier:
                return None, (
                    f"no language of the {name} tier (Joshi et al. 2020, high from class {HIGH_FROM}, low to {LOW_TO}) "
                    f"has a query: the queries are in {', '.join(present)}; name tiers with high=[...] and low=[...]"
                )
    else:
        middle = [canonical_language(code) for code in middle]
        high = None if high is None else [canonical_language(code) for code in high]
        low = None if low is None else [canonical_language(code) for code in low]
        rest = [language for language in present if language not in {*(high or ()), *(low or ()), *middle}]
        tiers = checked_tiers(present, rest if high is None else high, rest if low is None else low, middle)
    observe([np.zeros(len(languages))], languages, groups)  # what the bootstrap cannot use is said before the encoding
    return tiers, None


def score_languages(
    ranks: NDArray[np.float64],
    languages: NDArray[np.str_],
    groups: NDArray[np.str_],
    cutoffs: Sequence[int],
    bootstrap: Bootstrap,
) -> dict[str, LanguageResult]:
    """R@1 with its interval, R@k and MRR of each language, in the order in which the languages first occur."""
    results = {}
    for language in dict.fromkeys(languages.tolist()):
        mine = languages == language
        hits = recall_at_k(ranks[mine], 1)
        measures = {f"R@{k}": float(recall_at_k(ranks[mine], k).mean()) for k in cutoffs}
        measures["MRR"] = float(reciprocal_rank(ranks[mine]).mean())
        estimate, count = grouped_level(hits, groups[mine], **asdict(bootstrap))
        level = Level(*astuple(estimate)) if estimate else Level(float(hits.mean()), None, None)
        results[language] = LanguageResult(int(mine.sum()), count, level, measures)
    return results


def score_gap(
    ranks: NDArray[np.float64],
    languages: NDArray[np.str_],
    groups: NDArray[np.str_],
    *,
    tiers: Tiers,
    bootstrap: Bootstrap,
    ceiling: NDArray[np.float64] | None = None,
) -> dict[str, Any]:
    """The gap report of one system, as a dict.

    Args:
        ranks: (Q,) of the system.
        languages: (Q,).
        groups: (Q,).
        tiers: from `choose_tiers`.
        bootstrap: settings of the intervals.
        ceiling: (Q,) ranks of the teacher on the English queries, to which the gap is reported as well.
    """
    hits, named, grouped, reference = recall_at_k(ranks, 1), languages, groups, None
    if ceiling is not None:
        hits = np.concatenate([hits, recall_at_k(ceiling, 1)])
        named = np.concatenate([languages, np.full(len(ceiling), CEILING)])
        grouped, reference = np.concatenate([groups, groups]), CEILING
    return cross_lingual_gap(
        hits,
        named,
        **tiers._asdict(),
        groups=grouped,
        reference=reference,
        confidence=bootstrap.confidence,
        rounds=bootstrap.rounds,
        seed=bootstrap.seed,
    ).to_dict()
