"""`fill_store`: texts into a new store with the vectors that an encoder gives them; a fill that was killed goes on.

The id of a document is its place. Batches are written in that order, so what is there is a beginning of the texts. Nothing but
the place of the next one has to be known to go on.

Shapes: R rows of a batch.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, Protocol

from optical_hf.processes import Processes
from optical_hf.settings_checks import check_counts
from optical_hf.stores.document_store import Metric, StoreRows
from optical_hf.stores.engines.engine_faults import NoTableError
from optical_hf.stores.engines.lancedb_store import make_lancedb, open_lancedb
from optical_hf.stores.engines.milvus_store import make_milvus, open_milvus
from optical_hf.stores.engines.postgresql_store import make_postgresql, open_postgresql
from optical_hf.stores.engines.qdrant_store import make_qdrant, open_qdrant
from optical_hf.stores.faiss_file import make_faiss_file, open_faiss_file
from optical_hf.stores.store_location import Scheme, StoreLocation
from optical_hf.stores.vectors import VectorSet

logger = logging.getLogger(__name__)

COMPARED = 64
"""First rows of a store that was begun, whose texts must be those that are given."""


class Fillable(Protocol):
    """A store that rows are added to."""

    @property
    def count(self) -> int:
        """Rows."""
        ...

    def rows(self, batch_size: int) -> Iterator[StoreRows]:
        """All rows, a batch at a time."""
        ...

    def add(self, rows: StoreRows) -> None:
        """Write rows behind those that are there."""
        ...

    def close(self) -> None:
        """Write what waits, and let go."""
        ...


def fill_store(
    url: str | StoreLocation,
    texts: Sequence[str],
    encode: Callable[[list[str]], Any],
    *,
    batch_size: int = 1024,
    metric: Metric = "cosine",
) -> int:
    """Write texts and their vectors to a store; where an earlier call was stopped, write the rest.

    Under `accelerate launch` each process encodes its share of a batch, and the first one writes.

    Args:
        url: of the store, as `open_store` takes it; the table is made where it is missing. Not `file://`.
        texts: all of them, in the same order at each call.
        encode: gives the vectors of a batch of texts, (R, D): `teacher.encode_document`.
        batch_size: texts that are encoded and written together, by all processes: what a killed fill loses at most.
        metric: what a new table compares by.

    Returns:
        How many texts were encoded by this call, by all processes.

    Raises:
        ValueError: a store that cannot be reached or written to; one that holds other texts; token vectors.
        ImportError: without the extra of its engine.

    Example:
        >>> import tempfile, numpy
        >>> folder = tempfile.mkdtemp()
        >>> fill_store(f"faiss://{folder}/docs.faiss", ["a dog", "a cat"], lambda texts: numpy.eye(2, dtype="float32"))
        2
        >>> fill_store(f"faiss://{folder}/docs.faiss", ["a dog", "a cat"], lambda texts: numpy.eye(2, dtype="float32"))
        0
    """
    check_counts(batch_size=batch_size)
    location = StoreLocation.parse(url) if isinstance(url, str) else url
    if location.scheme not in FILLED:
        raise ValueError(f"{location}: is not filled; expected one of {', '.join(f'{name}://' for name in FILLED)}")
    fill = FILLED[location.scheme]
    location = replace(location, id=location.id or fill.id, vector=location.vector or fill.vector)
    processes, store = Processes.started(), None

    def begun() -> int:
        nonlocal store
        with suppress(NoTableError):
            store = fill.open(location)
            return _done(location, store, texts)
        return 0

    def write(start: int, batch: list[str], vectors: VectorSet) -> None:
        nonlocal store
        store = store or fill.make(location, vectors.width, metric)
        store.add(StoreRows(list(map(str, range(start, start + len(batch)))), batch, vectors))

    try:
        done = processes.agreed(begun)
        for start in range(done, len(texts), batch_size):
            batch = list(texts[start : start + batch_size])
            vectors = _encoded(encode, batch, processes)
            processes.agreed(partial(write, start, batch, vectors))
    finally:
        if store is not None:
            store.close()
    return len(texts) - done


def _encoded(encode: Callable[[list[str]], Any], batch: list[str], processes: Processes) -> VectorSet:
    """The vectors of a batch, on every process; each encodes a piece of it."""
    size = -(-len(batch) // processes.count)
    mine = batch[processes.rank * size : (processes.rank + 1) * size]
    parts = processes.gather(VectorSet.of(encode(mine)) if mine else None)
    vectors = VectorSet.join([part for part in parts if part is not None]).check("the texts")
    if vectors.lengths is not None or len(vectors) != len(batch):
        raise ValueError(f"expected {len(batch)} vectors, one a text, from encode, got {len(vectors)} items")
    return vectors


def _done(location: StoreLocation, store: Fillable, texts: Sequence[str]) -> int:
    """How many texts are there, after a look that they are these."""
    count = store.count
    if count > len(texts):
        raise ValueError(f"{location}: holds {count:,} rows, and {len(texts):,} texts were given: it is another index")
    first = next(iter(store.rows(COMPARED)), None)
    if first is not None:
        for id_, text in zip(first.ids, first.texts, strict=True):
            if not id_.isdecimal() or int(id_) >= len(texts) or texts[int(id_)] != text:
                raise ValueError(
                    f"{location}: holds other texts, the first is {str(text)[:80]!r} (id {id_}): it is another index"
                )
        logger.info("%s: %d of %d texts are there", location, count, len(texts))
    return count


class Filling(NamedTuple):
    """How a kind of store is filled: opened to go on, made anew, and its columns where a URL does not name them."""

    open: Callable[[StoreLocation], Fillable]
    make: Callable[[StoreLocation, int, Metric], Fillable]
    id: str | None = "id"
    vector: str | None = "vector"


FILLED: dict[Scheme, Filling] = {
    "qdrant": Filling(open_qdrant, make_qdrant, None, None),
    "qdrant-local": Filling(open_qdrant, make_qdrant, None, None),
    "postgresql": Filling(partial(open_postgresql, read_only=False), make_postgresql),
    "milvus": Filling(open_milvus, make_milvus),
    "milvus-lite": Filling(open_milvus, make_milvus),
    "lancedb": Filling(open_lancedb, make_lancedb),
    "faiss": Filling(open_faiss_file, make_faiss_file, None, None),
}
"""The kinds of stores that are filled."""
