"""A report as one HTML file: no network, no scripts, no fonts of its own; opens from disk and prints.

Pictures are SVG in the page with their text as text, so the reader's fonts serve and a search finds the languages.
Queries and documents say their language and take the direction of their script. Knows reports and their pictures.
"""

import io
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING
from warnings import catch_warnings, simplefilter

from optical_hf.evaluation.report.comparison import Disagreement, compare_reports, disagreements
from optical_hf.evaluation.report.report_plots import plot_bitext, plot_gap, plot_recall
from optical_hf.evaluation.report.report_tables import Table, describe, tables
from optical_hf.evaluation.report.retrieval_report import RetrievalReport
from optical_hf.files import write_text
from optical_hf.languages import language_info

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 62rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
p.about { color: #555; }
figure { margin: 1rem 0; } figure svg { max-width: 100%; height: auto; }
figure svg text { font-family: system-ui, sans-serif !important; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; }
th, td { padding: .28rem .7rem; border-bottom: 1px solid #e2e2e2; vertical-align: top; }
th { text-align: start; border-bottom: 2px solid #999; position: sticky; top: 0; background: #fff; }
table.figures td:not(:first-child), table.figures th:not(:first-child) { text-align: end;
  font-variant-numeric: tabular-nums; }
td .interval { color: #777; font-size: .8em; white-space: nowrap; display: block; }
td.text { max-width: 20rem; overflow-wrap: anywhere; unicode-bidi: plaintext; text-align: start; }
tr:last-child td { border-bottom: 1px solid #999; }
@media print { body { margin: 0; max-width: none; } }
"""


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
    """Write the page.

    Args:
        report: as `evaluate_retrieval` returns it; one read from JSON has no texts, so the disagreements show ids.
        path: where to.
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
    parts = [_figure("R@1 by language", plot_recall(report))]
    if report.tiers is not None:
        parts.append(_figure("The gap", plot_gap(report)))
    if pairs is not None:
        parts.append(_figure("R@1 against bitext", plot_bitext(report, pairs)))
    parts += [_figure(heading, figure) for heading, figure in (figures or {}).items()]
    parts += [_table(table) for table in tables(report)]
    names = list(report.systems)
    if compare is None and len(names) > 1:
        compare = (names[0], names[1])
    if compare is not None:
        first, second = compare
        limit = limit or max(30, len(report.languages))
        if report.tiers is not None:
            parts.append(_table(compare_reports(report, system=first, other_system=second).table()))
        for finds, misses in ((first, second), (second, first)):
            parts.append(_disagreements(finds, misses, disagreements(report, finds, misses, limit)))
    about = f'<p class="about">{escape(describe(report))}</p>'
    write_text(
        Path(path),
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{escape(title)}</title>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n{about}\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n",
    )


def _figure(heading: str, figure: "Figure") -> str:
    return f"<h2>{escape(heading)}</h2>\n<figure>{svg_of(figure)}</figure>"


def svg_of(figure: "Figure") -> str:
    """The figure as an SVG element with its text as text; the same figure gives the same bytes."""
    from matplotlib import rc_context  # noqa: PLC0415 (an extra; the figure proves that it is there)

    buffer = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "optical-hf"}), catch_warnings():
        simplefilter("ignore", UserWarning)  # of glyphs that matplotlib's font lacks: the reader's fonts draw the text
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def _table(table: Table) -> str:
    heads = "".join(f"<th>{escape(head)}</th>" for head in table.heads)
    rows = "\n".join(f"<tr>{''.join(_cell(cell) for cell in row)}</tr>" for row in table.rows)
    return (
        f'<h2>{escape(table.title)}</h2>\n<div class="wide"><table class="figures"><thead><tr>{heads}</tr></thead>\n'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _cell(cell: str) -> str:
    value, bracket, rest = cell.partition(" [")
    interval = f'<span class="interval">[{escape(rest)}</span>' if bracket else ""
    return f"<td>{escape(value)}{interval}</td>"


def _disagreements(finds: str, misses: str, found: list[Disagreement]) -> str:
    heading = f"<h2>Found first by {escape(finds)}, missed by {escape(misses)}</h2>"
    if not found:
        return f"{heading}\n<p>None.</p>"
    heads = ("language", "query", "right document", f"first of {misses}", f"rank by {misses}")
    rows = "\n".join(
        f"<tr><td>{escape(language_info(row.language).name)}</td>"
        f'<td class="text" dir="auto" lang="{escape(row.language)}">{escape(row.query)}</td>'
        f'<td class="text" dir="auto">{escape(row.right)}</td><td class="text" dir="auto">{escape(row.instead)}</td>'
        f"<td>{escape(row.rank)}</td></tr>"
        for row in found
    )
    head = "".join(f"<th>{escape(cell)}</th>" for cell in heads)
    return f'{heading}\n<div class="wide"><table><thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody></table></div>'
