"""The tables of a report, once as cells, then as Markdown or on the terminal: R@1 by language, and the gap by system.

Knows the report; nothing about plots or HTML.
"""

from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table as RichTable

from optical_hf.evaluation.report.retrieval_report import RetrievalReport
from optical_hf.languages import language_info

GAP_ROWS = {
    "high_mean": "R@1 of the high tier",
    "low_mean": "R@1 of the low tier",
    "gap": "gap (high − low)",
    "relative_gap": "relative gap (gap / high)",
    "reference_gap": "low tier behind the teacher on English",
    "worst": "worst language",
    "spread": "spread over languages",
}
DASH = "–"


class Table(NamedTuple):
    """A title, the column heads (the first is a text column, the rest are figures), and rows of cells."""

    title: str
    heads: list[str]
    rows: list[list[str]]


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


def caption_of_tests(tests: int, rounds: int) -> str:
    """What the p-values of a table are, and which family of tests they are corrected over.

    Example:
        >>> caption_of_tests(21, 10_000)[-50:]
        'p corrected over the 21 tests of this table (Holm)'
    """
    least = tests / (2 * (rounds + 1))
    more = f"; a p of random signs cannot be below {least:.2g}, with more rounds it could" if least > 0.01 else ""
    return (
        "paired sign tests by group: exact, over all patterns of signs, where at most 20 groups differ, else mid-p of "
        f"{rounds:,} random patterns; p corrected over the {tests} tests of this table (Holm){more}"
    )


def corrected(p_value: float, test: str) -> str:
    """A corrected p-value for a table, named where it is exact.

    Example:
        >>> corrected(0.125, "exact"), corrected(0.00004, "random signs")
        ('0.125 (exact)', '< 0.001')
    """
    shown = "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"
    return f"{shown} (exact)" if test == "exact" else shown


def recall_table(report: RetrievalReport) -> Table:
    """R@1 in percent, a row a language from the most to the least resources, a column a system."""
    heads = ["language", "tier", "queries", *report.systems]
    rows = []
    for code in report.languages:
        results = [system.languages[code] for system in report.systems.values()]
        levels = [percent(r.recall_at_1.value, r.recall_at_1.low, r.recall_at_1.high) for r in results]
        tier = report.tiers.tier(code) if report.tiers else DASH
        rows.append([f"{language_info(code).name} ({code})", tier, f"{results[0].queries:,}", *levels])
    rows.append(
        [
            "mean over languages",
            "",
            f"{len(report.queries.ids):,}",
            *(percent(system.mean) for system in report.systems.values()),
        ]
    )
    level = 100 * report.settings["confidence"]
    return Table(f"R@1 in percent, with {level:g} % intervals", heads, rows)


def measures_table(report: RetrievalReport) -> Table:
    """Means over languages of every measure, a row a system."""
    names = list(next(iter(next(iter(report.systems.values())).languages.values())).measures)
    rows = []
    for name, system in report.systems.items():
        languages = list(system.languages.values())
        means = [sum(language.measures[measure] for language in languages) / len(languages) for measure in names]
        rows.append([name, *(percent(mean) for mean in means)])
    return Table("Means over languages, in percent", ["system", *names], rows)


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


def tables(report: RetrievalReport) -> list[Table]:
    """All tables of a report."""
    gap = gap_table(report)
    return [recall_table(report), measures_table(report), *([gap] if gap else [])]


def report_markdown(report: RetrievalReport) -> str:
    """The tables as Markdown, with what was measured in a line below."""
    return "\n\n".join([*(table_markdown(table) for table in tables(report)), describe(report)]) + "\n"


def table_markdown(table: Table) -> str:
    """A table as Markdown, its title above."""
    lines = [
        _line(table.heads),
        _line(["---", *("---:" for _ in table.heads[1:])]),
        *(_line(row) for row in table.rows),
    ]
    return "\n".join([f"**{table.title}**", "", *lines])


def print_report(report: RetrievalReport) -> None:
    """Print the tables to the terminal."""
    for table in tables(report):
        print_table(table)
    Console().print(describe(report), highlight=False)


def print_table(table: Table) -> None:
    """Print a table to the terminal, intervals below their figures."""
    shown = RichTable(title=table.title, title_justify="left")
    for column, head in enumerate(table.heads):
        shown.add_column(head, justify="left" if column == 0 else "right")
    for row in table.rows:
        shown.add_row(*(cell.replace(" [", "\n[") for cell in row))
    Console().print(shown)


def describe(report: RetrievalReport) -> str:
    """One paragraph: collections, search, tiers, and why there is no gap if there is none."""
    settings = report.settings
    sets = ", ".join(f"{name} ({count:,} documents)" for name, count in report.documents.items())
    found = "exact" if settings["exact"] else "approximate"
    parts = [
        f"{len(report.queries.ids):,} queries in {len(report.languages)} languages, in {sets}; "
        f"search by {settings['search']}, engine {settings['engine']} ({found}); ties count against the system.",
        f"Intervals: {settings['rounds']:,} bootstrap rounds by group, seed {settings['seed']}.",
    ]
    if settings["recall_of_exact"]:
        shares = ", ".join(f"{name} {100 * share:.1f} %" for name, share in settings["recall_of_exact"].items())
        parts.append(f"Of the exact search's first {settings['depth']} documents the engine finds: {shares}.")
    if report.tiers is not None:
        named = [f"{name}: {', '.join(tier)}" for name, tier in report.tiers._asdict().items() if tier]
        parts.append(f"Tiers: {'; '.join(named)}.")
    if report.no_gap:
        parts.append(f"No gap: {report.no_gap}.")
    return " ".join(parts)


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _estimate(estimate: dict[str, Any] | None) -> str:
    return DASH if estimate is None else percent(estimate["value"], estimate["low"], estimate["high"])
