"""One system beside another on the same queries: its mean hit as a share of the other's, and the difference.

Both systems are resampled together, group by group. A mean over several languages counts each language once.

Shapes: Q queries, R rounds, G groups, S systems, L languages.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optical_hf.metrics.bootstrap import (
    Estimate,
    checked_confidence,
    interval,
    resampled_means,
    sample_behind,
)
from optical_hf.metrics.observations import Observations, observe
from optical_hf.metrics.resampling import Floats, signed_sums
from optical_hf.metrics.sign_test import SignTest, sign_test

LEAST = 0.05
"""A share of a mean below it says little: a few hits more or less would turn it over."""


@dataclass(frozen=True)
class PairedLevel:
    """The means of two systems on the same queries, and how they compare.

    Args:
        queries: how many.
        mean: of the first system.
        other_mean: of the other.
        ratio: the first as a share of the other; None where the other's mean is below `least`.
        difference: the first minus the other.
        p_value: of the paired sign test by group.
        test: which of its two forms.
    """

    queries: int
    mean: float
    other_mean: float
    ratio: Estimate | None
    difference: Estimate
    p_value: float
    test: SignTest

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain values, ready for JSON."""
        return asdict(self)


def paired_level(
    hits: ArrayLike,
    other_hits: ArrayLike,
    languages: ArrayLike,
    groups: ArrayLike,
    *,
    confidence: float = 0.95,
    rounds: int = 10_000,
    seed: int = 0,
    least: float = LEAST,
) -> PairedLevel:
    """The mean hit of one system as a share of another's, with a paired interval by group and a paired test.

    ratio = mean_L a / mean_L b of the language means a and b; both come from the same resampled groups

    Where no group is worse in the first system, the lower ends go down by 1 - ((1 - confidence) / 2)^(1/n). So large may
    the share of such groups be that n groups show none of (Clopper and Pearson 1934). Where none is better, the upper ends
    go up likewise. Two systems that agree on eight queries are not known to be equal.

    Args:
        hits: (Q,) of the first system, values in [0, 1].
        other_hits: (Q,) of the other, for the same queries.
        languages: (Q,) language of each query.
        groups: (Q,) what each query belongs to.
        confidence: Of the intervals.
        rounds: Of the bootstrap and of random signs.
        seed: Of both.
        least: Means of the other below it have no ratio.

    Returns:
        The figures. A language with one group has no interval, and then the mean has none.

    Raises:
        ValueError: Lengths that differ, hits outside [0, 1].

    Example:
        >>> level = paired_level([1, 1, 0, 1], [1, 1, 1, 1], ["de"] * 4, [1, 2, 3, 4], rounds=1000)
        >>> level.ratio.value, level.difference.value, level.p_value
        (0.75, -0.25, 1.0)
    """
    confidence = checked_confidence(confidence)
    spoken_Q, group_Q = np.asarray(languages), np.asarray(groups)
    if any(len(np.unique(group_Q[spoken_Q == code])) < 2 for code in np.unique(spoken_Q)):
        return _without_intervals(np.asarray(hits, float), np.asarray(other_hits, float), spoken_Q, least)
    observations = observe([hits, other_hits], spoken_Q.tolist(), group_Q.tolist(), least=1)
    resampled_RSL = resampled_means(observations, rounds, seed)
    weights_L = np.full(len(observations.languages), 1 / len(observations.languages))
    mean, other = (observations.means_SL() @ weights_L).tolist()
    mean_R, other_R = (resampled_RSL @ weights_L).T

    def estimate(value: float, values_R: Floats, share: float) -> Estimate:
        linear_RL = resampled_RSL[:, 0] - share * resampled_RSL[:, 1]
        return interval(value, values_R, confidence, sample_behind(observations, linear_RL, weights_L))

    differs_G = _weighted_differences(observations, weights_L)
    test = sign_test(differs_G, signed_sums(differs_G[:, None], rounds, np.random.default_rng(seed))[:, 0])
    groups_behind = int(observations.groups.min()) * len(observations.blocks)
    room = 1 - ((1 - confidence) / 2) ** (1 / groups_behind)
    down, up = (0.0 if seen.any() else room for seen in (differs_G < 0, differs_G > 0))
    ratio = None
    if other >= least:
        ratio_R = np.divide(mean_R, other_R, out=np.full_like(mean_R, np.nan), where=other_R > 0)
        ratio = _widened(
            estimate(mean / other, ratio_R, mean / other), down / other, up / other, within=(0.0, 1 / other)
        )
    difference = _widened(estimate(mean - other, mean_R - other_R, 1.0), down, up, within=(-1.0, 1.0))
    return PairedLevel(len(spoken_Q), mean, other, ratio, difference, test.value, test.test)


def _weighted_differences(observations: Observations, weights_L: Floats) -> Floats:
    """(G,) what each group of each block adds to the difference of the means."""
    return np.concatenate(
        [
            (block.totals_GSL[:, 0] - block.totals_GSL[:, 1])
            @ (weights_L[block.languages] / block.counts_GL.sum(axis=0))
            for block in observations.blocks
        ]
    )


def _widened(estimate: Estimate, down: float, up: float, within: tuple[float, float]) -> Estimate:
    """An interval with its ends moved out, but not beyond the values that there can be."""
    if estimate.low is None or estimate.high is None:
        return estimate
    low = max(estimate.low - down, within[0]) if down else estimate.low
    return Estimate(estimate.value, low, min(estimate.high + up, within[1]) if up else estimate.high)


def _without_intervals(hits_Q: Floats, other_Q: Floats, spoken_Q: NDArray[Any], least: float) -> PairedLevel:
    """The means of languages of which one has a single group: nothing can be resampled or tested."""
    mean, other = (
        float(np.mean([values_Q[spoken_Q == code].mean() for code in np.unique(spoken_Q)]))
        for values_Q in (hits_Q, other_Q)
    )
    ratio = Estimate(mean / other) if other >= least else None
    return PairedLevel(len(spoken_Q), mean, other, ratio, Estimate(mean - other), 1.0, "exact")
