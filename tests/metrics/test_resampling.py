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


@pytest.mark.parametrize(
    "draw", [lambda rng, n: rng.random(n), lambda rng, n: rng.pareto(2.5, n)], ids=["even", "heavy"]
)
def test_drawing_graded_rows_together_loses_less_than_a_thousandth_of_the_variance(draw):
    rng = np.random.default_rng(0)
    rows_GC = np.column_stack([draw(rng, 20_000), np.ones(20_000)])
    alike_TC, times_T = resampling._alike(rows_GC)
    assert len(alike_TC) * resampling.COST_OF_DRAWING_TOGETHER <= len(rows_GC)
    mean = (times_T @ alike_TC[:, 0]) / times_T.sum()
    variance = times_T @ (alike_TC[:, 0] - mean) ** 2 / times_T.sum()
    assert mean == pytest.approx(rows_GC[:, 0].mean(), rel=1e-12)
    assert 1 - 1 / 1024 <= variance / rows_GC[:, 0].var() <= 1


def test_rows_that_are_equal_or_tiny_stay_what_they_are():
    rows_GC = np.array([[1e-9, 5.0], [0.0, 5.0], [1e-9, 5.0], [2e-9, 5.0]])
    alike_TC, times_T = resampling._alike(rows_GC)
    assert alike_TC.tolist() == [[0.0, 5.0], [1e-9, 5.0], [2e-9, 5.0]]
    assert times_T.tolist() == [1, 2, 1]
    assert resampling._alike(np.full((4, 2), 0.1))[1].tolist() == [4]
