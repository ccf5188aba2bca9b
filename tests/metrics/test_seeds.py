"""Intervals over seeds and queries: calibrated for three seeds, whatever share of the variance the seeds have."""

import numpy as np
import pytest
from scipy.stats import norm

from optical_hf.metrics.bootstrap import Sample, resampled_means
from optical_hf.metrics.observations import observe
from optical_hf.metrics.seeds import SeedFigure, over_seeds
from optical_hf.metrics.significance import compare_systems

LEVELS = {"de": 0.6, "fr": 0.5, "so": 0.35}
GAP = np.array([0.5, 0.5, -1.0])
GROUPS, DRAWS, ROUNDS = 60, 80, 150


def runs(rng, seeds, effect):
    """Hits of a recipe by as many seeds (N, Q), each with luck of its own in each language, and the languages."""
    shape = len(LEVELS), GROUPS
    luck = effect * rng.normal(size=(seeds, len(LEVELS), 1))
    score = rng.normal(size=shape) + 0.7 * rng.normal(size=(seeds, *shape)) + luck
    threshold = norm.ppf(list(LEVELS.values()))[:, None] * np.sqrt(1 + 0.7**2 + effect**2)
    return (score < threshold).reshape(seeds, -1).astype(float)


LANGUAGES = np.repeat(list(LEVELS), GROUPS)


@pytest.mark.slow
@pytest.mark.parametrize("effect", [0.0, 0.15, 0.5], ids=["no luck", "some luck", "much luck"])
def test_three_seeds_cover_levels_gaps_and_differences(effect):
    rng = np.random.default_rng(1)
    covered = {"level": 0, "gap": 0, "difference": 0, "gap change": 0}
    small = queries_alone = 0
    for draw in range(DRAWS):
        both = np.concatenate([runs(rng, 3, effect), runs(rng, 3, effect)])
        for names, observations in (
            (("level", "gap"), observe(both[:3], LANGUAGES, None)),
            (("difference", "gap change"), observe(both, LANGUAGES, None).difference()),
        ):
            resampled = resampled_means(observations, ROUNDS, draw)
            for name, weights in zip(names, (np.array([0.0, 0.0, 1.0]), GAP), strict=True):
                truth = 0.0 if names[0] == "difference" else weights @ [*LEVELS.values()]
                figure = over_seeds(observations, resampled, weights)
                estimate = figure.estimate(0.95)
                covered[name] += estimate.low <= truth <= estimate.high
                if name == "gap change":
                    small += figure.p_value() <= 0.05
                    assert (figure.p_value() <= 0.05) == (not estimate.low <= 0 <= estimate.high)
        plain = compare_systems(
            both[:3].mean(0), both[3:].mean(0), LANGUAGES, high=["de", "fr"], low=["so"], rounds=ROUNDS, seed=draw
        )
        queries_alone += plain.gap_change.low <= 0 <= plain.gap_change.high
    error = 3 * np.sqrt(0.05 * 0.95 / DRAWS)
    assert min(covered.values()) / DRAWS > 0.95 - error, covered
    assert small / DRAWS < 0.05 + error
    if effect == 0.5:
        assert queries_alone / DRAWS < 0.8  # what a mean over seeds, resampled by query alone, would have said


def test_seeds_that_agree_leave_the_interval_of_the_queries():
    hits = runs(np.random.default_rng(0), 1, 0.0)[0]
    observations = observe([hits] * 3, LANGUAGES, None)
    resampled = resampled_means(observations, 2000, 0)
    figure = over_seeds(observations, resampled, GAP)
    assert figure.seed_variance == 0.0
    variance = sum(
        weight**2 * hits[name == LANGUAGES].var(ddof=1) / GROUPS for name, weight in zip(LEVELS, GAP, strict=True)
    )
    assert figure.query_variance == pytest.approx(variance, rel=4 * np.sqrt(2 / 2000))


def test_seeds_alone_are_students_t():
    figure = SeedFigure(1.0, 0.0, 0.1, sample=Sample(), seeds=3)
    assert figure.half_width(0.95) == pytest.approx(4.3027 * np.sqrt(0.1), rel=1e-4)
    assert figure.p_value() == pytest.approx(0.0871, abs=1e-3)


def test_one_seed_is_refused():
    observations = observe([np.tile([0.0, 1.0], 90)], LANGUAGES, None)
    with pytest.raises(ValueError, match="at least two seeds"):
        over_seeds(observations, resampled_means(observations, 10, 0), GAP)
