"""The first few of many values, for an error message."""

from collections.abc import Sequence

import numpy as np

SHOWN = 5


def first_few(values: Sequence[object] | np.ndarray) -> str:
    """The first values, separated by commas; "none" where there are none.

    Example:
        >>> first_few(["a", "b", "c", "d", "e", "f"]), first_few([])
        ('a, b, c, d, e, ...', 'none')
    """
    if not len(values):
        return "none"
    return ", ".join(str(value) for value in values[:SHOWN]) + (", ..." if len(values) > SHOWN else "")
