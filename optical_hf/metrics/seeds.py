"""Intervals over seeds and queries: how a figure of a recipe would vary with other seeds as well as with other queries.

The hits of N runs that differ in their seed alone are crossed with the queries: hit = level + seed + query + both. The mean
over the runs varies with the queries (what the bootstrap by group sees) and with the seeds (what the N figures of the runs
show, less the part of it that is noise of queries). With two or three seeds the second part is known badly, so each part
has a quantile of Student's t of its own (Banerjee, Approximate confidence interval for linear functions of means of k
populations when the population variances are not equal, Sankhya 1960).

Shapes: R rounds, N seeds, L languages.
"""

from typing import NamedTuple

import numpy as np
from scipy import optimize, stats

from optical_hf.metrics.bootstrap import Estimate, Sample, sample_behind
from optical_hf.metrics.observations import Observations
from optical_hf.metrics.resampling import Floats


class SeedFigure(NamedTuple):
    """A figure of several runs, and the two variances of its mean over the runs.

    Args:
        value: mean over the runs.
        query_variance: what other queries would change.
        seed_variance: what other seeds would change.
        sample: behind the first.
        seeds: N, behind the second.
    """

    value: float
    query_variance: float
    seed_variance: float
    sample: Sample
    seeds: int

    def half_width(self, confidence: float) -> float:
        """sqrt(t_G^2 V_query + t_(N-1)^2 V_seed)."""
        tail = (1 - confidence) / 2
        query = stats.t.isf(tail, self.sample.freedom) ** 2 * self.query_variance
        return float(np.sqrt(query + stats.t.isf(tail, self.seeds - 1) ** 2 * self.seed_variance))

    def estimate(self, confidence: float) -> Estimate:
        """The mean over the runs with its interval, which is symmetric and may pass the ends of a scale."""
        half = self.half_width(confidence)
        return Estimate(self.value, self.value - half, self.value + half)

    def p_value(self) -> float:
        """Two-sided p-value of zero: one minus the confidence of the interval that just reaches it."""
        least, most, reach = 1e-12, 1 - 1e-9, abs(self.value)
        if reach <= self.half_width(1 - most):
            return 1.0
        if reach >= self.half_width(1 - least):
            return least
        return float(optimize.brentq(lambda p: self.half_width(1 - p) - reach, least, most))


def over_seeds(observations: Observations, resampled_RNL: Floats, weights_L: Floats) -> SeedFigure:
    """A figure that is linear in language means, of runs that differ in their seed alone.

    V_seed = max(0, var_n(T_n) / N - V_both),  V_both = mean_n var_R(T_rn - T_r.) / (N - 1),  V_query = var_R(T_r.)

    Args:
        observations: From `observe`, a system a seed; for two systems with the same seeds, from `Observations.difference`.
        resampled_RNL: (R, N, L) from `resampled_means`.
        weights_L: (L,) the figure is their sum with the language means: `gap_contrast` for a gap.

    Returns:
        The figure; `.estimate(0.95)` is its interval over seeds and queries.

    Raises:
        ValueError: Fewer than two seeds.

    Example:
        >>> from optical_hf.metrics.bootstrap import resampled_means
        >>> from optical_hf.metrics.observations import observe
        >>> runs = [[1, 1, 0, 1], [1, 0, 0, 1], [0, 1, 0, 1]]
        >>> seen = observe(runs, ["de", "de", "so", "so"], None)
        >>> over_seeds(seen, resampled_means(seen, 100, seed=0), np.array([1.0, 0.0])).estimate(0.95).value
        0.6666666666666666
    """
    sample = sample_behind(observations, resampled_RNL.mean(axis=1), weights_L)
    return seed_figure(observations.means_SL() @ weights_L, resampled_RNL @ weights_L, sample)


def ratio_over_seeds(observations: Observations, resampled_RSL: Floats, weights_L: Floats) -> SeedFigure:
    """A weighted mean of N runs as a share of that of one more system, which has no seed.

    Args:
        observations: From `observe`: a system a seed, and last the one that is divided by.
        resampled_RSL: (R, N + 1, L) from `resampled_means`.
        weights_L: (L,) weights of the means.

    Raises:
        ValueError: Fewer than two seeds.

    Example:
        >>> from optical_hf.metrics.bootstrap import resampled_means
        >>> from optical_hf.metrics.observations import observe
        >>> seen = observe([[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0]], ["de"] * 4, None, least=1)
        >>> ratio_over_seeds(seen, resampled_means(seen, 100, seed=0), np.ones(1)).value
        0.5
    """
    means_S, means_RS = observations.means_SL() @ weights_L, resampled_RSL @ weights_L
    defined_R = means_RS[:, -1] > 0
    ratios_N, ratios_RN = means_S[:-1] / means_S[-1], means_RS[defined_R, :-1] / means_RS[defined_R, -1:]
    linear_RL = resampled_RSL[:, :-1].mean(axis=1) - ratios_N.mean() * resampled_RSL[:, -1]
    return seed_figure(ratios_N, ratios_RN, sample_behind(observations, linear_RL, weights_L))


def seed_figure(figures_N: Floats, figures_RN: Floats, sample: Sample) -> SeedFigure:
    """Any figure of runs that differ in their seed alone, with the variances that `over_seeds` states.

    Args:
        figures_N: (N,) of each run.
        figures_RN: (R, N) the same in resampled groups.
        sample: behind its variance over queries.

    Raises:
        ValueError: Fewer than two seeds.
    """
    seeds = len(figures_N)
    if seeds < 2:
        raise ValueError("an interval over seeds needs runs with at least two seeds, but there is one.")
    mean_R = figures_RN.mean(axis=1)
    both = (figures_RN - mean_R[:, None]).var(axis=0).mean() * sample.inflation / (seeds - 1)
    seed_variance = max(0.0, float(figures_N.var(ddof=1)) / seeds - both)
    return SeedFigure(float(figures_N.mean()), float(mean_R.var() * sample.inflation), seed_variance, sample, seeds)
