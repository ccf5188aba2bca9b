"""A store as a source of documents: opened by its URL, and what changes when it does."""

from typing import Any

from xxhash import xxh3_64_intdigest

from optical_hf.stores.document_store import DocumentStore
from optical_hf.stores.engines import ENGINE_OPENERS
from optical_hf.stores.store_location import StoreLocation

SAMPLED = 256
"""Rows whose texts and vectors are part of a store's stamp: a server may keep no number of changes."""


def opened_store(location: StoreLocation, wants_vectors: bool) -> DocumentStore:
    """A store that is open for reading.

    Raises:
        ValueError: as its engine; or it holds one vector a token, and vectors are wanted.
    """
    store = ENGINE_OPENERS[location.scheme](location)
    if store.late_interaction and wants_vectors:
        store.close()
        raise ValueError(
            f"{location}: holds one vector a token, and documents are read with one vector a text: name a column of those with "
            "vector= in the URL, or read the texts alone with vector=None"
        )
    return store


def stamp_of(store: DocumentStore) -> tuple[Any, ...]:
    """What changes when a store does: as far as it says, and a number of its first rows."""
    first = next(iter(store.rows(SAMPLED)), None)
    if first is None:
        return store.stamp
    texts = repr((first.ids, first.texts)).encode(errors="surrogatepass")
    vectors = b"" if first.vectors is None else first.vectors.vectors.numpy().tobytes()
    return (*store.stamp, store.width, xxh3_64_intdigest(texts + vectors))
