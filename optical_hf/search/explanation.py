"""An alignment of words as text, and as a page or a picture."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text as RichText

from optical_hf.evaluation.report.html_page import Picture, svg_of, write_page
from optical_hf.evaluation.report.report_tables import Table, Text
from optical_hf.files import write_whole
from optical_hf.ot.heatmap import alignment_heatmap
from optical_hf.search.token_alignment import TokenAlignment

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DRAWN = 24
"""Words of a document that a picture shows: those that take most of the query."""
NOTES = {
    "maxsim": "Each word of the query chooses alone among the words of the document.",
    "plan": "A transport plan: all of the query is moved, and no word of the document takes all.",
}


def print_explanation(alignments: Sequence[TokenAlignment]) -> None:
    """Print to the terminal which word of a document stands for each word of its query."""
    console = Console()
    for one in alignments:
        table = RichTable(title=RichText(f"{one.query.text}  ←  {one.document.id}"), title_justify="left")
        for head in ("query", "document"):
            table.add_column(head, overflow="fold")
        for head in ("share", "cosine"):
            table.add_column(head, justify="right")
        for link in one.links:
            table.add_row(RichText(link.query), RichText(link.document), f"{link.share:.0%}", f"{link.cosine:.2f}")
        console.print(table)


def write_explanation(alignments: Sequence[TokenAlignment], path: str | Path) -> None:
    """Write alignments as one page (.html), or one alignment as a picture (.png, .svg, .pdf).

    Args:
        alignments: from `explain`.
        path: of the file; its ending says which.

    Raises:
        ValueError: another ending, or several alignments for a picture.
        ImportError: without the extra `viz`.
    """
    ending = check_explanation(path, len(alignments))
    if ending == "html":
        parts: list[Picture | Table] = []
        for one in alignments:
            parts += [Picture(f"{one.query.text} ← {one.document.id}", svg_of(_figure(one))), _table(one)]
        write_page(path, "Why these documents were found", NOTES[alignments[0].by] if alignments else "", parts)
        return
    write_whole(path, partial(_figure(alignments[0]).savefig, format=ending, dpi=200))


def check_explanation(path: str | Path, alignments: int) -> str:
    """The ending of the path: html, png, svg or pdf; ValueError for another, or where several are to be one picture."""
    ending = Path(path).suffix.removeprefix(".").lower()
    if ending not in ("html", "png", "svg", "pdf"):
        raise ValueError(f"{path}: expected a page x.html or a picture x.png, x.svg or x.pdf")
    if ending != "html" and alignments != 1:
        raise ValueError(f"{path}: a picture shows one query and one document, there are {alignments}; write x.html")
    return ending


def _figure(one: TokenAlignment) -> "Figure":
    drawn = one.chosen(DRAWN)
    axes = alignment_heatmap(one.share_QW[:, drawn], one.query_words, [one.document_words[n] for n in drawn])
    axes.set_xlabel(
        "document" if len(drawn) == len(one.document_words) else f"document: the {len(drawn)} words that take most"
    )
    axes.set_ylabel("query")
    return axes.figure  # type: ignore[return-value]


def _table(one: TokenAlignment) -> Table:
    rows: list[list[str | Text]] = [
        [Text(link.query, one.query.language), Text(link.document, "en"), f"{link.share:.0%}", f"{link.cosine:.2f}"]
        for link in one.links
    ]
    note = f"Document: {one.document.text}"
    return Table("", ["query", "document", "share", "cosine"], rows, names=2, note=note)
