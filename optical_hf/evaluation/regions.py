"""Phrase grounding: which of the boxes proposed for an image does a phrase mean, as R@k by language.

A phrase has rank r if the r-th of the image's regions is the first to overlap one of the phrase's boxes with IoU >= 0.5 (Plummer
et al. 2015, "Flickr30k Entities", section 5). Box recall, the share of phrases that any proposal overlaps so, is the ceiling
that the detector sets.

Shapes: P phrases, R regions, D width, G boxes of a phrase.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optical_hf.evaluation.report.language_scores import (
    Bootstrap,
    LanguageResult,
    choose_resource_groups,
    score_gap,
    score_languages,
)
from optical_hf.languages import canonical_language
from optical_hf.metrics.ranking import ranks_from_scores
from optical_hf.settings_checks import check_cutoffs
from optical_hf.stores.search_engine import check_widths
from optical_hf.stores.vectors import VectorSet, VectorStore


@dataclass(frozen=True, eq=False)
class Phrases:
    """The phrases: vectors (P, D), and for each its image, its boxes (G, 4) in pixels, and its language."""

    vectors: Any
    images: Sequence[str]
    boxes: Sequence[ArrayLike]
    languages: Sequence[str]


@dataclass(frozen=True, eq=False)
class Regions:
    """The proposed regions: vectors (R, D), the image of each, and its box (R, 4): x0, y0, x1, y1."""

    vectors: Any
    images: Sequence[str]
    boxes: ArrayLike


@dataclass(frozen=True, eq=False)
class RegionReport:
    """R@k by language with intervals resampled by image, the gap, and the recall of the proposals by language.

    `ranks` (P,) are inf where no proposal overlaps; `gap` is None where `no_gap` says why.
    """

    languages: dict[str, LanguageResult]
    box_recall: dict[str, float]
    gap: dict[str, Any] | None
    no_gap: str | None
    ranks: NDArray[np.float64]


def evaluate_regions(
    phrases: Phrases,
    regions: Regions,
    *,
    overlap: float = 0.5,
    k: Sequence[int] = (1, 5, 10),
    high: Collection[str] | None = None,
    low: Collection[str] | None = None,
    middle: Collection[str] = (),
    bootstrap: Bootstrap | None = None,
) -> RegionReport:
    """Rank the regions of each phrase's image by inner product and score them.

    Args:
        phrases: the queries.
        regions: the candidates; a phrase is compared with those of its own image.
        overlap: the least intersection over union with one of the phrase's boxes.
        k: cutoffs.
        high: languages of the high-resource group, as in `EvaluationSettings`.
        low: languages of the low-resource group.
        middle: languages in neither.
        bootstrap: settings of the intervals.

    Raises:
        ValueError: lengths that differ, vectors of another width or with NaN, a phrase without a box, an image without
            regions, boxes without area, languages that fit no group.

    Example:
        >>> phrases = Phrases(np.eye(2), ["1", "2"], [[[0, 0, 4, 4]], [[0, 0, 4, 4]]], ["de", "de"])
        >>> regions = Regions(np.eye(2)[[0, 1, 0]], ["1", "2", "2"], [[0, 0, 4, 5], [0, 0, 1, 1], [0, 0, 4, 4]])
        >>> evaluate_regions(phrases, regions).ranks
        array([1., 2.])
    """
    check_cutoffs(k)
    if not 0 < overlap <= 1:
        raise ValueError(f"overlap: expected an intersection over union above 0 and up to 1, got {overlap}")
    asked = VectorSet.of(phrases.vectors).check("the phrases")
    found = VectorSet.of(regions.vectors).check("the regions")
    boxes_R4 = _boxes(regions.boxes, "the regions")
    for name, *columns in (
        ("phrases", asked, phrases.images, phrases.boxes, phrases.languages),
        ("regions", found, regions.images, boxes_R4),
    ):
        counts = tuple(map(len, columns))
        if len(set(counts)) > 1:
            raise ValueError(f"vectors, images, boxes (and languages) of the {name} must be as many, got {counts}")
    check_widths(asked, VectorStore.of(found), found)
    languages = np.array([canonical_language(code) for code in phrases.languages])
    groups = np.array([str(image) for image in phrases.images])
    resource_groups, no_gap = choose_resource_groups(languages.tolist(), groups.tolist(), high, low, middle)

    rows_of: dict[str, list[int]] = {}
    for row, image in enumerate(regions.images):
        rows_of.setdefault(str(image), []).append(row)
    if missing := sorted(set(groups.tolist()) - set(rows_of)):
        raise ValueError(
            f"{len(missing)} images of phrases have no regions (first: {missing[0]}): nothing could be found"
        )
    asked_PD, found_RD = asked.vectors.numpy(), found.vectors.numpy()
    ranks = np.full(len(asked), np.inf)
    for row, image in enumerate(groups.tolist()):
        candidates, gold_G4 = rows_of[image], _boxes(phrases.boxes[row], f"phrase {row}")
        right_R = (box_overlap(boxes_R4[candidates], gold_G4) >= overlap).any(axis=1)
        if right_R.any():
            ranks[row] = ranks_from_scores((found_RD[candidates] * asked_PD[row]).sum(axis=1)[None], right_R[None])[0]
    bootstrap = bootstrap or Bootstrap()
    scores = score_languages(ranks, languages, groups, k, bootstrap)
    return RegionReport(
        languages=scores,
        box_recall={code: float(np.isfinite(ranks[languages == code]).mean()) for code in scores},
        gap=resource_groups
        and score_gap(ranks, languages, groups, resource_groups=resource_groups, bootstrap=bootstrap),
        no_gap=no_gap,
        ranks=ranks,
    )


def box_overlap(boxes_R4: NDArray[np.float64], others_G4: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of all pairs, (R, G).

    Example:
        >>> box_overlap(np.array([[0.0, 0, 2, 2]]), np.array([[1.0, 0, 3, 2], [5, 5, 6, 6]])).round(3)
        array([[0.333, 0.   ]])
    """
    corner = np.maximum(boxes_R4[:, None, :2], others_G4[None, :, :2])
    opposite = np.minimum(boxes_R4[:, None, 2:], others_G4[None, :, 2:])
    shared_RG = np.clip(opposite - corner, 0, None).prod(axis=2)
    area_R, area_G = ((boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (boxes_R4, others_G4))
    return shared_RG / (area_R[:, None] + area_G[None] - shared_RG)


def _boxes(boxes: ArrayLike, what: str) -> NDArray[np.float64]:
    array = np.asarray(boxes, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != 4 or not len(array):
        raise ValueError(
            f"expected boxes of {what} as rows of x0, y0, x1, y1, at least one, got the shape {array.shape}"
        )
    flat = ~((array[:, 2:] > array[:, :2]).all(axis=1))
    if flat.any():
        raise ValueError(
            f"{flat.sum()} of {len(array)} boxes of {what} have no area (first: {array[flat][0].tolist()}): "
            "expected x0 < x1 and y0 < y1; were width and height given instead?"
        )
    return array
