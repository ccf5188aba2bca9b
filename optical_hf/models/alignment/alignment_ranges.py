"""The range of each setting of a closed-form fit, checked before any model runs."""

import math
from numbers import Integral, Real
from typing import Any

RANGES: dict[str, tuple[type, float, str]] = {
    "rounds": (Integral, 1, "a whole number from 1 up"),
    "epsilon": (Real, 0, "a number above 0"),
    "regularisation": (Real, 0, "a number above 0, or how to choose it"),
    "pooled_weight": (Real, 0, "a number from 0 up, or None to have it chosen"),
    "held_out": (Integral, 0, "a whole number from 0 up"),
    "batch_size": (Integral, 1, "a whole number from 1 up"),
    "memory_budget": (Integral, 0, "a whole number of bytes from 0 up"),
}
"""Name -> the type of number, the least one, and the words of an error."""
ABOVE = ("epsilon", "regularisation")
"""Settings that must lie above their least number."""


def check_ranges(**given: Any) -> None:
    """Refuse a number that a fit could not use; text and None pass.

    Raises:
        ValueError: naming the setting, its range and what came.

    Example:
        >>> check_ranges(rounds=3, pooled_weight=None)
    """
    for name, value in given.items():
        kind, least, told = RANGES[name]
        if value is None or isinstance(value, str):
            continue
        number = isinstance(value, kind) and not isinstance(value, bool)
        if not number or not least <= value < math.inf or (name in ABOVE and value == least):
            raise ValueError(f"{name} is {value!r}: expected {told}")
