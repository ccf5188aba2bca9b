"""The cross-lingual gap: how far the low-resource languages are behind the high-resource ones, and how sure that is.

All figures are fractions in [0, 1]. The mean of a group of languages is the mean over its languages: each counts once,
however many queries it has. The languages are taken as fixed: intervals are about other queries, not about other languages.

Shapes: R rounds, L languages.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
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
from optical_hf.metrics.resource_groups import ResourceGroup, ResourceGroups, checked_resource_groups


@dataclass(frozen=True)
class LanguageScore:
    """One language of a gap report."""

    resource_group: ResourceGroup
    queries: int
    groups: int
    mean: Estimate
    reference_gap: Estimate | None


@dataclass(frozen=True)
class GapReport:
    """What `cross_lingual_gap` measured; all figures are fractions."""

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


def gap_statistics(means_RL: Floats, languages: Sequence[str], resource_groups: ResourceGroups) -> Statistics:
    """The figures of the gap from language means.

    high = mean over the high-resource group, low = mean over the low-resource group, gap = high - low,
    relative gap = gap / high, worst = least language mean, spread = standard deviation of the language means

    Args:
        means_RL: (R, L) language means.
        languages: (L,) their names; languages in no group are left out.
        resource_groups: The groups of languages.

    Returns:
        Each figure as (R,); the relative gap is NaN where the high-resource mean is 0.
    """
    high_RL, low_RL, all_RL = (
        means_RL[:, [column for column, language in enumerate(languages) if language in chosen]]
        for chosen in (
            set(resource_groups.high),
            set(resource_groups.low),
            {*resource_groups.high, *resource_groups.low, *resource_groups.middle},
        )
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
        high: Languages of the high-resource group; may name languages without queries.
        low: Languages of the low-resource group; likewise.
        middle: Languages to report that are in neither mean.
        groups: (Q,) what each query belongs to (its image, its document): queries of one group are resampled together,
            over all languages that share groups. None: every query is independent.
        reference: The ceiling, usually the teacher on English: the label of its rows in `languages` (neither high nor
            low; they share groups with the rest if the images are the same), or its level as a known number.
        confidence: Of the intervals, between 0 and 1.
        rounds: Of the bootstrap.
        seed: Of the bootstrap.

    Returns:
        Figures by language and over languages, each with its interval. `reference_gap` is the reference minus the low
        mean. Intervals are the middle of the resampled values, widened for few groups; those of `worst` and `spread` are
        corrected for the bias of picking a minimum and of adding noise to differences.

    Raises:
        ValueError: A language that is not exactly one of high, low and middle, no language in high or low, fewer than
            two languages, a language with one group of queries, lengths that differ, hits outside [0, 1].

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
    resource_groups = checked_resource_groups([name for name in names if name != reference], high, low, middle)

    means_L = observations.means_SL()[0]
    resampled_RL = resampled_means(observations, rounds, seed)[:, 0]
    alone_LL = np.eye(len(names))
    language_figures = {
        name: _Figure(means_L[column], resampled_RL[:, column], alone_LL[column]) for column, name in enumerate(names)
    }
    parts = (
        gap_statistics(means_L[None], names, resource_groups),
        gap_statistics(resampled_RL, names, resource_groups),
        _weights(means_L, names, resource_groups),
    )
    high_mean, low_mean, gap, relative_gap, worst, spread = (
        _Figure(value[0], resampled_R, weights_L) for value, resampled_R, weights_L in zip(*parts, strict=True)
    )

    def estimate(figure: _Figure) -> Estimate:
        return interval(figure.value, figure.resampled_R, confidence, sample(figure))

    def sample(figure: _Figure) -> Sample:
        return sample_behind(observations, resampled_RL, figure.weights_L)

    def mean(name: str) -> Estimate:
        figure = language_figures[name]
        return level(figure.value, figure.resampled_R, confidence, int(observations.groups[names.index(name)]))

    ceiling = language_figures.get(reference) if isinstance(reference, str) else _known(reference, len(names))

    def behind(figure: _Figure) -> Estimate | None:
        return None if ceiling is None else estimate(figure.below(ceiling))

    scores = {
        name: LanguageScore(
            resource_group=resource_groups.group_of(name),
            queries=int(observations.queries[column]),
            groups=int(observations.groups[column]),
            mean=mean(name),
            reference_gap=behind(language_figures[name]),
        )
        for column, name in enumerate(names)
        if name != reference
    }
    worst_language = min(scores, key=lambda name: scores[name].mean.value)
    return GapReport(
        languages=scores,
        high_mean=estimate(high_mean),
        low_mean=estimate(low_mean),
        gap=estimate(gap),
        relative_gap=estimate(relative_gap),
        worst_language=worst_language,
        worst=_worst(scores[worst_language].mean, worst.resampled_R),
        spread=_spread(spread, confidence, sample(spread)),
        reference=mean(reference) if isinstance(reference, str) else _certain(reference),
        reference_gap=behind(low_mean),
        confidence=confidence,
        rounds=rounds,
        seed=seed,
    )


class _Figure(NamedTuple):
    """A figure on the data and in each round (R,), and how it changes with the language means (L,), up to a factor."""

    value: float
    resampled_R: Floats
    weights_L: Floats

    def below(self, top: "_Figure") -> "_Figure":
        return _Figure(top.value - self.value, top.resampled_R - self.resampled_R, top.weights_L - self.weights_L)


def _certain(reference: float | None) -> Estimate | None:
    return None if reference is None else Estimate(*[float(reference)] * 3)


def _known(reference: float | None, languages: int) -> _Figure | None:
    """A level that the user gives is taken as certain."""
    if reference is None:
        return None
    if not 0 <= reference <= 1:
        raise ValueError(f"reference must be a label or a fraction in [0, 1], but is {reference}; 60 % is 0.6.")
    return _Figure(float(reference), np.array(float(reference)), np.zeros(languages))


def _weights(means_L: Floats, languages: Sequence[str], resource_groups: ResourceGroups) -> Statistics:
    """How each figure changes with the language means (L,), up to a factor, for `sample_behind`."""
    high_L, low_L = (np.isin(languages, group) / len(group) for group in (resource_groups.high, resource_groups.low))
    counted_L = np.isin(languages, [*resource_groups.high, *resource_groups.low, *resource_groups.middle])
    apart_L = (means_L - means_L[counted_L].mean()) * counted_L
    worst_L = np.where(counted_L & (means_L == means_L[counted_L].min()), 1.0, 0.0)
    spread_L = apart_L if apart_L.any() else counted_L.astype(np.float64)
    return Statistics(
        high_L, low_L, high_L - low_L, (low_L @ means_L) * high_L - (high_L @ means_L) * low_L, worst_L, spread_L
    )


def _worst(mean: Estimate, worst_R: Floats) -> Estimate:
    """The interval of the worst language, its upper end raised by what picking the worst takes off.

    Of several languages at one level, the one that happened to come out lowest is no worse than they; resampling picks
    a lowest once more, and shows by how much that lowers it.
    """
    picked = max(0.0, mean.value - float(worst_R.mean()))
    return replace(mean, high=None if mean.high is None else min(1.0, mean.high + picked))


def _spread(spread: _Figure, confidence: float, sample: Sample) -> Estimate:
    """Interval of the variance, as a deviation: noise adds to a variance, and resampling adds it once more.

    So resampled variances are too large by twice what they are on average above the value, and are moved down by it.
    """
    variance, variance_R = spread.value**2, spread.resampled_R**2
    found = interval(variance, variance_R - 2 * (float(variance_R.mean()) - variance), confidence, sample)
    return Estimate(float(spread.value), *(math.sqrt(max(0.0, end or 0.0)) for end in (found.low, found.high)))


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(entry) for key, entry in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value
