"""The numbers that a closed-form fit takes, each with its range; checked before any model runs."""

import math
from collections.abc import Callable
from numbers import Integral, Real

RANGES: dict[str, tuple[Callable[[float], bool], bool, str]] = {
    "rounds": (lambda value: value >= 1, True, "a whole number from 1 up"),
    "epsilon": (lambda value: value > 0, False, "a number above 0"),
    "regularisation": (lambda value: value > 0, False, "a number above 0, or how to choose it"),
    "pooled_weight": (lambda value: value >= 0, False, "a number from 0 up, or None to have it chosen"),
    "held_out": (lambda value: value >= 0, True, "a whole number from 0 up"),
    "batch_size": (lambda value: value >= 1, True, "a whole number from 1 up"),
    "memory_budget": (lambda value: value >= 0, True, "a whole number of bytes from 0 up"),
}
"""Name -> whether a number is in the range, whether it must be whole, and how the range is told."""


def check_ranges(**given: float | str | None) -> None:
    """Refuse a number that a fit could not use; text and None pass.

    Raises:
        ValueError: naming the setting, its range and what came.

    Example:
        >>> check_ranges(rounds=3, pooled_weight=None)
    """
    for name, value in given.items():
        inside, whole, told = RANGES[name]
        if value is None or isinstance(value, str):
            continue
        number = isinstance(value, Integral if whole else Real) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or not inside(value):
            raise ValueError(f"{name} is {value!r}: expected {told}")
