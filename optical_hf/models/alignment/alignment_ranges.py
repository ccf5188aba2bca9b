"""The range and the choices of each setting of an alignment, checked before any model runs."""

import math
from numbers import Integral, Real
from typing import Any, get_args

from optical_hf.models.alignment.alignment_report import Method, Start
from optical_hf.models.alignment.ridge_penalty import Selection

RANGES: dict[str, tuple[type, float, str]] = {
    "rounds": (Integral, 1, "a whole number from 1 up"),
    "epsilon": (Real, 0, "a number above 0"),
    "regularisation": (Real, 0, "a number above 0, or how to choose it"),
    "pooled_weight": (Real, 0, "a number from 0 up, or None to have it chosen"),
    "held_out": (Integral, 0, "a whole number from 0 up"),
    "batch_size": (Integral, 1, "a whole number from 1 up"),
    "memory_budget": (Integral, 0, "a whole number of bytes from 0 up"),
    "temperature": (Real, 0, "a number above 0"),
    "steps": (Integral, 1, "a whole number from 1 up"),
    "queries_per_step": (Integral, 2, "a whole number from 2 up"),
    "negatives": (Integral, 0, "a whole number from 0 up"),
    "learning_rate": (Real, 0, "a number above 0"),
}
"""Name -> the type of number, the least one, and the words of an error."""
ABOVE = ("epsilon", "regularisation", "temperature", "learning_rate")
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


def check_choices(method: str, start: str, regularisation: float | str) -> None:
    """Refuse a word that names no method, no start, or no way to choose a penalty.

    Raises:
        ValueError: naming the setting, what came and what is known.

    Example:
        >>> check_choices("contrastive", "ridge", 1e-3)
    """
    for name, given, known in (("method", method, Method), ("start", start, Start)):
        if given not in get_args(known):
            raise ValueError(f"unknown {name} {given!r}: expected one of {', '.join(get_args(known))}")
    if isinstance(regularisation, str) and regularisation not in get_args(Selection):
        raise ValueError(
            f"unknown regularisation {regularisation!r}: expected a number or one of {', '.join(get_args(Selection))}"
        )
