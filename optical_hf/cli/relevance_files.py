"""Relevance pairs of files: English queries and documents that answer them."""

from pathlib import Path

from datasets import Dataset

from optical_hf.data import load_bitext
from optical_hf.reading.bad_rows import OnBadRow


def load_relevance(files: list[str] | None, on_bad_row: OnBadRow) -> Dataset | None:
    """A table of `query` and `document`; None without files.

    Args:
        files: read as bitext is, the query as what is foreign there; a name alone has the fields query and document.
        on_bad_row: a pair with an empty side stops, or is dropped and counted.
    """
    if not files:
        return None
    named = [f"en={file}" if ":" in Path(file).name else f"en={file}:query,document" for file in files]
    rows = load_bitext(named, on_bad_row=on_bad_row)
    return rows.select_columns(["target", "source"]).rename_columns({"target": "query", "source": "document"})
