"""Two systems against each other, in one report or in two: paired tests by language and of the gap, and who answers what."""

from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Literal, NamedTuple

import numpy as np

from optical_hf.evaluation.report.plot_style import by_resources, language_label
from optical_hf.evaluation.report.report_tables import (
    DASH,
    Table,
    Text,
    caption_of_tests,
    corrected,
    percent,
    print_table,
    table_markdown,
    with_interval,
)
from optical_hf.evaluation.report.retrieval_report import RetrievalReport
from optical_hf.languages import language_info
from optical_hf.metrics.ranking import recall_at_k
from optical_hf.metrics.significance import SystemComparison, align_queries, compare_systems


@dataclass(frozen=True)
class Comparison:
    """The paired tests of two systems, and ways to look at them.

    Args:
        tests: of the two.
        system: name of the first.
        other: name of the second.
        own_index: R@1 of re-indexing by language, and its gap as "gap", to be shown beside them; None where it was not run.
    """

    tests: SystemComparison
    system: str
    other: str
    own_index: dict[str, float] | None = None

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
        tests = self.tests
        rows = [
            [
                language_label(code), change.resource_group, percent(change.mean), percent(change.other_mean),
                *self._beside(code), with_interval(change.difference), corrected(change.p_holm, change.test),
            ]
            for code, change in ((code, tests.languages[code]) for code in by_resources(list(tests.languages)))
        ]  # fmt: skip
        gap = [percent(tests.gap), percent(tests.other_gap), *self._beside("gap"), with_interval(tests.gap_change)]
        rows.append(["gap (high − low)", "", *gap, corrected(tests.gap_p_holm, tests.gap_test)])
        beside = [] if self.own_index is None else ["own_index"]
        heads = ["language", "group", self.system, self.other, *beside, "difference", "p (Holm)"]
        note = caption_of_tests(len(rows), tests.rounds)
        return Table(f"R@1 of {self.system} minus {self.other}", heads, rows, names=2, note=note)

    def _beside(self, key: str) -> list[str]:
        return [] if self.own_index is None else [percent(self.own_index[key])]


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
        report: of the first system; its groups of languages count.
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
    if report.resource_groups is None:
        raise ValueError(f"there are no two groups of languages to compare: {report.no_gap}")
    order = align_queries(_query_names(report), _query_names(other))
    tests = compare_systems(
        recall_at_k(_ranks(report, system), 1),
        recall_at_k(_ranks(other, other_system), 1)[order],
        report.queries.languages,
        **report.resource_groups._asdict(),
        groups=report.queries.groups,
        confidence=report.settings["confidence"],
        rounds=rounds,
        seed=seed,
    )
    same = report is other and system != other_system
    names = (system, other_system) if same else (f"first {system}", f"second {other_system}")
    return Comparison(tests, *names, None if "own_index" in (system, other_system) else _own_index(report))


def _own_index(report: RetrievalReport) -> dict[str, float] | None:
    own = report.systems.get("own_index")
    if own is None or own.gap is None:
        return None
    return {code: own.languages[code].recall_at_1.value for code in report.languages} | {"gap": own.gap["gap"]["value"]}


class Disagreement(NamedTuple):
    """A query whose first document is right in one system and wrong in another; texts, or ids where there are no texts."""

    language: str
    query: str
    right: str
    instead: str
    rank: str


def disagreements(report: RetrievalReport, system: str, other: str, limit: int = 20) -> list[Disagreement]:
    """Queries whose first document is right in `system` and wrong in `other`, in turn from every language.

    Args:
        report: with both systems.
        system: the one that is right.
        other: the one that is wrong.
        limit: at most so many.

    Raises:
        ValueError: an unknown system.
    """
    ours, theirs, queries = _ranks(report, system), _ranks(report, other), report.queries
    rows = np.flatnonzero((ours == 1) & (theirs > 1))
    by_language = [rows[np.array(queries.languages)[rows] == code] for code in report.languages]
    worst_first = [part[np.argsort(-theirs[part], kind="stable")] for part in by_language]
    chosen = [row for turn in zip_longest(*worst_first) for row in turn if row is not None][:limit]
    texts, documents = _texts(report, "queries"), _texts(report, "documents")
    found = []
    for row in chosen:
        name, key = queries.collections[row], queries.ids[row]
        right, instead = (report.systems[which].first[row] or DASH for which in (system, other))
        rank = f"{int(theirs[row])}" if np.isfinite(theirs[row]) else f"> {report.settings['depth']}"
        shown = (documents.get((name, document), document) for document in (right, instead))
        found.append(Disagreement(queries.languages[row], texts.get((name, key), key), *shown, rank))
    return found


def disagreement_table(report: RetrievalReport, system: str, other: str, limit: int) -> Table:
    """The disagreements as a table of texts."""
    rows: list[list[str | Text]] = [
        [language_info(row.language).name, Text(row.query, row.language), Text(row.right), Text(row.instead), row.rank]
        for row in disagreements(report, system, other, limit)
    ]
    heads = ["language", "query", "right document", f"first of {other}", f"rank by {other}"]
    return Table(f"Found first by {system}, missed by {other}", heads, rows, names=4)


def _query_names(report: RetrievalReport) -> list[str]:
    """A name for each query that no other collection has."""
    return [f"{name}\t{key}" for name, key in zip(report.queries.collections, report.queries.ids, strict=True)]


def _ranks(report: RetrievalReport, system: str) -> np.ndarray:
    if system not in report.systems:
        raise ValueError(f"no system {system!r} in this report; it has {', '.join(report.systems)}")
    return report.systems[system].ranks


def _texts(report: RetrievalReport, part: Literal["queries", "documents"]) -> dict[tuple[str, str], str]:
    """Texts by the name of the collection and the id, where the collections are at hand and have texts."""
    tables = {name: getattr(collection, part) for name, collection in report.collections.items()}
    return {
        (name, key): text
        for name, table in tables.items()
        if "text" in table.column_names
        for key, text in zip(table["id"][:], table["text"][:], strict=True)
    }
