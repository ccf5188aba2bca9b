"""Sign tests and Holm's correction on random input, against scipy's exact permutation test and the closed test."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from optical_hf.metrics.resampling import signed_sums
from optical_hf.metrics.sign_test import EXACT_GROUPS, sign_test
from optical_hf.metrics.significance import holm

DIFFERENCES = st.lists(
    st.one_of(st.sampled_from([-1.0, 0.0, 1.0, 1 / 3, -2 / 3]), st.floats(-1, 1, width=16)), min_size=2, max_size=9
)


@given(DIFFERENCES)
@settings(max_examples=60)
def test_exact_p_values_are_those_of_scipy(differences):
    difference_G = np.array(differences)
    theirs = stats.permutation_test(
        (difference_G, np.zeros_like(difference_G)),
        lambda x, y, axis: (x - y).sum(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf,
    ).pvalue
    assert sign_test(difference_G, np.zeros(0)) == (pytest.approx(min(1.0, theirs), rel=1e-9), "exact")


@given(st.integers(EXACT_GROUPS + 1, 60), st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=25)
def test_random_signs_agree_with_the_binomial_test_or_the_normal_one(groups, seed, hits):
    rng = np.random.default_rng(seed)
    difference_G = rng.choice([-1.0, 1.0], groups) if hits else rng.normal(size=groups)
    drawn_R = signed_sums(difference_G[:, None], 4000, rng)[:, 0]
    p, test = sign_test(difference_G, drawn_R)
    assert test == "random signs"
    if hits:
        wins = (difference_G > 0).sum()
        binomial = stats.binom(groups, 0.5)
        fewer = min(wins, groups - wins)
        expected = 2 * binomial.cdf(fewer) - binomial.pmf(fewer) if 2 * fewer < groups else 1 - binomial.pmf(fewer) / 2
        assert p == pytest.approx(expected, abs=5 * np.sqrt(0.25 / 4000))
    else:
        expected = 2 * stats.norm.sf(abs(difference_G.sum()) / np.sqrt((difference_G**2).sum()))
        assert p == pytest.approx(expected, abs=5 * np.sqrt(0.25 / 4000) + 0.02)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_is_the_closed_test_of_bonferroni(p_values):
    p_P = np.array(p_values)
    for place, corrected in enumerate(holm(p_P)):
        sets = [
            [place, *rest]
            for size in range(len(p_P))
            for rest in combinations([other for other in range(len(p_P)) if other != place], size)
        ]
        assert corrected == pytest.approx(max(min(1.0, len(chosen) * p_P[chosen].min()) for chosen in sets))
