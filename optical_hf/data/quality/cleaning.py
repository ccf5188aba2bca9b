"""Drops from a bitext the pairs that break the rules a user chose, and accounts for every one of them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from datasets import Dataset, IterableDataset
from datasets.utils.logging import get_logger

from optical_hf.data.quality.inspection import inspect_bitext
from optical_hf.data.quality.quality_report import BitextReport
from optical_hf.data.quality.rules import Rule

logger = get_logger(__name__)


class CleanedBitext(NamedTuple):
    """What `clean_bitext` returns.

    Attributes:
        bitext: the pairs that are left, in their order.
        dropped: by language and rule, how many pairs a rule took; a pair that breaks several counts for the first.
        report: the quality report of the bitext before.
        taken: the pairs that were dropped, in their order, with a column `rule`.
    """

    bitext: Any
    dropped: dict[str, dict[Rule, int]]
    report: BitextReport
    taken: Any

    def __str__(self) -> str:
        lines = []
        for language, taken in self.dropped.items():
            pairs = self.report.pairs[language]
            counts = "".join(f", {rule} took {count:,}" for rule, count in taken.items())
            lines.append(f"{language}: {pairs - sum(taken.values()):,} of {pairs:,} pairs left{counts}")
        return "\n".join(lines)


def clean_bitext(
    bitext: Dataset | IterableDataset,
    drop: Sequence[Rule],
    *,
    evaluation: Dataset | IterableDataset | list[str] | None = None,
) -> CleanedBitext:
    """Drop the pairs that break the rules you name, in the order in which you name them.

    Args:
        bitext: a table as `load_bitext` makes it; of a streamed one the result is streamed too.
        drop: rules of `bitext_quality`. There is no default: what is dropped is your choice.
        evaluation: for the rule `leak`: a bitext table, or texts of either language.

    Returns:
        The rest, with the number of pairs that each rule took, which is also logged.

    Raises:
        ValueError: an unknown rule, or `leak` without an evaluation set.
        ImportError: the rule `language` was named and lingua is not installed.

    Example:
        >>> from datasets import Dataset
        >>> rows = [{"source": "One of 7.", "target": "Mid ka mid ah 7.", "language": "so", "origin": "x"}] * 3
        >>> cleaned = clean_bitext(Dataset.from_list(rows), ["duplicate", "copy"])
        >>> len(cleaned.bitext), cleaned.dropped
        (1, {'so': {'duplicate': 2, 'copy': 0}})
    """
    if "leak" in drop and evaluation is None:
        raise ValueError(
            "the rule leak needs evaluation=, the texts that must not be in the training data; none were given"
        )
    found = inspect_bitext(bitext, drop, evaluation, None)
    rule_N = np.full(len(found.broken_N), len(drop))  # which of them takes a row, the last of all none
    dropped: dict[str, dict[Rule, int]] = {code: {} for code in found.report.pairs}
    for number, rule in enumerate(drop):
        taken_N = (rule_N == len(drop)) & found.breaks(rule)
        rule_N[taken_N] = number
        for place, code in enumerate(dropped):
            dropped[code][rule] = int((taken_N & (found.language_N == place)).sum())
    kept_N = rule_N == len(drop)
    if isinstance(bitext, Dataset):
        rest, rows = bitext.select(np.flatnonzero(kept_N)), np.flatnonzero(~kept_N)
        taken = bitext.select(rows).add_column("rule", [drop[number] for number in rule_N[rows]])
    else:
        rest = bitext.filter(lambda _, row: bool(kept_N[row]), with_indices=True)
        taken = bitext.map(lambda _, row: {"rule": (*drop, None)[rule_N[row]]}, with_indices=True)
        taken = taken.filter(lambda row: row["rule"] is not None)
    cleaned = CleanedBitext(rest, dropped, found.report, taken)
    logger.warning(f"clean_bitext: {cleaned}")
    return cleaned
