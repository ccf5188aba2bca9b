"""The range and the choices of each setting of an alignment."""

import math
from numbers import Integral, Real
from typing import Any, get_args

from optical_hf.models.alignment.alignment_report import Method, Plans, Start
from optical_hf.models.alignment.ridge_penalty import Selection

RANGES: dict[str, tuple[type, float, str]] = {
    "rounds": (Integral, 1, "a whole number from 1 up"),
    "epsilon": (Real, 0, "a number above 0"),
    "regularisation": (Real, 0, "a number above 0, or held_out_pairs"),
    "pooled_weight": (Real, 0, "a number from 0 up, or None to have it chosen"),
    "held_out": (Integral, 0, "a whole number from 0 up"),
    "batch_size": (Integral, 1, "a whole number from 1 up"),
    "memory_budget": (Integral, 0, "a whole number of bytes from 0 up"),
    "temperature": (Real, 0, "a number above 0"),
    "steps": (Integral, 1, "a whole number from 1 up"),
    "queries_per_step": (Integral, 2, "a whole number from 2 up"),
    "negatives": (Integral, 0, "a whole number from 0 up"),
    "hard_negatives": (Integral, 0, "a whole number from 0 up"),
    "learning_rate": (Real, 0, "a number above 0"),
    "document_share": (Real, 0, "a number between 0 and 1"),
    "pseudo_foreign": (Real, 0, "a number from 0 to 1"),
    "query_share": (Real, 0, "a number between 0 and 1"),
    "tokens_per_text": (Integral, 1, "a whole number from 1 up"),
    "max_documents": (Integral, 1, "a whole number from 1 up"),
}
"""Name -> the type of number, the least one, and the words of an error."""
ABOVE = ("epsilon", "regularisation", "temperature", "learning_rate", "document_share", "query_share")
"""Settings that must lie above their least number."""
SHARES = ("document_share", "pseudo_foreign", "query_share")
"""Settings of at most 1; those of `ABOVE` are less."""


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
        most = 1 if name in SHARES else math.inf
        if not number or not least <= value <= most or value == math.inf or (name in ABOVE and value in (least, most)):
            raise ValueError(f"{name} is {value!r}: expected {told}")


def check_choices(method: str, start: str | None, plans: str, regularisation: float | str) -> None:
    """Refuse a word that names no method, no start, no plans, or no way to choose a penalty.

    Raises:
        ValueError: naming the setting, what came and what is known.

    Example:
        >>> check_choices("contrastive", None, "direct", 1e-3)
    """
    for name, given, known in (("method", method, Method), ("start", start, Start), ("plans", plans, Plans)):
        if given is not None and given not in get_args(known):
            raise ValueError(f"unknown {name} {given!r}: expected one of {', '.join(get_args(known))}")
    if isinstance(regularisation, str) and regularisation not in get_args(Selection):
        raise ValueError(
            f"unknown regularisation {regularisation!r}: expected a number or {', '.join(get_args(Selection))}"
        )
