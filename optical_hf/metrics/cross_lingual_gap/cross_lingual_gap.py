"""`optical_hf.metrics.gap` as a module of the `evaluate` library: batches in, the same numbers out.

Knows how evaluate collects batches; the metric itself is `optical_hf.metrics.gap.cross_lingual_gap`. The folder has no
`__init__.py`: evaluate loads it by its path, and `optical_hf.metrics` stays free of evaluate and datasets.
"""

from collections.abc import Collection, Sequence
from typing import Any

import datasets
import evaluate

from optical_hf.metrics.gap import cross_lingual_gap

UNGROUPED = ""

DESCRIPTION = """
Zero-shot R@1 gap between high- and low-resource languages: level of each language and group, gap, relative gap, worst
language and spread, each with a bootstrap interval resampled by group.
"""

INPUTS = """
Args:
    hits (list of float): one a query, 0 or 1 (was a relevant document at rank 1?) or any measure in [0, 1].
    languages (list of str): language of each query.
    groups (list of str or int, optional): what each query belongs to (its image, its document).
    high, low, middle (lists of str, for compute): languages of each group; middle may be left out.
    reference (str or float, optional, for compute): label of the teacher's English rows in `languages`, or its level.
    confidence, rounds, seed (for compute): of the bootstrap; 0.95, 10,000 and 0 unless told.
Returns:
    dict: as GapReport.to_dict() of optical_hf.metrics.gap.
Examples:
    >>> metric = evaluate.load("optical_hf/metrics/cross_lingual_gap")
    >>> metric.add_batch(hits=[1, 1, 0, 1], languages=["de", "de", "so", "so"])
    >>> metric.compute(high=["de"], low=["so"])["gap"]["value"]
    0.5
"""


class CrossLingualGap(evaluate.Metric):
    """The cross-lingual gap as an `evaluate.Metric`."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=DESCRIPTION,
            citation="",
            inputs_description=INPUTS,
            features=datasets.Features(
                {
                    "hits": datasets.Value("float64"),
                    "languages": datasets.Value("string"),
                    "groups": datasets.Value("string"),
                }
            ),
        )

    def add(self, *, hits: float, languages: str, groups: str | int | None = None) -> None:
        """Add one query."""
        super().add(hits=hits, languages=languages, groups=UNGROUPED if groups is None else str(groups))

    def add_batch(
        self, *, hits: Sequence[float], languages: Sequence[str], groups: Sequence[str | int] | None = None
    ) -> None:
        """Add a batch of queries."""
        labels = [UNGROUPED] * len(languages) if groups is None else [str(group) for group in groups]
        super().add_batch(hits=hits, languages=languages, groups=labels)

    def _compute(
        self,
        *,
        hits: Sequence[float],
        languages: Sequence[str],
        groups: Sequence[str],
        high: Collection[str],
        low: Collection[str],
        **options: Any,
    ) -> dict[str, Any]:
        ungrouped = sum(group == UNGROUPED for group in groups)
        if 0 < ungrouped < len(groups):
            raise ValueError(
                f"{ungrouped} of {len(groups)} queries have no group while the others have one; they would have been "
                "resampled as if they were one group. Give every batch its groups, or none."
            )
        report = cross_lingual_gap(hits, languages, high=high, low=low, groups=None if ungrouped else groups, **options)
        return report.to_dict()
