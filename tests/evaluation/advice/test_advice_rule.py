"""The rule that makes a verdict of an interval."""

import pytest

from optical_hf.evaluation.advice import AdviceRule
from optical_hf.metrics.bootstrap import Estimate

HOUR, WEEK = 3600.0, 7 * 86_400.0


@pytest.mark.parametrize(
    ("low", "high", "seconds", "verdict"),
    [
        (0.95, 1.00, WEEK, "keep"),
        (1.01, 1.10, HOUR, "keep"),
        (0.949, 0.99, HOUR, "unclear"),
        (0.90, 0.95, HOUR, "unclear"),
        (0.88, 0.94, HOUR, "re-index"),
        (0.88, 0.94, WEEK, "unclear"),  # a small gap, and a week of reading
        (0.60, 0.70, WEEK, "re-index"),
    ],
)
def test_verdict_of_an_interval(low, high, seconds, verdict):
    decision = AdviceRule().decide(Estimate((low + high) / 2, low, high), "all languages", seconds)
    assert decision.verdict == verdict
    assert f"{100 * low:.1f} to {100 * high:.1f} %" in decision.reason
    assert "all languages" in decision.reason
    assert bool(decision.settle) == (verdict == "unclear")


def test_the_threshold_is_the_user_s():
    recovery = Estimate(0.9, 0.87, 0.93)
    verdicts = [AdviceRule(threshold=level).decide(recovery, "all", HOUR).verdict for level in (0.85, 0.9, 0.95)]
    assert verdicts == ["keep", "unclear", "re-index"]


@pytest.mark.parametrize("recovery", [None, Estimate(0.99)])
def test_without_an_interval_nothing_is_said_for_sure(recovery):
    decision = AdviceRule().decide(recovery, "all languages", HOUR)
    assert decision.verdict == "unclear"
    assert decision.settle


@pytest.mark.parametrize(
    "wrong", [{"threshold": 0}, {"threshold": float("nan")}, {"affordable": -1}, {"large_gap": -0.1}]
)
def test_numbers_out_of_range(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        AdviceRule(**wrong)
