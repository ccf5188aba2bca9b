"""Bootstrap intervals against scipy.stats.bootstrap on random samples, and what few groups add to them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from optical_hf.metrics.bootstrap import Estimate, Sample, grouped_level, interval, level, sample_of
from optical_hf.metrics.gap import cross_lingual_gap

ROUNDS = 3000
SAMPLES = st.tuples(st.integers(8, 60), st.integers(0, 2**32 - 1), st.sampled_from(["hits", "graded", "few values"]))


def sample(size, seed, kind):
    rng = np.random.default_rng(seed)
    values = {
        "hits": lambda: rng.integers(0, 2, size),
        "graded": lambda: rng.beta(1, 2, size),
        "few values": lambda: rng.choice([0, 1 / 3, 1], size),
    }
    found = values[kind]().astype(float)
    found[:2] = 0.0, 1.0  # varies
    return found


def noise(tail, *samples):
    """Five standard errors of a quantile of a normal statistic by either program, and a step of a discrete one."""
    deviation = np.sqrt(sum(part.var() / len(part) for part in samples))
    density = stats.norm.pdf(stats.norm.ppf(tail)) / deviation
    return 5 * np.sqrt(2 * tail * (1 - tail) / ROUNDS) / density + 1.5 * max(1 / len(part) for part in samples) / len(
        samples
    )


@given(SAMPLES)
@settings(max_examples=25)
def test_levels_are_those_of_scipy(given_sample):
    hits = sample(*given_sample)
    tail = sample_of(len(hits)).tail(0.95)
    ours, groups = grouped_level(hits, np.arange(len(hits)), rounds=ROUNDS)
    theirs = stats.bootstrap(
        (hits,), np.mean, n_resamples=ROUNDS, confidence_level=1 - 2 * tail, method="percentile", rng=0
    ).confidence_interval
    assert groups == len(hits)
    assert ours.value == pytest.approx(hits.mean(), rel=1e-12)
    assert ours.low == pytest.approx(theirs.low, abs=noise(tail, hits))
    assert ours.high == pytest.approx(theirs.high, abs=noise(tail, hits))


@given(SAMPLES, SAMPLES)
@settings(max_examples=25)
def test_gaps_are_those_of_scipy(first, second):
    high, low = sample(*first), sample(*second)
    ours = cross_lingual_gap(
        np.concatenate([high, low]), ["de"] * len(high) + ["so"] * len(low), high=["de"], low=["so"], rounds=ROUNDS
    ).gap
    variances = [part.var(ddof=1) / len(part) for part in (high, low)]
    freedom = sum(variances) ** 2 / sum(v**2 / (len(part) - 1) for v, part in zip(variances, (high, low), strict=True))
    inflation = sum(variances) / sum(part.var() / len(part) for part in (high, low))
    tail = Sample(freedom, inflation).tail(0.95)
    theirs = stats.bootstrap(
        (high, low), lambda x, y, axis: x.mean(axis) - y.mean(axis), n_resamples=ROUNDS, vectorized=True,
        confidence_level=1 - 2 * tail, method="percentile", rng=0,
    ).confidence_interval  # fmt: skip
    assert ours.value == pytest.approx(high.mean() - low.mean(), rel=1e-12)
    assert ours.low == pytest.approx(theirs.low, abs=noise(tail, high, low))
    assert ours.high == pytest.approx(theirs.high, abs=noise(tail, high, low))


@given(st.integers(5, 200), st.floats(0.5, 0.99))
@settings(max_examples=30)
def test_the_tails_are_those_of_students_interval(groups, confidence):
    """Of a normal sample the expanded interval is mean +- t s / sqrt(n)."""
    tail = sample_of(groups).tail(confidence)
    plain = stats.norm.isf(tail) * np.sqrt((groups - 1) / groups)
    assert plain == pytest.approx(stats.t.isf((1 - confidence) / 2, groups - 1), rel=1e-9)


def test_without_a_sample_the_interval_is_the_plain_one():
    resampled = np.random.default_rng(0).normal(size=1000)
    estimate = interval(0.0, resampled, 0.9)
    assert (estimate.low, estimate.high) == pytest.approx(np.quantile(resampled, [0.05, 0.95]))
    assert interval(0.0, np.full(3, np.nan), 0.9).low is None


@pytest.mark.parametrize("groups", [5, 50])
def test_no_hit_and_all_hits_have_the_interval_of_clopper_and_pearson(groups):
    for hits in (0, groups):
        ours = level(hits / groups, np.full(10, hits / groups), 0.95, groups)
        theirs = stats.binomtest(hits, groups).proportion_ci(0.95)
        assert (ours.low, ours.high) == (pytest.approx(theirs.low), pytest.approx(theirs.high))


def test_one_group_has_no_interval():
    assert grouped_level([1.0, 0.0], ["a", "a"]) == (Estimate(0.5), 1)
