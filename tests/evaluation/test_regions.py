"""Phrase to region on boxes whose overlaps are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optical_hf.evaluation.regions import Phrases, Regions, box_overlap, evaluate_regions
from optical_hf.evaluation.report.language_scores import Bootstrap

QUICK = {"bootstrap": Bootstrap(rounds=100), "high": ["de"], "low": ["so"]}


def problem(**changes):
    """Two images of three proposals; the phrases of both languages mean the first, except one that no proposal covers."""
    regions = Regions(
        np.eye(3)[[0, 1, 2, 0, 1, 2]],
        ["1"] * 3 + ["2"] * 3,
        [[0, 0, 10, 10], [20, 0, 30, 10], [0, 0, 4, 10]] * 2,
    )
    phrases = {
        "vectors": np.array([[1.0, 0.5, 0.2], [0.1, 0.2, 1.0], [0.9, 0, 0], [0.9, 0, 0]]),
        "images": ["1", "2", "1", "2"],
        "boxes": [[[0, 0, 10, 8]], [[0, 0, 10, 8]], [[50, 50, 60, 60], [1, 0, 11, 10]], [[50, 50, 60, 60]]],
        "languages": ["deu", "deu", "so", "so"],
    }
    return Phrases(**{**phrases, **changes}), regions


def test_ranks_recall_of_boxes_and_gap():
    report = evaluate_regions(*problem(), **QUICK)
    assert report.ranks.tolist() == [1.0, 3.0, 1.0, np.inf]
    assert report.box_recall == {"de": 1.0, "so": 0.5}
    assert report.languages["de"].measures == {"R@1": 0.5, "R@5": 1.0, "R@10": 1.0, "MRR": pytest.approx(2 / 3)}
    assert report.gap["gap"]["value"] == 0.0


def test_a_stricter_overlap_finds_less():
    assert evaluate_regions(*problem(), overlap=0.85, **QUICK).ranks.tolist() == [np.inf] * 4
    assert evaluate_regions(*problem(), overlap=0.3, **QUICK).ranks.tolist() == [1.0, 1.0, 1.0, np.inf]


boxes = st.tuples(*[st.integers(0, 20)] * 2, *[st.integers(1, 20)] * 2).map(
    lambda b: [b[0], b[1], b[0] + b[2], b[1] + b[3]]
)


@given(boxes, boxes)
def test_overlap_is_that_of_counted_pixels(one, other):
    def pixels(box):
        return {(x, y) for x in range(box[0], box[2]) for y in range(box[1], box[3])}

    a, b = pixels(one), pixels(other)
    overlap = box_overlap(np.array([one], float), np.array([other], float))[0, 0]
    assert overlap == pytest.approx(len(a & b) / len(a | b))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": ["1", "2", "1", "9"]}, r"1 images of phrases have no regions \(first: 9\)"),
        ({"boxes": [[[0, 0, 10, 8]]] * 3 + [[]]}, "boxes of phrase 3 .* at least one"),
        ({"boxes": [[[5, 5, 4, 4]]] * 4}, "1 of 1 boxes of phrase 0 have no area"),
        ({"vectors": np.eye(4)}, "width 3, got width 4"),
        ({"vectors": np.full((4, 3), np.nan)}, "4 of 4 vectors of the phrases hold NaN"),
        ({"languages": ["de", "so"]}, "must be as many"),
    ],
)
def test_bad_input_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        evaluate_regions(*problem(**changes), **QUICK)
