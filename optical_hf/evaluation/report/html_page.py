"""A report as one HTML file: no network, no scripts, no fonts of its own; it opens from disk and prints.

Pictures are SVG in the page with their text as text: the reader's fonts draw it, and a search in the page finds it. Texts say
their language and take the direction of their script.
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from warnings import catch_warnings, simplefilter

from jinja2 import Environment

from optical_hf.evaluation.report.report_tables import Table
from optical_hf.files import write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TEMPLATE = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
PAGE = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(TEMPLATE)


class Picture(NamedTuple):
    """An SVG element; without a title it stands under none."""

    title: str
    svg: str


class Sentences(NamedTuple):
    """A list of sentences under a title."""

    title: str
    sentences: list[str]


def write_page(path: str | Path, title: str, about: str, parts: Sequence[Table | Picture | Sentences]) -> None:
    """Write a page: a title, a paragraph about it, and its parts in order."""
    write_text(Path(path), PAGE.render(title=title, about=about, parts=parts))


def svg_of(figure: "Figure") -> str:
    """The figure as an SVG element with its text as text; the same figure gives the same bytes."""
    from matplotlib import rc_context  # noqa: PLC0415 (an extra; the figure proves that it is there)

    buffer = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "optical-hf"}), catch_warnings():
        simplefilter("ignore", UserWarning)  # of glyphs that matplotlib's font lacks: the reader's fonts draw the text
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
