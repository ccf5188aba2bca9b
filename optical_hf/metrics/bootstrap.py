"""The bootstrap by group: language means of resampled groups, and intervals of whatever is computed from them.

Knows nothing of tiers or gaps. A round draws as many groups as a block has, with replacement, and takes all queries of
a group with it; languages of one block see the same draw, blocks are drawn independently
(Efron and Tibshirani, An introduction to the bootstrap, 1993, chapters 6 and 13).

Shapes: R rounds, G groups, C columns, S systems, L languages.
"""

from dataclasses import dataclass

import numpy as np

from optical_hf.metrics.observations import Observations
from optical_hf.metrics.resampling import Floats, resampled_sums


@dataclass(frozen=True)
class Estimate:
    """A value and its confidence interval; NaN where it is not defined."""

    value: float
    low: float
    high: float


def checked_confidence(confidence: float) -> float:
    """The confidence, if it is a probability; raises ValueError otherwise."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, but is {confidence}; 95 % is 0.95.")
    return confidence


def resampled_means(observations: Observations, rounds: int, seed: int) -> Floats:
    """Language means of each system in resampled groups.

    Rounds in which a language drew no group at all are left out: they are samples of another set of languages. With 8
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
            f"{rounds - complete_R.sum()} of {rounds} bootstrap rounds drew no group of some language, most often of "
            f"{observations.languages[worst]} ({observations.groups[worst]} groups): too few to resample together with "
            "the other languages. Leave languages with so few groups out."
        )
    return means_RSL[complete_R]


def interval(value: float, resampled_R: Floats, confidence: float) -> Estimate:
    """Percentile interval: the middle `confidence` of the resampled values.

    Args:
        value: The statistic on the data.
        resampled_R: (R,) the statistic in each round; NaN where it is not defined.
        confidence: Between 0 and 1.

    Returns:
        The value with its interval.
    """
    defined = resampled_R[~np.isnan(resampled_R)]
    if np.isnan(value) or not len(defined):
        return Estimate(float(value), float("nan"), float("nan"))
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(float(value), float(low), float(high))
