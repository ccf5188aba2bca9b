"""Arguments and columns under the names they had before."""

import warnings
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from datasets import Dataset, IterableDataset

P = ParamSpec("P")
R = TypeVar("R")


def renamed_argument(old: str, new: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a function take the keyword `new` under its old name as well, with a FutureWarning.

    Args:
        old: the name up to version 0.1.
        new: the name now.

    Raises:
        TypeError: at a call with both.

    Example:
        >>> @renamed_argument("faults", "on_bad_row")
        ... def load(on_bad_row="error"):
        ...     return on_bad_row
        >>> load(on_bad_row="drop")
        'drop'
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            if old in kwargs:
                if new in kwargs:
                    raise TypeError(f"{function.__name__}: got {new}= and its old name {old}=; give {new}= alone")
                warnings.warn(f"{old}= is now called {new}=", FutureWarning, stacklevel=2)
                kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return call

    return decorate


Table = TypeVar("Table", Dataset, IterableDataset, None)


def renamed_column(table: Table, old: str, new: str) -> Table:
    """A table with a column under the name it has now, with a FutureWarning where it came under the old one.

    Args:
        table: or None, or a list of rows, which is given back as it is.
        old: the name up to version 0.1.
        new: the name now.

    Raises:
        ValueError: for a table with both.

    Example:
        >>> renamed_column(Dataset.from_dict({"a": [1]}), "b", "c").column_names
        ['a']
    """
    if not isinstance(table, Dataset | IterableDataset):
        return table
    names = table.column_names or next(iter(table), {})
    if old not in names:
        return table
    if new in names:
        raise ValueError(f"the column {old!r} is now called {new!r}, and both are there: leave {old!r} out")
    warnings.warn(f"the column {old!r} is now called {new!r}", FutureWarning, stacklevel=3)
    return table.rename_column(old, new)
