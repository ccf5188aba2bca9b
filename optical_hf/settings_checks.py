"""Checks of what a caller chooses: names from a list, whole numbers, lists rather than texts."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields, replace
from difflib import get_close_matches
from inspect import signature
from numbers import Integral
from typing import Any, TypeVar

Settings = TypeVar("Settings")


def with_fields(settings: Settings, given: Mapping[str, Any], function: Callable[..., Any]) -> Settings:
    """A dataclass of settings with the keywords that were given to a function.

    Raises:
        TypeError: for a keyword that is no field.
    """
    known = [field.name for field in fields(settings)]  # type: ignore[arg-type]
    for name in given:
        if name not in known:
            near = get_close_matches(name, [*known, *signature(function).parameters], n=1)
            meant = f"did you mean {near[0]!r}?" if near else f"settings are {', '.join(known)}"
            raise TypeError(f"{function.__name__} got an unexpected keyword argument {name!r}; {meant}")
    return replace(settings, **given)  # type: ignore[type-var]


def check_choices(**chosen: tuple[Any, Collection[str]]) -> None:
    """Raise ValueError for a value that is none of its choices, given as name=(value, choices)."""
    for name, (value, choices) in chosen.items():
        if not isinstance(value, str) or value not in choices:
            raise ValueError(f"{name}: expected one of {', '.join(choices)}, got {value!r}")


def check_counts(**counts: Any) -> None:
    """Raise ValueError for what is not a whole number of at least 1."""
    for name, value in counts.items():
        if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{name}: expected a whole number of at least 1, got {value!r}")


def check_lists(**lists: Any) -> None:
    """Raise ValueError for a text, or a single number, where a list is expected; None passes."""
    for name, value in lists.items():
        if isinstance(value, str) or not (value is None or isinstance(value, Collection)):
            raise ValueError(f"{name}: expected a list, got {value!r}; write [{value!r}]")


def check_cutoffs(k: Sequence[int], depth: int | None = None) -> None:
    """Raise ValueError for cutoffs that are no list of whole numbers, or that the search depth cannot answer."""
    check_lists(k=k)
    for cutoff in k:
        check_counts(k=cutoff)
    if not k:
        raise ValueError("k: expected at least one cutoff of R@k, got none")
    if depth is None:
        return
    check_counts(depth=depth)
    if max(k) > depth:
        raise ValueError(
            f"cutoffs k must lie between 1 and the search depth {depth}, got {tuple(k)}: R@k beyond it is unknown"
        )


def check_names(what: str, given: Collection[str], known: Collection[str]) -> None:
    """Raise ValueError for names that would not be read."""
    unknown = [name for name in given if name not in known]
    if unknown:
        raise ValueError(
            f"{what}: no {', '.join(map(repr, unknown))} here, only {', '.join(known)}: it would not be read"
        )


def check_vectors(
    queries: Mapping[str, Mapping[str, Any]],
    documents: Mapping[str, Any],
    systems: Collection[str],
    collections: Collection[str],
) -> None:
    """Raise ValueError for computed vectors of a system or a collection that is not evaluated."""
    check_names("query_vectors", queries, systems)
    for name, vectors in queries.items():
        check_names(f"query_vectors of {name}", vectors, collections)
    check_names("document_vectors", documents, collections)
