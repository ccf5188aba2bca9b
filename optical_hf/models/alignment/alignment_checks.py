"""What an alignment can be fitted on, and the range and the choices of each setting, checked before any model runs."""

import math
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any, TypeAlias, get_args

from datasets import Dataset, IterableDataset

from optical_hf.models.alignment.alignment_report import Method, Plans, Start
from optical_hf.models.alignment.ridge_penalty import Selection
from optical_hf.models.teachers.teacher import Teacher
from optical_hf.tables import check_table

Bitext: TypeAlias = Dataset | IterableDataset | Iterable[Mapping[str, Any]]

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
            f"unknown regularisation {regularisation!r}: expected a number or one of {', '.join(get_args(Selection))}"
        )


def check_inputs(
    bitext: Bitext | None,
    documents: Any,
    method: Method,
    planned: bool,
    relay: bool,
    also_english: bool,
    regularisation: float | Selection,
    unread_queries: bool = False,
) -> None:
    """Refuse what cannot be fitted on: nothing at all, plans without bitext, relay plans without English, documents for plans.

    Args:
        bitext: or None.
        documents: or None.
        method: what is fitted.
        planned: whether it needs transport plans.
        relay: whether these are relay plans.
        also_english: whether the student reads the English sides.
        regularisation: the penalty, or how to choose it.
        unread_queries: whether query texts came that the fit would not read.

    Raises:
        ValueError: saying what to pass.
    """
    if unread_queries:
        raise ValueError(
            "query_texts, document_sentences and relevance_pairs are for students of one vector and fits without plans, the last "
            "for method='contrastive' alone: leave them out, or take method='contrastive' with start='ridge'"
        )
    if bitext is None and documents is None:
        raise ValueError("there is nothing to fit on: pass bitext, documents, or both")
    if bitext is None and planned:
        raise ValueError(
            "transport plans need bitext: pass some, or take method='ridge' or 'contrastive' with start='ridge'"
        )
    if bitext is None and regularisation == "held_out_language":
        raise ValueError("regularisation='held_out_language' needs bitext: take 'held_out_pairs' or a number")
    if relay and not also_english:
        raise ValueError("relay plans go over the English side as the student reads it: leave also_english=True")
    if documents is not None and method == "transport":
        raise ValueError("documents are not for method='transport': take 'ridge' or 'contrastive'")
    if bitext is not None:
        check_table(bitext, ["source", "target", *(["language"] if regularisation == "held_out_language" else [])])


def checked_teacher(
    teacher: Teacher, bitext: Bitext | None, method: Method, start: Start, planned: bool, by_maxsim: bool
) -> Teacher:
    """The teacher, if it can give what the fit needs.

    Raises:
        ValueError: plans or MaxSim where it has one vector a text and no tokens, or English sides that it has no vectors for.
    """
    if not teacher.has_tokens and (planned or by_maxsim):
        asked = "method='transport'" if method == "transport" else f"start={start!r}" if planned else "MaxSim"
        raise ValueError(
            f"{asked} moves tokens onto the teacher's tokens, and the teacher is vectors alone, one a text: a plan onto one vector "
            "says nothing; take method='contrastive' or 'ridge' and a student of one vector"
        )
    if isinstance(bitext, Dataset):
        teacher.check_texts(bitext["source"][:])
    return teacher
