"""Two systems against each other, in one report or in two: paired tests by language and of the gap, and who finds what.

Knows reports; the tests are those of `optical_hf.metrics.significance`.
"""

from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np

from optical_hf.evaluation.report.report_tables import (
    DASH,
    Table,
    caption_of_tests,
    corrected,
    percent,
    print_table,
    table_markdown,
)
from optical_hf.evaluation.report.retrieval_report import RetrievalReport
from optical_hf.languages import language_info
from optical_hf.metrics.ranking import recall_at_k
from optical_hf.metrics.significance import SystemComparison, align_queries, compare_systems


@dataclass(frozen=True)
class Comparison:
    """The paired tests of two systems, the names of both, and ways to look at them."""

    tests: SystemComparison
    system: str
    other: str

    def to_dict(self) -> dict[str, Any]:
        """The comparison as plain values, ready for JSON."""
        return {"system": self.system, "other": self.other, **self.tests.to_dict()}

    def to_markdown(self) -> str:
        """The table as Markdown."""
        return table_markdown(self.table()) + "\n"

    def print(self) -> None:
        """Print the table to the terminal."""
        print_table(self.table())

    def table(self) -> Table:
        """A row a language, from the most to the least resources, and one for the gap."""
        rows = []
        for code in sorted(self.tests.languages, key=lambda code: (-language_info(code).tier, code)):
            change = self.tests.languages[code]
            rows.append(
                [
                    f"{language_info(code).name} ({code})",
                    change.tier,
                    percent(change.mean),
                    percent(change.other_mean),
                    percent(change.difference.value, change.difference.low, change.difference.high),
                    corrected(change.p_holm, change.test),
                ]
            )
        gap = self.tests.gap_change
        rows.append(
            [
                "gap (high − low)",
                "",
                percent(self.tests.gap),
                percent(self.tests.other_gap),
                percent(gap.value, gap.low, gap.high),
                corrected(self.tests.gap_p_holm, self.tests.gap_test),
            ]
        )
        title = f"R@1 of {self.system} minus {self.other}: {caption_of_tests(len(rows), self.tests.rounds)}"
        return Table(title, ["language", "tier", self.system, self.other, "difference", "p (Holm)"], rows)


def compare_reports(
    report: RetrievalReport,
    other: RetrievalReport | None = None,
    *,
    system: str = "student",
    other_system: str = "student",
    rounds: int = 10_000,
    seed: int = 0,
) -> Comparison:
    """Test whether two systems differ in R@1, in each language and in the gap, paired by query and resampled by group.

    Args:
        report: whose tiers count.
        other: the other system's report; None: the same one.
        system: name in `report`.
        other_system: name in `other`.
        rounds: of the permutation test and the bootstrap.
        seed: of both.

    Returns:
        Differences, the first system minus the other.

    Raises:
        ValueError: an unknown system, reports with other queries, a report without a gap.

    Example:
        >>> compare_reports(report, system="student", other_system="ridge").tests.gap_p_value  # doctest: +SKIP
        0.012
    """
    other = report if other is None else other
    if report.tiers is None:
        raise ValueError(f"nothing to compare between tiers: {report.no_gap}")
    order = align_queries(query_names(report), query_names(other))
    tests = compare_systems(
        recall_at_k(_ranks(report, system), 1),
        recall_at_k(_ranks(other, other_system), 1)[order],
        report.queries.languages,
        **report.tiers._asdict(),
        groups=report.queries.groups,
        confidence=report.settings["confidence"],
        rounds=rounds,
        seed=seed,
    )
    same = report is other and system != other_system
    return Comparison(tests, *((system, other_system) if same else (f"first {system}", f"second {other_system}")))


class Disagreement(NamedTuple):
    """A query that one system answers with its first document and the other does not; texts, or ids where not at hand."""

    language: str
    query: str
    right: str
    instead: str
    rank: str


def disagreements(report: RetrievalReport, system: str, other: str, limit: int = 20) -> list[Disagreement]:
    """Queries that `system` answers with its first document and `other` does not, in turn from every language.

    Args:
        report: with both systems.
        system: the one that finds.
        other: the one that misses.
        limit: at most so many.

    Raises:
        ValueError: an unknown system.
    """
    ours, theirs, queries = _ranks(report, system), _ranks(report, other), report.queries
    rows = np.flatnonzero((ours == 1) & (theirs > 1))
    by_language = [rows[np.array(queries.languages)[rows] == code] for code in report.languages]
    worst_first = [part[np.argsort(-theirs[part], kind="stable")] for part in by_language]
    chosen = [row for turn in zip_longest(*worst_first) for row in turn if row is not None][:limit]
    texts, documents = _query_texts(report), _document_texts(report)
    found = []
    for row in chosen:
        name = queries.collections[row]
        right, instead = report.systems[system].first[row], report.systems[other].first[row]
        rank = f"{int(theirs[row])}" if np.isfinite(theirs[row]) else f"> {report.settings['depth']}"
        found.append(
            Disagreement(
                queries.languages[row],
                texts.get((name, queries.ids[row]), queries.ids[row]),
                documents.get((name, right), right or DASH),
                documents.get((name, instead), instead or DASH),
                rank,
            )
        )
    return found


def query_names(report: RetrievalReport) -> list[str]:
    """A name for each query that no other collection has."""
    return [f"{name}\t{key}" for name, key in zip(report.queries.collections, report.queries.ids, strict=True)]


def _ranks(report: RetrievalReport, system: str) -> np.ndarray:
    if system not in report.systems:
        raise ValueError(f"no system {system!r} in this report; it has {', '.join(report.systems)}")
    return report.systems[system].ranks


def _query_texts(report: RetrievalReport) -> dict[tuple[str, str], str]:
    return {
        (name, key): text
        for name, collection in report.collections.items()
        if "text" in collection.queries.column_names
        for key, text in zip(collection.queries["id"][:], collection.queries["text"][:], strict=True)
    }


def _document_texts(report: RetrievalReport) -> dict[tuple[str, str | None], str]:
    return {
        (name, key): text
        for name, collection in report.collections.items()
        if "text" in collection.documents.column_names
        for key, text in zip(collection.documents["id"][:], collection.documents["text"][:], strict=True)
    }
