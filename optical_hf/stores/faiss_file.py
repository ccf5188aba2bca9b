"""A file of FAISS that grows: a flat index and, beside it, JSON lines of its texts. Needs the extra `search`.

The file is written anew each time it has grown by a twentieth: all writing together is a small multiple of its size.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from optical_hf.extras import import_extra
from optical_hf.files import expand_path, write_whole
from optical_hf.stores.document_store import Metric, StoreRows
from optical_hf.stores.engines.engine_faults import NoTableError
from optical_hf.stores.store_location import StoreLocation
from optical_hf.stores.vectors import VectorSet

GROWTH = 20
"""It is written when what is new is so small a part of it."""
LEAST = 8192
"""Rows that are new, at least, before it is written."""


@dataclass
class FaissFile:
    """An index that rows are added to; see `Fillable`."""

    location: StoreLocation
    index: Any
    texts: list[str]
    saved: int = 0

    @property
    def count(self) -> int:
        """Rows."""
        return int(self.index.ntotal)

    def rows(self, batch_size: int) -> Iterator[StoreRows]:
        """All rows, a batch at a time."""
        for start in range(0, self.count, batch_size):
            stop = min(start + batch_size, self.count)
            vectors = VectorSet(torch.from_numpy(self.index.reconstruct_n(start, stop - start)))
            yield StoreRows(list(map(str, range(start, stop))), list(self.texts[start:stop]), vectors)

    def add(self, rows: StoreRows) -> None:
        """Append rows; they are on the disk when enough of them are new."""
        assert rows.vectors is not None
        self.index.add(rows.vectors.vectors.numpy())
        self.texts += [str(text) for text in rows.texts]
        if self.count - self.saved >= max(LEAST, self.saved // GROWTH):
            self._save()

    def close(self) -> None:
        """Write what is new."""
        if self.count > self.saved:
            self._save()

    def _save(self) -> None:
        """The texts first: an index is never longer than they are."""
        faiss = import_extra("faiss", "search", "FAISS")
        name = self.location.text
        lines = "".join(json.dumps({name: text}, ensure_ascii=False) + "\n" for text in self.texts)
        write_whole(_texts_of(self.location), lambda beside: beside.write_text(lines, encoding="utf-8"))
        write_whole(self.location.place, lambda beside: faiss.write_index(self.index, str(beside)))
        self.saved = self.count


def open_faiss_file(location: StoreLocation) -> FaissFile:
    """Open a file to go on.

    Raises:
        NoTableError: there is none yet.
        ValueError: it is damaged, or no flat index.
    """
    faiss = import_extra("faiss", "search", "FAISS")
    path, texts = Path(location.place), _texts_of(location)
    if not path.exists():
        raise NoTableError(f"{location}: there is no file {path}")
    try:
        index = faiss.read_index(str(path))
        read = [str(json.loads(line)[location.text]) for line in texts.open(encoding="utf-8")]
    except (RuntimeError, OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{location}: no index of FAISS with its texts in {texts} ({error})") from None
    if not isinstance(index, faiss.IndexFlat) or len(read) < index.ntotal:
        raise ValueError(f"{location}: expected a flat index that `fill_store` made, with its texts in {texts}")
    return FaissFile(location, index, read[: index.ntotal], index.ntotal)


def make_faiss_file(location: StoreLocation, width: int, metric: Metric) -> FaissFile:
    """An empty flat index, which compares with every vector."""
    faiss = import_extra("faiss", "search", "FAISS")
    index = faiss.IndexFlatL2(width) if metric == "euclidean" else faiss.IndexFlatIP(width)
    return FaissFile(location, index, [])


def _texts_of(location: StoreLocation) -> Path:
    named = location.options.get("texts")
    return expand_path(named) if named else Path(location.place).with_suffix(".jsonl")
