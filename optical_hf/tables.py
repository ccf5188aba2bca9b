"""Tables of `datasets` as users hand them over."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from datasets import DatasetDict, IterableDatasetDict

RELEVANT: Final = "relevant_document"
"""The column of bitext for a text that answers the English side."""
UNKNOWN_LANGUAGE = "und"
"""The code (BCP 47) of a language that nobody said."""


def language_of(row: Mapping[str, Any]) -> str:
    """The language of a row of bitext; "und" where it has none.

    Example:
        >>> language_of({"source": "water", "target": "biyo"})
        'und'
    """
    return row.get("language") or UNKNOWN_LANGUAGE


def check_table(table: Any, columns: Sequence[str] = (), what: str = "the bitext") -> None:
    """Make sure that a table is one, and has the columns that are read.

    Args:
        table: a `Dataset`, an `IterableDataset`, or a list of rows, of which nothing is checked.
        columns: the columns it must have; with any, a dictionary of columns and a text are refused too.
        what: what to call it.

    Raises:
        ValueError: for a dictionary of splits or of columns, a text, or a column that is missing.

    Example:
        >>> from datasets import Dataset
        >>> check_table(Dataset.from_dict({"source": ["water"], "target": ["biyo"]}), ["source", "target"])
    """
    if isinstance(table, (DatasetDict, IterableDatasetDict)):
        splits = list(table)
        raise ValueError(
            f"{what}: expected one table, got a {type(table).__name__} with the splits {', '.join(splits) or 'none'}; "
            f"choose a split, such as data[{splits[0] if splits else 'train'!r}]"
        )
    if columns and isinstance(table, (Mapping, str)):
        made = (
            "datasets.Dataset.from_dict(...) of columns"
            if isinstance(table, Mapping)
            else "optical_hf.load_bitext of files"
        )
        raise ValueError(
            f"{what}: expected a table or a list of rows, got a {type(table).__name__}; {made} makes a table"
        )
    names = getattr(table, "column_names", None)
    if names and (missing := [name for name in columns if name not in names]):
        raise ValueError(
            f"{what}: there is no column {' and no column '.join(map(repr, missing))}, only {', '.join(names)}; "
            "load bitext with optical_hf.load_bitext, or rename_column"
        )
