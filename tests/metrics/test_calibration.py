"""A test of the tests: 5 % of p-values under 0.05 where there is no effect, and intervals that cover the truth.

Hits are drawn from levels that are known. Each image has a difficulty of its own, shared by its captions and, where
images are shared, by its languages; a bootstrap or a test that ignored groups would fail here, and one test says so.
"""

import numpy as np
import pytest
from scipy.stats import norm

from optical_hf.metrics.gap import cross_lingual_gap, gap_statistics
from optical_hf.metrics.significance import compare_systems
from optical_hf.metrics.tiers import Tiers

NAMES = [f"l{i}" for i in range(6)]
LEVELS_L = np.array([0.7, 0.65, 0.6, 0.35, 0.3, 0.25])
TIERS = Tiers(tuple(NAMES[:3]), tuple(NAMES[3:]))
OPTIONS = {"high": TIERS.high, "low": TIERS.low}
GROUPS, CAPTIONS = 80, 2


def draw(rng, shared, *shifts, levels_L=LEVELS_L):
    """Hits of one system a shift, with the languages and the groups of the queries."""
    shape = GROUPS, len(NAMES), CAPTIONS
    difficulty = rng.normal(size=(GROUPS, 1 if shared else len(NAMES), 1)) + rng.normal(size=shape)
    spread = np.sqrt(2 + (len(shifts) > 1))  # what two systems do not share is one more unit of variance
    systems = []
    for shift in shifts:
        own = rng.normal(size=shape) if len(shifts) > 1 else 0.0
        systems.append((difficulty + own < spread * norm.ppf(levels_L + shift)[:, None]).astype(float).ravel())
    languages = np.broadcast_to(np.array(NAMES)[:, None], shape).ravel()
    images = np.arange(GROUPS)[:, None, None] + (0 if shared else GROUPS * np.arange(len(NAMES))[:, None])
    return (*systems, languages, np.broadcast_to(images, shape).ravel())


def within_sampling_error(count, draws, rate, shortfall=0.0):
    """Three standard errors; percentile intervals of 80 groups are known to cover a point less than they say."""
    return abs(count / draws - rate) < shortfall + 3 * np.sqrt(rate * (1 - rate) / draws)


@pytest.mark.parametrize("shared", [True, False], ids=["shared images", "images of their own"])
def test_intervals_cover(shared):
    rng, draws = np.random.default_rng(11), 200
    truth = gap_statistics(LEVELS_L[None], NAMES, TIERS)
    expected = dict(zip(["high_mean", "low_mean", "gap", "relative_gap", "worst", "spread"], truth, strict=True))
    covered = dict.fromkeys([*expected, "language"], 0)
    for _ in range(draws):
        hits, languages, groups = draw(rng, shared, 0.0)
        report = cross_lingual_gap(hits, languages, groups=groups, rounds=400, **OPTIONS)
        for name, value_R in expected.items():
            estimate = getattr(report, name)
            covered[name] += estimate.low <= value_R[0] <= estimate.high
        covered["language"] += report.languages["l4"].mean.low <= LEVELS_L[4] <= report.languages["l4"].mean.high
    for name, count in covered.items():
        assert within_sampling_error(count, draws, 0.95, shortfall=0.01), f"{name}: {count} of {draws}"


def test_spread_and_worst_of_equal_languages_cover():
    rng, draws, equal_L = np.random.default_rng(12), 150, np.full(len(NAMES), 0.5)
    spread = worst = 0
    for _ in range(draws):
        hits, languages, groups = draw(rng, False, 0.0, levels_L=equal_L)
        report = cross_lingual_gap(hits, languages, groups=groups, rounds=400, **OPTIONS)
        spread += report.spread.low == 0.0 < report.spread.high
        worst += report.worst.low <= 0.5 <= report.worst.high
    assert spread >= 0.9 * draws
    assert worst >= 0.85 * draws  # the corrected upper end still falls a little short here


def test_ignoring_the_images_would_not_cover():
    rng, draws = np.random.default_rng(13), 150
    covered = 0
    for _ in range(draws):
        hits, languages, _ = draw(rng, True, 0.0)
        estimate = cross_lingual_gap(hits, languages, rounds=400, **OPTIONS).high_mean
        covered += estimate.low <= LEVELS_L[:3].mean() <= estimate.high
    assert covered < 0.85 * draws


@pytest.mark.parametrize("shared", [True, False], ids=["shared images", "images of their own"])
def test_without_an_effect_one_p_value_in_twenty_is_small(shared):
    rng, draws = np.random.default_rng(14), 200
    small = gap = family = 0
    for seed in range(draws):
        hits, other, languages, groups = draw(rng, shared, 0.0, 0.0)
        result = compare_systems(hits, other, languages, groups=groups, rounds=199, seed=seed, **OPTIONS)
        small += sum(change.p_value <= 0.05 for change in result.languages.values())
        family += any(change.p_holm <= 0.05 for change in result.languages.values())
        gap += result.gap_p_value <= 0.05
    assert within_sampling_error(small, draws * len(NAMES), 0.05)
    assert within_sampling_error(gap, draws, 0.05)
    assert family / draws < 0.05 + 3 * np.sqrt(0.05 * 0.95 / draws)


@pytest.mark.parametrize("shared", [True, False], ids=["shared images", "images of their own"])
def test_a_gain_common_to_all_languages_leaves_the_test_of_the_gap_calibrated(shared):
    rng, draws = np.random.default_rng(15), 200
    small = covered = 0
    for seed in range(draws):
        hits, other, languages, groups = draw(rng, shared, 0.2, 0.0)
        result = compare_systems(hits, other, languages, groups=groups, rounds=199, seed=seed, **OPTIONS)
        small += result.gap_p_value <= 0.05
        covered += result.gap_change.low <= 0.0 <= result.gap_change.high
    assert within_sampling_error(small, draws, 0.05)
    assert within_sampling_error(covered, draws, 0.95, shortfall=0.01)
