"""Pictures of a study that no whole study here makes: languages whose bitext ends at different sizes."""

import pytest

from optical_hf.metrics.bootstrap import Estimate
from optical_hf.study.report.study_plots import BitextPoint, plot_pairs

pytest.importorskip("matplotlib")


def test_a_language_has_the_ticks_of_its_own_bitext():
    level = Estimate(0.5, 0.4, 0.6)
    counts = {"de": [500, 8000], "tl": [500, 7907], "cs": [0, 0]}
    points = [BitextPoint("ridge", code, pairs, level) for code, own in counts.items() for pairs in own]
    figure = plot_pairs(points, ["ridge"], "late")
    found = {
        panel.get_title(loc="left"): [label.get_text() for label in panel.get_xticklabels()] for panel in figure.axes
    }
    assert found == {"German (de)": ["500", "8,000"], "Tagalog (tl)": ["500", "7,907"], "Czech (cs)": ["none"]}
