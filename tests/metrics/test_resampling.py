"""Random weights times rows: the right distribution by either way of drawing, whatever the order of the rows."""

import numpy as np
import pytest

from optical_hf.metrics import resampling
from optical_hf.metrics.resampling import resampled_sums, signed_sums

ROUNDS = 4000


def rows_of_two_kinds(groups=200):
    """Few distinct rows, so that they are drawn together unless told otherwise."""
    rng = np.random.default_rng(3)
    return np.column_stack([rng.random(groups) < 0.3, np.ones(groups)]).astype(float)


@pytest.mark.parametrize("cost", [0, 10**9], ids=["together", "one by one"])
@pytest.mark.parametrize("sums", [resampled_sums, signed_sums])
def test_moments_are_those_of_the_weights(monkeypatch, cost, sums):
    monkeypatch.setattr(resampling, "COST_OF_DRAWING_TOGETHER", cost)
    rows_GC = rows_of_two_kinds()
    sums_R = sums(rows_GC, ROUNDS, np.random.default_rng(0))[:, 0]
    if sums is resampled_sums:
        mean, variance = rows_GC[:, 0].sum(), len(rows_GC) * rows_GC[:, 0].var()
    else:
        mean, variance = 0.0, (rows_GC[:, 0] ** 2).sum()
    assert abs(sums_R.mean() - mean) < 4 * np.sqrt(variance / ROUNDS)
    assert abs(sums_R.var() / variance - 1) < 4 * np.sqrt(2 / ROUNDS)


@pytest.mark.parametrize("cost", [0, 10**9], ids=["together", "one by one"])
def test_each_round_draws_as_many_groups_as_there_are(monkeypatch, cost):
    monkeypatch.setattr(resampling, "COST_OF_DRAWING_TOGETHER", cost)
    assert (resampled_sums(rows_of_two_kinds(), 50, np.random.default_rng(0))[:, 1] == 200).all()


@pytest.mark.parametrize("sums", [resampled_sums, signed_sums])
@pytest.mark.parametrize("columns", [1, 6])
def test_order_of_groups_does_not_matter(sums, columns):
    rng = np.random.default_rng(1)
    rows_GC = rng.random((300, columns))
    expected = sums(rows_GC, 20, np.random.default_rng(7))
    np.testing.assert_allclose(sums(rng.permutation(rows_GC), 20, np.random.default_rng(7)), expected, rtol=1e-12)


def test_blocks_of_rounds_change_nothing(monkeypatch):
    rows_GC = np.random.default_rng(1).random((100, 5))
    whole = signed_sums(rows_GC, 40, np.random.default_rng(0))
    monkeypatch.setattr(resampling, "ROUNDS_AT_ONCE", 1)
    monkeypatch.setattr(resampling, "WEIGHTS_AT_ONCE", 800)  # 8 rounds of 100 signs are 100 bytes: no bit is skipped
    np.testing.assert_allclose(signed_sums(rows_GC, 40, np.random.default_rng(0)), whole, rtol=1e-12)


def test_rows_that_are_equal_are_one_kind_and_rows_that_nearly_are_stay_apart():
    rows_GC = np.array([[1e-9, 5.0], [0.0, 5.0], [1e-9, 5.0], [1e-9 + 1e-24, 5.0]])
    rows_TC, times_T = resampling.distinct_rows(rows_GC)
    assert rows_TC.tolist() == [[0.0, 5.0], [1e-9, 5.0], [1e-9 + 1e-24, 5.0]]
    assert times_T.tolist() == [1, 2, 1]
    assert resampling.distinct_rows(np.full((4, 2), 0.1))[1].tolist() == [4]


@pytest.mark.parametrize("columns", [1, 2, 5], ids=["looked up", "two looked up", "counted"])
def test_what_two_nearly_equal_columns_differ_by_keeps_its_variance(columns):
    rng = np.random.default_rng(5)
    rows_GC = rng.random((2000, columns))
    rows_GC[:, -1] = rows_GC[:, 0] + rng.normal(scale=1e-6, size=2000) * (columns > 1)
    sums_RC = resampled_sums(rows_GC, ROUNDS, np.random.default_rng(0))
    for drawn_R, column_G in (
        (sums_RC[:, 0], rows_GC[:, 0]),
        (sums_RC[:, 0] - sums_RC[:, -1], rows_GC[:, 0] - rows_GC[:, -1]),
    ):
        variance = len(column_G) * column_G.var()
        assert drawn_R.var() == pytest.approx(variance, rel=4 * np.sqrt(2 / ROUNDS), abs=1e-18)
        assert drawn_R.mean() == pytest.approx(column_G.sum(), abs=4 * np.sqrt(variance / ROUNDS) + 1e-9)


def test_a_column_that_never_varies_comes_out_whole_by_any_way():
    rows_GC = np.column_stack([np.random.default_rng(2).random(50), np.full(50, 0.1)])
    assert np.ptp(resampled_sums(rows_GC, 20, np.random.default_rng(0))[:, 1]) == 0.0
    assert (resampled_sums(rows_GC[:, 1:], 20, np.random.default_rng(0)) == 50 * 0.1).all()
