"""Paired tests against exact and reference p-values, Holm's correction, and systems that cannot be paired."""

import itertools
import json

import numpy as np
import pytest
from scipy import stats

from optical_hf.metrics.gap import cross_lingual_gap
from optical_hf.metrics.significance import align_queries, compare_systems, holm

RESOURCE_GROUPS = {"high": ["de", "fr"], "low": ["mr", "so"]}
NAMES = np.array(["de", "fr", "mr", "so"])


def two_systems(groups=150, seed=0, better=(0.1, 0.1, 0.1, 0.1)):
    rng = np.random.default_rng(seed)
    difficulty_GLC = rng.random((groups, 4, 2)) * 0.5 + rng.random((groups, 1, 1)) * 0.5
    levels_L1 = np.array([[0.7], [0.6], [0.4], [0.3]])
    noise_GLC = rng.normal(scale=0.1, size=(2, *difficulty_GLC.shape))
    hits, other = (
        (difficulty_GLC + noise < level).astype(float).ravel()
        for noise, level in zip(noise_GLC, (levels_L1 + np.array(better)[:, None], levels_L1), strict=True)
    )
    languages = np.broadcast_to(NAMES[:, None], difficulty_GLC.shape).ravel()
    return hits, other, languages, np.broadcast_to(np.arange(groups)[:, None, None], difficulty_GLC.shape).ravel()


def test_p_values_are_those_of_every_sign_written_out():
    rng = np.random.default_rng(4)
    hits, other = rng.integers(0, 2, (2, 24)).astype(float)
    groups = np.tile(np.repeat(np.arange(6), 2), 2)
    languages = np.repeat(["de", "so"], 12)
    result = compare_systems(hits, other, languages, high=["de"], low=["so"], groups=groups, rounds=1)
    difference_GL = (hits - other).reshape(2, 6, 2).sum(axis=2).T
    signs = np.array(list(itertools.product([-1, 1], repeat=6)))
    for column_G, p in (
        (difference_GL[:, 0], result.languages["de"].p_value),
        (difference_GL[:, 1], result.languages["so"].p_value),
        (difference_GL[:, 0] - difference_GL[:, 1], result.gap_p_value),
    ):
        drawn, observed = np.abs(signs @ column_G), abs(column_G.sum())
        assert p == pytest.approx((drawn >= observed - 1e-9).mean(), rel=1e-12)
    assert {result.gap_test, *(change.test for change in result.languages.values())} == {"exact"}


def test_p_values_of_graded_hits_are_those_of_scipy():
    rng = np.random.default_rng(0)
    hits, other = rng.random((2, 200))
    hits[:100] = np.clip(hits[:100] + 0.06, 0, 1)
    result = compare_systems(hits, other, ["de"] * 100 + ["so"] * 100, high=["de"], low=["so"])
    for name, part in (("de", slice(0, 100)), ("so", slice(100, 200))):
        theirs = stats.permutation_test(
            (hits[part], other[part]),
            lambda x, y, axis: (x - y).mean(axis=axis),
            permutation_type="samples",
            vectorized=True,
            n_resamples=9999,
            rng=0,
        )
        assert result.languages[name].p_value == pytest.approx(theirs.pvalue, abs=0.02)


def test_many_independent_hits_are_mcnemars_mid_p_test():
    rng = np.random.default_rng(1)
    hits, other = (rng.random((2, 3000)) < [[0.52], [0.5]]).astype(float)
    result = compare_systems(hits, other, ["de", "so", "so"] * 1000, high=["de"], low=["so"], rounds=40_000)
    for name, part in (("de", slice(0, None, 3)), ("so", [i for i in range(3000) if i % 3])):
        wins, losses = (hits[part] > other[part]).sum(), (hits[part] < other[part]).sum()
        binomial = stats.binom(wins + losses, 0.5)
        exact = 2 * binomial.cdf(min(wins, losses)) - binomial.pmf(wins)
        assert result.languages[name].p_value == pytest.approx(exact, abs=4 * np.sqrt(0.25 / 40_000))


def test_differences_and_gaps_are_those_of_the_systems_reports():
    hits, other, languages, groups = two_systems(better=(0.0, 0.05, 0.1, 0.2))
    result = compare_systems(hits, other, languages, groups=groups, rounds=500, **RESOURCE_GROUPS)
    mine, theirs = (cross_lingual_gap(x, languages, groups=groups, rounds=10, **RESOURCE_GROUPS) for x in (hits, other))
    assert result.gap == pytest.approx(mine.gap.value)
    assert result.other_gap == pytest.approx(theirs.gap.value)
    assert result.gap_change.value == pytest.approx(mine.gap.value - theirs.gap.value)
    for name, change in result.languages.items():
        assert change.mean == mine.languages[name].mean.value
        assert change.difference.value == pytest.approx(change.mean - theirs.languages[name].mean.value)
        assert change.p_value <= change.p_holm
    json.dumps(result.to_dict(), allow_nan=False)


def test_a_gain_in_the_low_group_alone_changes_the_gap_and_a_common_gain_does_not():
    common = compare_systems(*two_systems()[:3], groups=two_systems()[3], rounds=2000, **RESOURCE_GROUPS)
    assert all(change.p_holm < 0.01 for change in common.languages.values())
    assert common.gap_p_value > 0.05
    hits, other, languages, groups = two_systems(better=(0, 0, 0.1, 0.1))
    low_only = compare_systems(hits, other, languages, groups=groups, rounds=2000, **RESOURCE_GROUPS)
    assert low_only.gap_p_value < 0.01
    assert low_only.gap_change.high < 0
    assert low_only.languages["so"].p_holm < 0.01 < low_only.languages["de"].p_holm


def test_swapping_the_systems_turns_the_signs_and_leaves_the_p_values():
    hits, other, languages, groups = two_systems(better=(0, 0.02, 0.02, 0.05))
    there = compare_systems(hits, other, languages, groups=groups, rounds=1000, **RESOURCE_GROUPS)
    back = compare_systems(other, hits, languages, groups=groups, rounds=1000, **RESOURCE_GROUPS)
    assert back.gap_change.value == -there.gap_change.value
    for name in NAMES:
        assert back.languages[name].difference.value == -there.languages[name].difference.value
        assert back.languages[name].p_value == pytest.approx(there.languages[name].p_value, abs=0.05)


def test_a_system_compared_with_itself_differs_nowhere():
    hits, _, languages, groups = two_systems()
    result = compare_systems(hits, hits, languages, groups=groups, rounds=200, **RESOURCE_GROUPS)
    assert result.gap_p_value == 1.0
    assert {(change.p_value, change.p_holm) for change in result.languages.values()} == {(1.0, 1.0)}
    assert result.gap_change.low == result.gap_change.high == 0.0


def test_a_whole_group_keeps_or_swaps_its_systems():
    hits = np.ones(60)
    other = np.zeros(60)
    languages = ["de", "so"] * 30
    four = compare_systems(hits, other, languages, groups=np.arange(60) // 15, high=["de"], low=["so"])
    alone = compare_systems(hits, other, languages, high=["de"], low=["so"])
    assert four.languages["de"].p_value == 1 / 8  # 2 of 16 sign patterns
    assert alone.languages["de"].p_value < 0.001


@pytest.mark.parametrize("others", [0, 100])
def test_five_queries_that_all_improve_are_not_significant_however_many_stay_as_they_were(others):
    languages = ["de"] * (5 + others) + ["so"] * 40
    hits, other = np.zeros((2, len(languages)))
    hits[[*range(5), *range(5 + others, 45 + others)]] = 1.0
    result = compare_systems(hits, other, languages, high=["de"], low=["so"])
    assert result.languages["de"].p_value == 0.0625
    assert result.languages["de"].test == "exact"
    assert result.languages["so"].test == "random signs"


def test_holm_runs_over_languages_and_gap():
    result = compare_systems(*two_systems(better=(0, 0.02, 0.03, 0.05))[:3], rounds=500, **RESOURCE_GROUPS)
    p_values = [*(change.p_value for change in result.languages.values()), result.gap_p_value]
    corrected = [*(change.p_holm for change in result.languages.values()), result.gap_p_holm]
    assert corrected == holm(p_values).tolist()


def test_holm_by_hand_and_in_any_order():
    p = np.array([0.04, 0.01, 0.03, 0.005, 0.9])
    assert holm(p) == pytest.approx([0.09, 0.04, 0.09, 0.025, 0.9])
    order = np.array([3, 1, 0, 4, 2])
    assert holm(p[order]).tolist() == holm(p)[order].tolist()
    assert holm([0.6, 0.7]).tolist() == [1.0, 1.0]
    assert holm([]).tolist() == []


@pytest.mark.slow
def test_the_interval_of_two_nearly_equal_systems_is_as_wide_as_their_difference_says():
    rng = np.random.default_rng(0)
    languages, missed = ["de"] * 5000 + ["so"] * 200, 0
    for draw in range(40):
        quality = np.clip(rng.beta(2, 2, 5200), 0.01, 0.99)  # nDCG-like
        other = quality + np.clip(rng.normal(scale=0.001, size=5200), -0.01, 0.01)
        result = compare_systems(other, quality, languages, high=["de"], low=["so"], rounds=400, seed=draw)
        change = result.languages["de"].difference
        assert (change.high - change.low) / 2 == pytest.approx(2.8e-5, rel=0.25)
        missed += not change.low <= 0 <= change.high
    assert missed <= 6  # of 40 where 2 are expected: 7 would happen once in 200


def test_queries_in_another_order_are_aligned():
    hits = np.array([0.1, 0.2, 0.3])
    assert hits[align_queries(["b", "c", "a"], ["a", "b", "c"])].tolist() == [0.2, 0.3, 0.1]


@pytest.mark.parametrize(
    ("queries", "others", "message"),
    [
        (["a", "b", "c"], ["b", "x"], r"2 of the first system's 3 are missing from the other \(a, c\), 1 .* \(x\)"),
        (
            ["a", "b"],
            ["a", "b", "z"],
            r"0 of the first system's 2 .* \(none\), 1 of the other's 3 from the first \(z\)",
        ),
        (["a", "a"], ["a", "b"], "1 query ids of the first system are repeated"),
        (["a", "b"], ["b", "b", "b"], "2 query ids of the other system are repeated"),
    ],
)
def test_systems_with_other_queries_are_named(queries, others, message):
    with pytest.raises(ValueError, match=message):
        align_queries(queries, others)


def test_systems_of_other_length_or_groups_are_named():
    with pytest.raises(ValueError, match=r"shapes are \(4,\), \(3,\), \(4,\).*align_queries"):
        compare_systems([1, 0, 1, 0], [1, 0, 1], ["de", "de", "so", "so"], high=["de"], low=["so"])
    with pytest.raises(ValueError, match="in no group: so"):
        compare_systems([1, 0, 1, 0], [1, 0, 1, 0], ["de", "de", "so", "so"], high=["de"], low=["mr"])
