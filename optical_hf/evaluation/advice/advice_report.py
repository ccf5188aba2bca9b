"""An advice as data, as JSON, and as two tables for the terminal."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from os import PathLike
from typing import Any

from rich.console import Console

from optical_hf.evaluation.advice.advice_rule import AdviceRule, Decision
from optical_hf.evaluation.advice.advice_sample import ENGLISH
from optical_hf.evaluation.advice.reading_speed import AdviceCosts, spelled_seconds
from optical_hf.evaluation.report.plot_style import language_label
from optical_hf.evaluation.report.report_tables import DASH, Table, percent, print_table, with_interval
from optical_hf.files import write_text
from optical_hf.metrics.paired_level import PairedLevel
from optical_hf.metrics.resource_groups import ResourceGroups

SCHEMA = 1
TITLES = {
    "keep": "Keep the index",
    "re-index": "Re-index",
    "unclear": "Unclear",
}
MEANS = {"high": "high-resource group", "low": "low-resource group", "all": "all languages"}
MEANS |= {ENGLISH: "English, from documents"}
ORDER = {name: place for place, name in enumerate(MEANS, 1)}
"""Means stand below languages."""


@dataclass(frozen=True)
class Advice:
    """What `advise` found.

    Attributes:
        decision: the verdict, why, and what would settle it.
        judged: whose recovery the verdict is about: "low" (the low-resource group), "all" (all languages) or "en".
        recovery: R@1 of the map in the teacher's index beside that of re-indexing, by language; for "high", "low" and "all",
            means over languages; and for "en", first sentences of documents.
        resource_groups: the groups of languages; None where there are not both.
        costs: of keeping the index and of re-indexing.
        sample: how many `documents`, `fitted_documents`, `fitted_pairs` and searched texts (`searched`) there were.
        own_index: which checkpoint and which prompts re-indexing was measured with.
        rule: that gave the verdict.
        notes: what the reader has to know.
        seconds: that the advice took.
    """

    decision: Decision
    judged: str
    recovery: dict[str, PairedLevel]
    resource_groups: ResourceGroups | None
    costs: AdviceCosts
    sample: dict[str, int]
    own_index: Mapping[str, Any]
    rule: AdviceRule
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """The advice as plain values."""
        rows = {name: level.to_dict() for name, level in self.recovery.items()}
        groups = self.resource_groups and self.resource_groups._asdict()
        return {
            **asdict(self), "schema": SCHEMA, "decision": self.decision._asdict(), "recovery": rows,
            "resource_groups": groups,
        }  # fmt: skip

    def to_json(self, path: str | PathLike[str]) -> None:
        """Write the advice to a file, whole or not at all."""
        write_text(str(path), json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n")

    def print(self) -> None:
        """Print the tables and the recommendation to the terminal."""
        print_table(recovery_table(self))
        print_table(cost_table(self.costs))
        console = Console(highlight=False)
        for note in self.notes:
            console.print(f"Note: {note}.")
        console.print(f"\n[bold]{TITLES[self.decision.verdict]}[/bold]: {self.decision.reason}.")
        if self.decision.settle:
            console.print(f"To settle it: {self.decision.settle}.")


def recovery_table(advice: Advice) -> Table:
    """R@1 of the map and of re-indexing by language, then the means, then English."""
    rows = []
    for name, level in sorted(advice.recovery.items(), key=lambda row: ORDER.get(row[0], 0)):
        label = MEANS[name] if name in MEANS else language_label(name)
        group = advice.resource_groups.group_of(name) if advice.resource_groups and name not in ORDER else ""
        share = DASH if level.ratio is None else with_interval(level.ratio)
        rows.append([label, group, f"{level.queries:,}", percent(level.mean), percent(level.other_mean), share])
    sample = advice.sample
    title = f"Predicted recovery in percent, from {sample['fitted_pairs']:,} pairs and {sample['fitted_documents']:,} documents"
    note = (
        f"Held-out queries among {sample['searched']:,} texts. Recovery: R@1 of the map in the index you have, as a share of "
        "R@1 of re-indexing. Intervals (95 %) are over queries."
    )
    heads = ["language", "group", "queries", "keep", "re-index", "recovery"]
    return Table(title, heads, rows, names=2, note=note)


def cost_table(costs: AdviceCosts) -> Table:
    """The seconds of both ways."""
    fit = f"fit the map on {costs.bridge_pairs:,} pairs and {costs.bridge_documents:,} documents"
    read = f"read {costs.documents:,} documents, {costs.documents_per_second:.3g} a second"
    rows = [
        ["keep the index", fit, spelled_seconds(costs.bridge_seconds)],
        ["re-index", read, spelled_seconds(costs.reindexing_seconds)],
    ]
    return Table(f"Costs on this machine ({costs.device})", ["", "work", "time"], rows, names=2)
