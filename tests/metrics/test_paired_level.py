"""A system as a share of another: values computed by hand, intervals that are paired, and what few groups leave open."""

import numpy as np
import pytest

from optical_hf.metrics.paired_level import paired_level
from optical_hf.metrics.significance import compare_systems

ROUNDS = {"rounds": 2000}


def test_a_mean_over_languages_is_a_ratio_of_means():
    hits = [1, 1, 1, 1, 1, 0, 0, 0]
    other = [1, 1, 1, 1, 1, 1, 0, 0]
    level = paired_level(hits, other, ["de"] * 4 + ["so"] * 4, range(8), **ROUNDS)
    assert (level.queries, level.mean, level.other_mean) == (8, 0.625, 0.75)
    assert level.ratio.value == pytest.approx(0.625 / 0.75)  # and not the mean of 1 and 0.5
    assert level.difference.value == pytest.approx(-0.125)
    assert (level.p_value, level.test) == (1.0, "exact")


def test_a_language_counts_once_however_many_queries_it_has():
    level = paired_level([1] * 6 + [0, 1], [1] * 8, ["de"] * 6 + ["so"] * 2, range(8), **ROUNDS)
    assert level.ratio.value == pytest.approx(0.75)


def test_what_both_share_widens_nothing_and_few_groups_still_leave_room():
    """Equal hits have a ratio of 1 in every resample; of 40 groups none differs by chance in up to 8.8 % of all."""
    hits = [0, 1] * 20
    level = paired_level(hits, hits, ["de"] * 40, range(40), **ROUNDS)
    room = 1 - 0.025 ** (1 / 40)
    assert (level.ratio.low, level.ratio.high) == pytest.approx((1 - room / 0.5, 1 + room / 0.5))
    assert (level.difference.low, level.difference.high) == pytest.approx((-room, room))
    assert level.p_value == 1.0


def test_the_interval_is_that_of_the_paired_difference_and_the_test_that_of_the_comparison():
    generator = np.random.default_rng(0)
    other = generator.integers(0, 2, 400)
    hits = np.where(generator.random(400) < 0.2, 1 - other, other)
    languages, groups = ["de"] * 200 + ["so"] * 200, list(range(200)) * 2
    compared = compare_systems(hits, other, languages, high=["de"], low=["so"], groups=groups, rounds=2000)
    level = paired_level(hits[:200], other[:200], languages[:200], groups[:200], rounds=2000)
    change = compared.languages["de"]
    assert level.difference.value == pytest.approx(change.difference.value)
    assert level.difference.low == pytest.approx(change.difference.low, abs=0.02)
    assert level.p_value == pytest.approx(change.p_value, abs=0.03)
    assert level.ratio.value == pytest.approx(hits[:200].mean() / other[:200].mean())
    alone = np.ptp([level.ratio.low, level.ratio.high])
    assert alone < 2 * 1.96 * np.sqrt(2) * 0.5 / np.sqrt(200) / 0.5  # narrower than of two independent means


def test_nothing_is_divided_by_next_to_nothing():
    other = [1] + [0] * 39
    level = paired_level([1] * 40, other, ["de"] * 40, range(40), **ROUNDS)
    assert level.ratio is None
    assert (level.mean, level.other_mean) == (1.0, 0.025)
    assert level.p_value < 0.001
    assert paired_level([1] * 40, other, ["de"] * 40, range(40), least=0.02, **ROUNDS).ratio.value == 40


def test_one_group_has_no_interval():
    level = paired_level([1, 0], [1, 1], ["de", "de"], ["image", "image"], **ROUNDS)
    assert (level.ratio.value, level.ratio.low, level.p_value) == (0.5, None, 1.0)


def test_an_interval_holds_no_value_that_cannot_be():
    hits = [1, 0, 0, 0]
    level = paired_level(hits, hits, ["de"] * 4, range(4), **ROUNDS)
    assert (level.ratio.low, level.ratio.high) == pytest.approx((0.0, 1 + (1 - 0.025**0.25) / 0.25))
    assert level.ratio.high < 4  # 1 divided by 0.25
