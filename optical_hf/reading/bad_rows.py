"""What happens to a row that cannot be used: it stops the reading, or is left out and counted."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, TypeVar

T = TypeVar("T")
R = TypeVar("R")
OnBadRow = Literal["error", "drop"]
"""Stop at the first bad row, or leave bad rows out and count them."""


class BadRecord(ValueError):
    """What is wrong with a line or a record. Whoever knows the row names it, and the file where `path` does not."""

    def __init__(self, reason: str, path: str | None = None) -> None:
        super().__init__(reason)
        self.path = path


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


@dataclass(frozen=True)
class LeftOut:
    """Rows of a file that were left out.

    Attributes:
        count: how many.
        first: the numbers of the first three.
        reason: what is wrong with the first of all.
    """

    count: int = 0
    first: Sequence[int] = ()
    reason: str = ""

    def __str__(self) -> str:
        rows = "1 row" if self.count == 1 else f"{self.count:,} rows"
        return f"dropped {rows}, {first_of(self.first)}; row {self.first[0]}: {self.reason}"

    def __add__(self, other: "LeftOut") -> "LeftOut":
        return LeftOut(self.count + other.count, (*self.first, *other.first)[:3], self.reason or other.reason)


class BadRows:
    """The bad rows of one file: the first raises, or all are counted.

    Args:
        path: the file, for messages.
        on_bad_row: "drop" counts; anything else raises.
    """

    def __init__(self, path: str, on_bad_row: str = "error") -> None:
        self.path, self.on_bad_row = path, on_bad_row
        self.left_out = LeftOut()

    def __call__(self, row: int, reason: str, path: str | None = None) -> None:
        """Take note of a bad row, where it is not in the file itself with the `path` of that other file.

        Raises:
            ValueError: with file and row, unless bad rows are dropped.
        """
        if self.on_bad_row != "drop":
            raise ValueError(f"{path or self.path}:{row}: {reason}")
        self.skip(row, reason)

    def skip(self, row: int, reason: str) -> None:
        """Count a row that is left out whatever `on_bad_row` says."""
        self.left_out += LeftOut(1, (row,), reason)

    def reading(self, rows: Iterable[tuple[int, T | BadRecord]], read: Callable[[int, T], Iterable[R]]) -> Iterator[R]:
        """Yield what `read` makes of every numbered row; a `BadRecord`, in its place or raised, is a bad row."""
        for number, row in rows:
            try:
                if isinstance(row, BadRecord):
                    raise row
                found = read(number, row)
            except BadRecord as error:
                self(number, str(error), error.path)
                continue
            yield from found
