"""The bootstrap by group: language means of resampled groups, and intervals of whatever is computed from them.

A round resamples as many groups as a block has, with replacement, and takes all queries of a group with it. Languages of one
block are resampled together, blocks independently
(Efron and Tibshirani, An introduction to the bootstrap, 1993, chapters 6 and 13). Intervals are widened for few groups
(Hesterberg, What teachers should know about the bootstrap, The American Statistician 2015, section 5.2).

Shapes: R rounds, G groups, C columns, S systems, L languages, B blocks.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from optical_hf.metrics.observations import Observations
from optical_hf.metrics.resampling import Floats, resampled_sums


@dataclass(frozen=True)
class Estimate:
    """A value and its confidence interval: the one type for it in this package.

    Args:
        value: The statistic on the data; NaN where it is not defined.
        low: Lower end; None where there is no interval, as with a single group.
        high: Upper end, likewise.
    """

    value: float
    low: float | None = None
    high: float | None = None


def checked_confidence(confidence: float) -> float:
    """The confidence, if it is a probability; raises ValueError otherwise."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, but is {confidence}; 95 % is 0.95.")
    return confidence


def resampled_means(observations: Observations, rounds: int, seed: int) -> Floats:
    """Language means of each system in resampled groups.

    Rounds in which a language has no group at all are left out: they are samples of another set of languages. With 8
    groups of a language among many others that is 1 round in 3000.

    Args:
        observations: From `observe`.
        rounds: Number of resamples, at least 1.
        seed: Of the generator.

    Returns:
        (R, S, L) means, R <= rounds.

    Raises:
        ValueError: More than half of the rounds lack a language.
    """
    if rounds < 1:
        raise ValueError(f"rounds must be at least 1, but is {rounds}.")
    generator = np.random.default_rng(seed)
    systems = observations.blocks[0].totals_GSL.shape[1]
    means_RSL = np.empty((rounds, systems, len(observations.languages)))
    for block in observations.blocks:
        groups, languages = block.counts_GL.shape
        rows_GC = np.concatenate([block.totals_GSL.reshape(groups, -1), block.counts_GL], axis=1)
        sums_RC = resampled_sums(rows_GC, rounds, generator)
        totals_RSL = sums_RC[:, :-languages].reshape(rounds, systems, languages)
        with np.errstate(invalid="ignore"):
            means_RSL[:, :, block.languages] = totals_RSL / sums_RC[:, None, -languages:]
    lacking_RL = np.isnan(means_RSL[:, 0])
    complete_R = ~lacking_RL.any(axis=1)
    if complete_R.sum() * 2 < rounds:
        worst = lacking_RL.sum(axis=0).argmax()
        raise ValueError(
            f"{rounds - complete_R.sum()} of {rounds} bootstrap rounds have no group of some language, most often of "
            f"{observations.languages[worst]} ({observations.groups[worst]} groups): too few to resample together with "
            "the other languages. Leave languages with so few groups out."
        )
    return means_RSL[complete_R]


class Sample(NamedTuple):
    """How many groups a figure stands on.

    Args:
        freedom: Degrees of freedom of its variance.
        inflation: What the variance among resamples is short of: n / (n - 1) for the mean of n groups.
    """

    freedom: float = np.inf
    inflation: float = 1.0

    def tail(self, confidence: float) -> float:
        """The share of resampled values below an interval, and above it.

        tail = Phi(-sqrt(inflation) t), where t is the (1 + confidence) / 2 quantile of Student's t; for many groups it is
        (1 - confidence) / 2

        Example:
            >>> round(Sample(9, 10 / 9).tail(0.95), 4), round(Sample().tail(0.95), 4)
            (0.0086, 0.025)
        """
        return float(stats.norm.sf(np.sqrt(self.inflation) * stats.t.isf((1 - confidence) / 2, self.freedom)))


def sample_of(groups: int) -> Sample:
    """The sample that a mean over so many groups stands on."""
    return Sample(groups - 1, groups / (groups - 1))


def sample_behind(observations: Observations, resampled_RL: Floats, weights_L: Floats) -> Sample:
    """The sample behind a figure that changes with the language means as `weights_L` says.

    Blocks are independent, so their variances add, each with the groups of its smallest language that counts:
    freedom = (sum_B v_B)^2 / sum_B v_B^2 / (n_B - 1) (Satterthwaite, An approximate distribution of estimates of variance
    components, Biometrics 1946).

    Args:
        observations: From `observe`.
        resampled_RL: (R, L) language means of one system, from `resampled_means`.
        weights_L: (L,) derivative of the figure by each language mean; any multiple serves.
    """
    parts = [(resampled_RL[:, block.languages] @ weights_L[block.languages]).var() for block in observations.blocks]
    counted = [block.languages[weights_L[block.languages] != 0] for block in observations.blocks]
    samples = [sample_of(observations.groups[languages].min()) for languages in counted if len(languages)]
    plain_B = np.array([part for part, languages in zip(parts, counted, strict=True) if len(languages)])
    true_B = plain_B * [sample.inflation for sample in samples]
    if not true_B.any():
        return Sample()
    freedom = true_B.sum() ** 2 / (true_B**2 / [sample.freedom for sample in samples]).sum()
    return Sample(float(freedom), float(true_B.sum() / plain_B.sum()))


def interval(value: float, resampled_R: Floats, confidence: float, sample: Sample = Sample()) -> Estimate:  # noqa: B008
    """Expanded percentile interval: the middle of the resampled values, a little more of it the fewer the groups.

    Args:
        value: The statistic on the data.
        resampled_R: (R,) the statistic in each round; NaN where it is not defined.
        confidence: Between 0 and 1.
        sample: How many groups it stands on; without it, the plain percentile interval.

    Returns:
        The value with its interval.
    """
    defined = resampled_R[~np.isnan(resampled_R)]
    if np.isnan(value) or not len(defined):
        return Estimate(float(value))
    tail = sample.tail(confidence)
    low, high = np.quantile(defined, [tail, 1 - tail])
    return Estimate(float(value), float(low), float(high))


def linear_estimate(observations: Observations, resampled_RL: Floats, weights_L: Floats, confidence: float) -> Estimate:
    """A weighted sum of the language means of one system, with its interval.

    Args:
        observations: From `observe`, of one system.
        resampled_RL: (R, L) its language means, from `resampled_means`.
        weights_L: (L,) weights of the sum.
        confidence: Between 0 and 1.
    """
    value, resampled_R = observations.means_SL()[0] @ weights_L, resampled_RL @ weights_L
    return interval(value, resampled_R, confidence, sample_behind(observations, resampled_RL, weights_L))


def level(value: float, resampled_R: Floats, confidence: float, groups: int) -> Estimate:
    """The interval of a mean of hits, which has a width even where all groups have a mean of 0, or all of 1.

    Resampling sees no variation there. Of n independent groups none has a hit with probability (1 - q)^n, where q is the
    share of groups with one; so the mean may still be as high as 1 - ((1 - confidence) / 2)^(1/n) (Clopper and Pearson,
    The use of confidence or fiducial limits, Biometrika 1934).
    """
    estimate = interval(value, resampled_R, confidence, sample_of(groups))
    room = 1 - ((1 - confidence) / 2) ** (1 / groups)
    if 0 < value < 1:
        return estimate
    return Estimate(estimate.value, 0.0, room) if value <= 0 else Estimate(estimate.value, 1 - room, 1.0)


def grouped_level(
    hits: ArrayLike, groups: ArrayLike, *, confidence: float = 0.95, rounds: int = 10_000, seed: int = 0
) -> tuple[Estimate, int]:
    """The mean of hits with its bootstrap interval by group, and the number of groups; one group has no interval.

    Args:
        hits: (Q,) values in [0, 1].
        groups: (Q,) what each query belongs to.
        confidence: Of the interval.
        rounds: Of the bootstrap.
        seed: Of the bootstrap.
    """
    hits_Q = np.asarray(hits, dtype=np.float64)
    names, codes = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) < 2:
        return Estimate(float(hits_Q.mean())), len(names)
    rows = np.stack([np.bincount(codes, weights=hits_Q), np.bincount(codes).astype(np.float64)], axis=1)
    sums = resampled_sums(rows, rounds, np.random.default_rng(seed))
    return level(float(hits_Q.mean()), sums[:, 0] / sums[:, 1], confidence, len(names)), len(names)
