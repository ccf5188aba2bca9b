"""Texts from a list or from a column of a bitext table."""

from collections.abc import Iterable
from typing import Literal, TypeAlias

from datasets import Dataset, IterableDataset

from optical_hf.tables import check_table

Texts: TypeAlias = Iterable[str] | Dataset | IterableDataset


def texts_of(texts: Texts, column: Literal["source", "target", "relevant_document"]) -> list[str]:
    """The texts as a list; of a table of bitext, those of `column` ("source" is English).

    Raises:
        ValueError: for one string, whose letters would be taken for texts, and for no texts at all.
    """
    if isinstance(texts, str):
        raise ValueError("texts is one string: its letters would be taken for texts; pass a list of texts")
    check_table(texts, [column], "texts")
    if isinstance(texts, Dataset | IterableDataset):
        texts = (row[column] for row in texts.select_columns(column))
    found = list(texts)
    if not found:
        raise ValueError(f"no texts: pass a list of texts, or bitext with a `{column}` column and at least one row")
    return found
