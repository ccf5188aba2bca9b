"""`write_html`: a retrieval report as one HTML page."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from optical_hf.evaluation.report.comparison import compare_reports, disagreement_table
from optical_hf.evaluation.report.cutoff_views import cutoff_tables, plot_cutoffs
from optical_hf.evaluation.report.html_page import Picture, svg_of, write_page
from optical_hf.evaluation.report.report_plots import plots
from optical_hf.evaluation.report.report_tables import describe, tables
from optical_hf.evaluation.report.retrieval_report import RetrievalReport

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_html(
    report: RetrievalReport,
    path: str | Path,
    *,
    title: str = "Retrieval across languages",
    pairs: Mapping[str, int] | None = None,
    figures: "Mapping[str, Figure] | None" = None,
    compare: tuple[str, str] | None = None,
    limit: int | None = None,
) -> None:
    """Write a report as one HTML page with its plots and tables, the comparison of two systems and their disagreements.

    Args:
        report: as `evaluate_retrieval` returns it; one read from JSON has no texts, so the disagreements show ids.
        path: of the page.
        title: of the page.
        pairs: bitext pairs by language, for the plot of R@1 against them.
        figures: more matplotlib figures by heading, such as the plan of a pair:
            `{"Plan": alignment_heatmap(plan, words, english).figure}`.
        compare: two systems to test and to show disagreements of; None takes the first two of the report.
        limit: rows of each table of disagreements; None takes 30, or one for each language where there are more.

    Raises:
        ValueError: for an unknown system in `compare`.

    Example:
        >>> write_html(report, "report.html", pairs={"de": 29_000, "so": 5_101})  # doctest: +SKIP
    """
    pictures = {**plots(report, pairs), **(figures or {})}
    parts = [*(Picture(heading, svg_of(figure)) for heading, figure in pictures.items()), *tables(report)]
    for name, table in zip(report.cutoffs, cutoff_tables(report), strict=True):
        parts += [table, Picture("", svg_of(plot_cutoffs(report, name)))]
    if compare is None and len(report.systems) > 1:
        first, second, *_ = report.systems
        compare = first, second
    if compare is not None:
        first, second = compare
        limit = limit or max(30, len(report.languages))
        if report.resource_groups is not None:
            parts.append(compare_reports(report, system=first, other_system=second).table())
        parts += [disagreement_table(report, first, second, limit), disagreement_table(report, second, first, limit)]
    write_page(path, title, describe(report), parts)
