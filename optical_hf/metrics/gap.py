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

from optical_hf.metrics.bootstrap import (
    Estimate,
    Sample,
    checked_confidence,
    interval,
    level,
    resampled_means,
    sample_behind,
)
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
        mean. Intervals are the middle of the resampled values, widened for few groups; those of `worst` and `spread` are
        corrected for the bias of picking a minimum and of adding noise to differences.

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
    weights = _weights(means_L, names, tiers)

    def estimate(value: float, resampled_R: Floats, weights_L: Floats) -> Estimate:
        return interval(value, resampled_R, confidence, sample_behind(observations, resampled_RL, weights_L))

    def level_of(column: int) -> Estimate:
        return level(means_L[column], resampled_RL[:, column], confidence, int(observations.groups[column]))

    def of_tiers(figure: str) -> Estimate:
        value, resampled_R, weights_L = (getattr(figures, f"{figure}_R") for figures in (values, resampled, weights))
        return estimate(value[0], resampled_R, weights_L)

    alone_LL = np.eye(len(names))
    ceiling = None
    if isinstance(reference, str):
        column = names.index(reference)
        ceiling = _Ceiling(level_of(column), resampled_RL[:, column], alone_LL[column])
    elif reference is not None:
        ceiling = _known(reference, names)

    def behind(value: float, resampled_R: Floats, weights_L: Floats) -> Estimate | None:
        if ceiling is None:
            return None
        level_R, level_L = ceiling.resampled_R - resampled_R, ceiling.weights_L - weights_L
        return estimate(ceiling.level.value - value, level_R, level_L)

    scores = {
        name: LanguageScore(
            tier=tiers.tier(name),
            queries=int(observations.queries[column]),
            groups=int(observations.groups[column]),
            mean=level_of(column),
            reference_gap=behind(means_L[column], resampled_RL[:, column], alone_LL[column]),
        )
        for column, name in enumerate(names)
        if name != reference
    }
    worst_language = min(scores, key=lambda name: scores[name].mean.value)
    spread_sample = sample_behind(observations, resampled_RL, weights.spread_R)
    return GapReport(
        languages=scores,
        high_mean=of_tiers("high"),
        low_mean=of_tiers("low"),
        gap=of_tiers("gap"),
        relative_gap=of_tiers("relative_gap"),
        worst_language=worst_language,
        worst=_worst(scores[worst_language].mean, resampled.worst_R),
        spread=_spread(values.spread_R[0], resampled.spread_R, confidence, spread_sample),
        reference=ceiling.level if ceiling else None,
        reference_gap=behind(values.low_R[0], resampled.low_R, weights.low_R),
        confidence=confidence,
        rounds=rounds,
        seed=seed,
    )


class _Ceiling(NamedTuple):
    """The level of the reference on the data and in each round."""

    level: Estimate
    resampled_R: Floats
    weights_L: Floats


def _known(reference: float, names: Sequence[str]) -> _Ceiling:
    """A level that the user gives is taken as certain."""
    if not 0 <= reference <= 1:
        raise ValueError(f"reference must be a label or a fraction in [0, 1], but is {reference}; 60 % is 0.6.")
    return _Ceiling(Estimate(*[float(reference)] * 3), np.array(float(reference)), np.zeros(len(names)))


def _weights(means_L: Floats, languages: Sequence[str], tiers: Tiers) -> Statistics:
    """How each figure changes with the language means (L,), up to a factor: what `sample_behind` asks for."""
    high_L, low_L = (np.isin(languages, tier) / len(tier) for tier in (tiers.high, tiers.low))
    counted_L = np.isin(languages, [*tiers.high, *tiers.low, *tiers.middle])
    apart_L = (means_L - means_L[counted_L].mean()) * counted_L
    worst_L = np.where(counted_L & (means_L == means_L[counted_L].min()), 1.0, 0.0)
    spread_L = apart_L if apart_L.any() else counted_L.astype(np.float64)
    return Statistics(
        high_L, low_L, high_L - low_L, (low_L @ means_L) * high_L - (high_L @ means_L) * low_L, worst_L, spread_L
    )


def _worst(mean: Estimate, worst_R: Floats) -> Estimate:
    """The interval of the language found worst, its upper end raised by what picking the worst takes off.

    Of several languages at one level, the one that happened to come out lowest is no worse than they; resampling picks
    a lowest once more, and shows by how much that lowers it.
    """
    return Estimate(mean.value, mean.low, min(1.0, mean.high + max(0.0, mean.value - float(worst_R.mean()))))


def _spread(value: float, spread_R: Floats, confidence: float, sample: Sample) -> Estimate:
    """Interval of the variance, as a deviation: noise adds to a variance, and resampling adds it once more.

    So resampled variances are too large by twice what they are on average above the value, and are moved down by it.
    """
    twice = 2 * (float((spread_R**2).mean()) - value**2)
    variance = interval(value**2, spread_R**2 - twice, confidence, sample)
    return Estimate(float(value), *(math.sqrt(max(0.0, end)) for end in (variance.low, variance.high)))


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(entry) for key, entry in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value
