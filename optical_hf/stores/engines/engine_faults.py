"""What goes wrong in an engine, as one line that names the store and holds no secret."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from optical_hf.stores.document_store import Metric
from optical_hf.stores.store_location import StoreLocation, without_secrets

LONGEST = 300
"""Characters kept of what an engine says."""


class NoTableError(ValueError):
    """There is no such table, collection or file: one that is filled is made."""


def secret_of(location: StoreLocation, variable: str) -> str | None:
    """The password or key of a URL, or of the environment."""
    return location.secret or os.environ.get(variable) or None


@contextmanager
def engine_faults(location: StoreLocation, secret: str | None = None) -> Iterator[None]:
    """A context in which an error of an engine becomes a ValueError of one line.

    Args:
        location: the store, named in front.
        secret: taken out of what the engine says.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, ImportError) or str(error).startswith(str(location)):
            raise
        raise ValueError(_line(location, error, secret)) from None


@contextmanager
def closed_on_fault(client: Any) -> Iterator[None]:
    """A context in which an error closes a connection, so that no lock of it stays."""
    try:
        yield
    except BaseException:
        client.close()
        raise


def check_columns(location: StoreLocation, columns: Iterable[str]) -> None:
    """Raise ValueError where the columns that a location names are not all there."""
    known = list(columns)
    for what in ("text", "title", "id"):
        name = getattr(location, what)
        if name is not None and name not in known:
            raise _no_column(location, what, name, known)


def vector_column(location: StoreLocation, found: Sequence[str], columns: Iterable[str]) -> str:
    """The column of the vectors: the one that a location names, or the only one that holds vectors.

    Args:
        location: names it, or not.
        found: the columns that hold vectors.
        columns: all columns.

    Raises:
        ValueError: the named one holds none or is not there; none is named and there is not exactly one.
    """
    if location.vector is not None:
        if location.vector in found:
            return location.vector
        if location.vector in set(columns):
            named = ", ".join(found) or "none"
            raise ValueError(f"{location}: the column {location.vector!r} holds no vectors; those that do: {named}")
        raise _no_column(location, "vector", location.vector, columns)
    if len(found) != 1:
        has = (
            f"several columns of vectors, {', '.join(found)}: name one with vector="
            if found
            else "no column of vectors"
        )
        raise ValueError(f"{location}: the table has {has}")
    return found[0]


def metric_named(location: StoreLocation, metrics: dict[str, Metric], name: str | None) -> Metric:
    """What a store compares by: as its index says, or the URL, or by cosine.

    Args:
        location: may say `metric=`, for a store without an index.
        metrics: of an engine, by its names.
        name: of the index; None where there is none.

    Raises:
        ValueError: a metric that is none of cosine, dot and euclidean.
    """
    if name is not None:
        if name in metrics:
            return metrics[name]
        raise ValueError(f"{location}: its index compares by {name}; expected one of {', '.join(metrics)}")
    match location.options.get("metric", "cosine"):
        case "cosine" | "dot" | "euclidean" as said:
            return said
    raise ValueError(f"{location}: metric is {location.options['metric']!r}: expected cosine, dot or euclidean")


def packed_signs(vectors_ND: Any) -> np.ndarray:
    """The signs of vectors as bits, eight in a byte, (N, D / 8): how binary indexes hold them."""
    return np.packbits(np.asarray(vectors_ND) > 0, axis=-1)


def unpacked_signs(bytes_NB: np.ndarray) -> np.ndarray:
    """Packed bits as vectors of 1 and -1, (N, 8 B)."""
    return np.unpackbits(bytes_NB, axis=-1).astype(np.float32) * 2 - 1


def _no_column(location: StoreLocation, what: str, name: str, known: Iterable[str]) -> ValueError:
    names = ", ".join(map(str, known)) or "none"
    return ValueError(
        f"{location}: there is no column {name!r}, only {names}; name the one of the {what}s with {what}="
    )


def _line(location: StoreLocation, error: BaseException, secret: str | None) -> str:
    said = without_secrets(" ".join(str(error).split()) or type(error).__name__, secret)
    return f"{location}: {said[:LONGEST]}"
