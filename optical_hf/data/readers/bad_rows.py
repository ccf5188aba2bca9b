"""What to do with a row that cannot be used. Knows nothing about formats."""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Literal

OnBadRow = Literal["error", "drop"]
"""Stop at the first bad row, or leave bad rows out and count them."""


def check_on_bad_row(value: Any, allowed: Sequence[str] = ("error", "drop")) -> None:
    """Raise ValueError where `value` is none of the words allowed."""
    if value not in allowed:
        raise ValueError(f"on_bad_row is {value!r}: expected one of {', '.join(map(repr, allowed))}")


def first_of(names: Iterable[Any]) -> str:
    """Name the first three, for messages.

    Example:
        >>> first_of(["q1"]), first_of([3, 17, 90, 91])
        ("the first is 'q1'", 'the first are 3, 17, 90')
    """
    three = [repr(name) for name in islice(names, 3)]
    return f"the first {'is' if len(three) == 1 else 'are'} {', '.join(three)}"
