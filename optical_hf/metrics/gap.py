"""The cross-lingual gap: how far the low-resource languages are behind the high-resource ones, and how sure that is.

Knows per-query hits with a language and a group; nothing of models or engines. All figures are fractions in [0, 1].
Tier means are means over languages, each language counting once however many queries it has, because the question is
about languages. The languages are taken as fixed: intervals speak of other queries, not of other languages.

Shapes: R rounds, L languages.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from optical_hf.metrics.bootstrap import Estimate, checked_confidence, interval, resampled_means
from optical_hf.metrics.observations import observe
from optical_hf.metrics.resampling import Floats
from optical_hf.metrics.tiers import Tier, Tiers, checked_tiers


@dataclass(frozen=True)
class LanguageScore:
    """One language of a gap report."""

    tier: Tier
    queries: int
    groups: int
    mean: Estimate
    reference_gap: Estimate | None


@dataclass(frozen=True)
class GapReport:
    """What `cross_lingual_gap` found; all figures are fractions."""

    languages: dict[str, LanguageScore]
    high_mean: Estimate
    low_mean: Estimate
    gap: Estimate
    relative_gap: Estimate
    worst_language: str
    worst: Estimate
    spread: Estimate
    reference: Estimate | None
    reference_gap: Estimate | None
    confidence: float
    rounds: int
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """The report as plain dicts, ready for JSON; figures that are not defined are None."""
        return _without_nan(asdict(self))


class Statistics(NamedTuple):
    """Figures over languages, for the data (R = 1) or for each bootstrap round."""

    high_R: Floats
    low_R: Floats
    gap_R: Floats
    relative_gap_R: Floats
    worst_R: Floats
    spread_R: Floats


def gap_statistics(means_RL: Floats, languages: Sequence[str], tiers: Tiers) -> Statistics:
    """The figures of the gap from language means.

    high = mean over the high tier, low = mean over the low tier, gap = high - low, relative gap = gap / high,
    worst = min over all tiers, spread = standard deviation over all tiers

    Args:
        means_RL: (R, L) language means.
        languages: (L,) their names; languages in no tier are left out.
        tiers: Of the languages.

    Returns:
        Each figure as (R,); the relative gap is NaN where the high tier found nothing.
    """
    high_RL, low_RL, all_RL = (
        means_RL[:, [column for column, language in enumerate(languages) if language in chosen]]
        for chosen in (set(tiers.high), set(tiers.low), {*tiers.high, *tiers.low, *tiers.middle})
    )
    high_R, low_R = high_RL.mean(axis=1), low_RL.mean(axis=1)
    gap_R = high_R - low_R
    relative_R = np.divide(gap_R, high_R, out=np.full_like(gap_R, np.nan), where=high_R > 0)
    return Statistics(high_R, low_R, gap_R, relative_R, all_RL.min(axis=1), all_RL.std(axis=1))


def cross_lingual_gap(
    hits: ArrayLike,
    languages: Sequence[str],
    *,
    high: Collection[str],
    low: Collection[str],
    middle: Collection[str] = (),
    groups: Sequence[object] | None = None,
    reference: str | float | None = None,
    confidence: float = 0.95,
    rounds: int = 10_000,
    seed: int = 0,
) -> GapReport:
    """The gap between high- and low-resource languages, with bootstrap intervals resampled by group.

    gap = mean_{l in high} m_l - mean_{l in low} m_l, where m_l is the mean hit over the queries of language l

    Args:
        hits: (Q,) 0 or 1 (from `recall_at_k`) or any per-query measure in [0, 1].
        languages: (Q,) language of each query.
        high: Languages of the high tier; may name languages without queries.
        low: Languages of the low tier; likewise.
        middle: Languages to report that are in neither mean.
        groups: (Q,) what each query belongs to (its image, its document): queries of one group are drawn together, over
            all languages that share groups. None: every query is independent.
        reference: The ceiling, usually the teacher on English: the label that its rows bear in `languages` (they are
            in no tier, and share groups with the rest if the images are the same), or its level as a known number.
        confidence: Of the intervals, between 0 and 1.
        rounds: Of the bootstrap.
        seed: Of the bootstrap.

    Returns:
        Figures by language and over languages, each with its interval. `reference_gap` is the reference minus the low
        mean. Intervals are the middle of the resampled values; those of `worst` and `spread` are corrected for the bias
        of picking a minimum and of adding noise to differences.

    Raises:
        ValueError: A language in no tier or in two, an empty tier, fewer than two languages, a language of one group,
            lengths that differ, hits outside [0, 1].

    Example:
        >>> report = cross_lingual_gap([1, 1, 0, 0], ["de", "de", "so", "so"], high=["de"], low=["so"])
        >>> report.gap, report.worst_language
        (Estimate(value=1.0, low=1.0, high=1.0), 'so')
    """
    confidence = checked_confidence(confidence)
    observations = observe([hits], languages, groups)
    names = observations.languages
    if isinstance(reference, str) and reference not in names:
        raise ValueError(f"no query bears the reference's label {reference!r}; the languages are {', '.join(names)}.")
    tiers = checked_tiers([name for name in names if name != reference], high, low, middle)

    means_L = observations.means_SL()[0]
    resampled_RL = resampled_means(observations, rounds, seed)[:, 0]
    values = gap_statistics(means_L[None], names, tiers)
    resampled = gap_statistics(resampled_RL, names, tiers)

    def estimate(value: float, resampled_R: Floats) -> Estimate:
        return interval(value, resampled_R, confidence)

    ceiling = _reference(reference, names, means_L, resampled_RL)
    scores = {
        name: LanguageScore(
            tier=tiers.tier(name),
            queries=int(observations.queries[column]),
            groups=int(observations.groups[column]),
            mean=estimate(means_L[column], resampled_RL[:, column]),
            reference_gap=estimate(ceiling[0] - means_L[column], ceiling[1] - resampled_RL[:, column])
            if ceiling
            else None,
        )
        for column, name in enumerate(names)
        if name != reference
    }
    worst_language = min(scores, key=lambda name: scores[name].mean.value)
    return GapReport(
        languages=scores,
        high_mean=estimate(values.high_R[0], resampled.high_R),
        low_mean=estimate(values.low_R[0], resampled.low_R),
        gap=estimate(values.gap_R[0], resampled.gap_R),
        relative_gap=estimate(values.relative_gap_R[0], resampled.relative_gap_R),
        worst_language=worst_language,
        worst=_worst(scores[worst_language].mean, resampled.worst_R),
        spread=_spread(values.spread_R[0], resampled.spread_R, confidence),
        reference=estimate(*ceiling) if ceiling else None,
        reference_gap=estimate(ceiling[0] - values.low_R[0], ceiling[1] - resampled.low_R) if ceiling else None,
        confidence=confidence,
        rounds=rounds,
        seed=seed,
    )


def _reference(
    reference: str | float | None, names: Sequence[str], means_L: Floats, resampled_RL: Floats
) -> tuple[float, Floats] | None:
    """The level of the reference on the data and in each round; a number given by the user is taken as certain."""
    if reference is None:
        return None
    if isinstance(reference, str):
        column = names.index(reference)
        return float(means_L[column]), resampled_RL[:, column]
    if not 0 <= reference <= 1:
        raise ValueError(f"reference must be a label or a fraction in [0, 1], but is {reference}; 60 % is 0.6.")
    return float(reference), np.full(len(resampled_RL), float(reference))


def _worst(mean: Estimate, worst_R: Floats) -> Estimate:
    """The interval of the language found worst, its upper end raised by what picking the worst takes off.

    Of several languages at one level, the one that happened to come out lowest is no worse than they; resampling picks
    a lowest once more, and shows by how much that lowers it.
    """
    return Estimate(mean.value, mean.low, min(1.0, mean.high + max(0.0, mean.value - float(worst_R.mean()))))


def _spread(value: float, spread_R: Floats, confidence: float) -> Estimate:
    """Basic interval of the variance, 2 v - q, as a deviation: noise adds to a variance, resampling adds it again."""
    variance = interval(value**2, spread_R**2, confidence)
    low, high = (math.sqrt(max(0.0, 2 * variance.value - end)) for end in (variance.high, variance.low))
    return Estimate(float(value), low, high)


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(entry) for key, entry in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value
