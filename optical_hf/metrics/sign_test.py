"""A paired test of one number a group: had the systems been exchangeable, each group's difference could change its sign.

Where at most 20 groups differ, all patterns of signs are counted and p is exact. Otherwise p is the mid-p value of random
patterns. Groups that do not differ stay out of the count, since their sign changes nothing.

Source: Fagerland, Lydersen and Laake, The McNemar test for binary matched-pairs data, BMC Medical Research Methodology 2013.

Shapes: R rounds, G groups, N groups that differ.
"""

from typing import Literal, NamedTuple

import numpy as np

from optical_hf.metrics.resampling import Floats

EXACT_GROUPS = 20
"""With so many groups that differ there are 2^20 patterns of signs, a hundredth of a second's work."""

ROUNDING = 1e-9
"""Sums nearer than this share of the sum of all absolute differences are equal."""

SignTest = Literal["exact", "random signs"]


class PValue(NamedTuple):
    """A two-sided p-value and how it was computed."""

    value: float
    test: SignTest


def sign_test(difference_G: Floats, drawn_R: Floats) -> PValue:
    """The p-value of a sum of differences, one a group, under changing signs.

    p = share of all 2^N patterns with |sum| >= |observed|, where N <= 20 groups differ, and else
    p = (#{|T_r| > |T|} + (#{|T_r| = |T|} + 1) / 2) / (R + 1) of the random patterns

    Equal random sums count half (the mid-p value). Hits of 0 and 1 leave few values a sum can take; counting equal sums in
    full would find 1 to 4 % of significant differences where there is none, not 5 %.

    Args:
        difference_G: (G,) of the first system minus the other.
        drawn_R: (R,) sums with random signs; used where more than 20 groups differ.

    Returns:
        The p-value and the name of the test.

    Example:
        >>> sign_test(np.ones(5), np.zeros(0))
        PValue(value=0.0625, test='exact')
    """
    scale = np.abs(difference_G).sum()
    differs_N = difference_G[np.abs(difference_G) > ROUNDING * scale / max(1, len(difference_G))]
    observed = abs(difference_G.sum())
    if len(differs_N) <= EXACT_GROUPS:
        return PValue(_share_of_patterns(differs_N, observed - ROUNDING * scale), "exact")
    excess_R = np.abs(drawn_R) - observed
    equal_R = np.abs(excess_R) <= ROUNDING * scale
    larger = np.count_nonzero((excess_R > 0) & ~equal_R)
    return PValue(float(larger + (np.count_nonzero(equal_R) + 1) / 2) / (len(drawn_R) + 1), "random signs")


def _share_of_patterns(differs_N: Floats, at_least: float) -> float:
    """The share of sign patterns whose sum is so large; the first sign stays, since turning all signs changes nothing."""
    sums = differs_N[:1]
    for difference in differs_N[1:]:
        sums = np.concatenate([sums + difference, sums - difference])
    return float((np.abs(sums) >= at_least).mean()) if len(sums) else 1.0
