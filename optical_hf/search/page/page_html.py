"""The parts of the page as HTML: what each system found, and the plots of a report. Texts take the direction of their script."""

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment

from optical_hf.evaluation.report.html_page import svg_of
from optical_hf.evaluation.report.report_plots import plots
from optical_hf.evaluation.report.report_tables import describe
from optical_hf.evaluation.report.retrieval_report import RetrievalReport
from optical_hf.search.page.drawn_words import drawn_document, drawn_query
from optical_hf.search.page.page_systems import Column

HERE = Path(__file__).parent
HTML = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
ANSWERS = HTML.from_string(HERE.joinpath("answers.html").read_text(encoding="utf-8"))
REPORT = HTML.from_string(
    '<div class="report"><p>{{ about }}</p>'
    "{% for title, svg in plots.items() %}<h2>{{ title }}</h2><figure>{{ svg | safe }}</figure>{% endfor %}</div>"
)
MARKED = 32
"""Words of a query that light up alone under the pointer or the keyboard's focus."""
ALONE = "details:has(.asked.n{n}:is(:hover, :focus)) :is(.asked, .answered):not(.n{n}) {{ background: none; border-color: #0000; }}"
STYLE = HERE.joinpath("page.css").read_text(encoding="utf-8") + "\n".join(
    ALONE.format(n=number) for number in range(1, MARKED + 1)
)


def answers_html(columns: Sequence[Column]) -> str:
    """What each system found, side by side where there is room, each document with its words drawn over it and the query."""
    return ANSWERS.render(columns=columns, asked=drawn_query, answered=drawn_document)


def report_html(report: RetrievalReport) -> str:
    """The plots of a report.

    Raises:
        ImportError: without matplotlib.
    """
    drawn = {title: svg_of(figure) for title, figure in plots(report).items()}
    return REPORT.render(about=describe(report), plots=drawn)
