"""The tables of a report, made once as cells and then shown as Markdown or on the terminal: R@1 by language, the gap by system."""

import os
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table as RichTable

from optical_hf.evaluation.report.plot_style import language_label
from optical_hf.evaluation.report.retrieval_report import RetrievalReport
from optical_hf.metrics.bootstrap import Estimate
from optical_hf.metrics.paired_level import LEAST

GAP_ROWS = {
    "high_mean": "R@1, high-resource group",
    "low_mean": "R@1, low-resource group",
    "gap": "gap (high − low)",
    "relative_gap": "relative gap (gap / high)",
    "reference_gap": "low-resource group behind the teacher on English",
    "worst": "worst language",
    "spread": "spread over languages",
}
DASH = "–"
FILE_WIDTH = 160
"""Characters of a line, where a table goes to a file; it has room for intervals beside their figures."""


class Text(NamedTuple):
    """A cell with running text in a language, such as a query; None where the language is not known."""

    text: str
    language: str | None = None


class Table(NamedTuple):
    """A table.

    Args:
        title: what stands above it.
        heads: of the columns.
        rows: of cells.
        names: how many of the first columns are names; the others are figures, which are aligned to the right.
        note: how to read it, in smaller print.
    """

    title: str
    heads: list[str]
    rows: list[list[str]] | list[list[str | Text]]
    names: int = 1
    note: str = ""


def percent(value: float | None, low: float | None = None, high: float | None = None) -> str:
    """A fraction as percent with one decimal, and its interval where there is one.

    Example:
        >>> percent(0.5, 0.45, 0.55), percent(None)
        ('50.0 [45.0, 55.0]', '–')
    """
    if value is None:
        return DASH
    shown = f"{100 * value:.1f}"
    return shown if low is None or high is None else f"{shown} [{100 * low:.1f}, {100 * high:.1f}]"


def with_interval(estimate: Estimate) -> str:
    """An estimate as `percent` shows it.

    Example:
        >>> with_interval(Estimate(0.5, 0.45, 0.55))
        '50.0 [45.0, 55.0]'
    """
    return percent(estimate.value, estimate.low, estimate.high)


def caption_of_tests(tests: int, rounds: int) -> str:
    """What the p-values of a table are, and over how many tests they are corrected.

    Example:
        >>> caption_of_tests(21, 10_000)[-51:]
        'p corrected over the 21 tests of this table (Holm).'
    """
    least = tests / (2 * (rounds + 1))
    more = f" A p of random signs cannot be below {least:.2g}; with more rounds it could." if least > 0.01 else ""
    return (
        "Paired sign tests by group: exact, over all patterns of signs, where at most 20 groups differ, else mid-p of "
        f"{rounds:,} random patterns; p corrected over the {tests} tests of this table (Holm).{more}"
    )


def corrected(p_value: float, test: str) -> str:
    """A corrected p-value for a table, which says where the test is exact.

    Example:
        >>> corrected(0.125, "exact"), corrected(0.00004, "random signs")
        ('0.125 (exact)', '< 0.001')
    """
    shown = "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"
    return f"{shown} (exact)" if test == "exact" else shown


def recall_table(report: RetrievalReport) -> Table:
    """R@1 in percent: a row a language, from the most to the least resources, and a column a system."""
    systems = report.systems.values()
    rows = []
    for code in report.languages:
        results = [system.languages[code] for system in systems]
        group = report.resource_groups.group_of(code) if report.resource_groups else DASH
        levels = [with_interval(result.recall_at_1) for result in results]
        rows.append([language_label(code), group, f"{results[0].queries:,}", *levels])
    means = [percent(system.mean) for system in systems]
    rows.append(["mean over languages", "", f"{len(report.queries.ids):,}", *means])
    title = f"R@1 in percent, with {100 * report.settings['confidence']:g} % intervals"
    return Table(title, ["language", "group", "queries", *report.systems], rows, names=2)


def measures_table(report: RetrievalReport) -> Table:
    """Means over languages of every measure: a row a system."""
    means = {
        name: _means([language.measures for language in system.languages.values()])
        for name, system in report.systems.items()
    }
    names = list(dict.fromkeys(measure for found in means.values() for measure in found))
    rows = [[name, *(percent(found.get(measure)) for measure in names)] for name, found in means.items()]
    return Table("Means over languages, in percent", ["system", *names], rows)


def _means(measures: list[dict[str, float]]) -> dict[str, float]:
    return {name: sum(found[name] for found in measures) / len(measures) for name in measures[0]}


def gap_table(report: RetrievalReport) -> Table | None:
    """The gap and what belongs to it, a column a system; None where the languages have no gap."""
    gaps = {name: system.gap for name, system in report.systems.items() if system.gap is not None}
    if not gaps:
        return None
    rows = []
    for key, title in GAP_ROWS.items():
        cells = [_estimate(gap[key]) for gap in gaps.values()]
        if key == "worst":
            cells = [f"{gap['worst_language']}: {cell}" for gap, cell in zip(gaps.values(), cells, strict=True)]
        if any(cell != DASH for cell in cells):
            rows.append([title, *cells])
    return Table("The cross-lingual R@1 gap, in percent and points", ["", *gaps], rows)


def recovery_tables(report: RetrievalReport) -> list[Table]:
    """R@1 of each student beside that of re-indexing, and the share of it that the student reaches; none without `own_index`."""
    return [_recovery_table(report, name, rows) for name, rows in report.recovery.items()]


def _recovery_table(report: RetrievalReport, name: str, rows: dict[str, Any]) -> Table:
    cells = [
        [
            *_labels(report, key), f"{row['queries']:,}", percent(row["mean"]), percent(row["other_mean"]),
            _estimate(row["ratio"]), corrected(row["p_holm"], row["test"]),
        ]
        for key, row in _ordered(report, rows)
    ]  # fmt: skip
    heads = ["language", "group", "queries", name, "own_index", "recovery", "p (Holm)"]
    title = f"Recovery in percent: R@1 of {name} in the teacher's index as a share of R@1 of re-indexing"
    note = caption_of_tests(len(cells), report.settings["rounds"])
    return Table(title, heads, cells, names=2, note=f"No share where re-indexing is below {100 * LEAST:g} %. {note}")


def english_table(report: RetrievalReport) -> Table | None:
    """The student beside the teacher on English queries, and whether it is no worse; None where not both were evaluated."""
    if report.english is None:
        return None
    margin, cells = 100 * report.english["margin"], []
    for key, row in _ordered(report, report.english["rows"]):
        verdict = "yes" if row["not_inferior"] else "not shown"
        levels = [percent(row["mean"]), percent(row["other_mean"]), _estimate(row["difference"])]
        cells.append([*_labels(report, key), f"{row['queries']:,}", *levels, verdict])
    heads = ["English of", "group", "queries", "student", "teacher", "difference", f"within {margin:g} points"]
    note = f"Within: the lower end of the paired interval is above -{margin:g} points."
    return Table("R@1 on English queries in percent", heads, cells, names=2, note=note)


def _ordered(report: RetrievalReport, rows: dict[str, Any]) -> list[tuple[str, Any]]:
    """Languages from the most to the least resources, then the means."""
    return [(key, rows[key]) for key in (*report.languages, *(key for key in rows if key not in report.languages))]


def _labels(report: RetrievalReport, key: str) -> tuple[str, str]:
    """The first two cells of a row: the language and its group, or which mean it is."""
    if key in report.languages:
        return language_label(key), report.resource_groups.group_of(key) if report.resource_groups else DASH
    return ("mean over languages", "") if key == "mean" else (f"{key}-resource group", key)


def tables(report: RetrievalReport) -> list[Table]:
    """All tables of a report."""
    there = [table for table in (english_table(report), gap_table(report)) if table is not None]
    return [recall_table(report), measures_table(report), *recovery_tables(report), *there]


def report_markdown(report: RetrievalReport) -> str:
    """The tables of a report as Markdown, for a model card, with a paragraph that says what was measured.

    Example:
        >>> report_markdown(report)[:16]  # doctest: +SKIP
        '**R@1 in percent'
    """
    return "\n\n".join([*(table_markdown(table) for table in tables(report)), describe(report)]) + "\n"


def table_markdown(table: Table) -> str:
    """A table as Markdown, its title and note above."""
    ruler = ["---" if column < table.names else "---:" for column in range(len(table.heads))]
    lines = [
        "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in (table.heads, ruler, *table.rows)
    ]
    note = [f"{table.note}\n"] if table.note else []
    return "\n".join([f"**{table.title}**\n", *note, *lines])


def print_report(report: RetrievalReport) -> None:
    """Print the tables of a report to the terminal.

    Example:
        >>> print_report(report)  # doctest: +SKIP
    """
    for table in tables(report):
        print_table(table)
    report_console().print(describe(report))


def print_table(table: Table) -> None:
    """Print a table, a row a line; where lines are shorter than `FILE_WIDTH`, intervals stand below their figures."""
    console = report_console()
    shown = RichTable(title=table.title, title_justify="left", caption=table.note or None, caption_justify="left")
    for column, head in enumerate(table.heads):
        shown.add_column(head, justify="left" if column < table.names else "right")
    for row in table.rows:
        shown.add_row(*(cell.replace(" [", "\n[") if console.width < FILE_WIDTH else cell for cell in row))
    console.print(shown)


def report_console() -> Console:
    """A console as wide as the terminal or the notebook; in a file, where nobody says COLUMNS, wide enough for a row a line."""
    console = Console(highlight=False)
    if not (console.is_terminal or console.is_jupyter or "COLUMNS" in os.environ):
        console.width = FILE_WIDTH
    return console


def describe(report: RetrievalReport) -> str:
    """One paragraph: collections, search, groups of languages, and why there is no gap if there is none."""
    settings = report.settings
    sets = ", ".join(f"{name} ({count:,} documents)" for name, count in report.documents.items())
    kind = "exact" if settings["exact"] else "approximate"
    parts = [
        f"{len(report.queries.ids):,} queries in {len(report.languages)} languages, in {sets}; "
        f"search by {settings['search']}, engine {settings['engine']} ({kind}); ties count against the system.",
        f"Intervals: {settings['rounds']:,} bootstrap rounds by group, seed {settings['seed']}.",
    ]
    for name, index in settings.get("indexes", {}).items():
        parts.append(
            f"{name} is searched in its own index, {index['store']} {index['table']}".rstrip()
            + f" ({index['width']} numbers a vector, {index['precision']}, by {index['metric']})."
        )
    if own := settings.get("own_index"):
        tried = ", ".join(f"{document!r} {percent(mean)}" for document, mean in own["tried"].items())
        parts.append(
            f"own_index is re-indexing: {own['checkpoint'] or 'the untrained checkpoint'} reads the documents too. Queries begin "
            f"with {own['query_prompt']!r}, documents with {own['document_prompt']!r}, the best of (mean R@1): {tried}."
        )
    if "no_own_index" in settings:
        parts.append(f"No re-indexing: {settings['no_own_index']}.")
    if settings["recall_of_exact"]:
        shares = ", ".join(f"{name} {100 * share:.1f} %" for name, share in settings["recall_of_exact"].items())
        parts.append(f"Of the exact search's first {settings['depth']} documents the engine finds: {shares}.")
    if report.resource_groups is not None:
        named = [f"{name} {', '.join(group)}" for name, group in report.resource_groups._asdict().items() if group]
        parts.append(f"Groups of languages by resources: {'; '.join(named)}.")
    if report.no_gap:
        parts.append(f"No gap: {report.no_gap}.")
    return " ".join(parts)


def _estimate(estimate: dict[str, Any] | None) -> str:
    return DASH if estimate is None else percent(estimate["value"], estimate["low"], estimate["high"])
