"""Filling a store: each engine, going on after a kill, other texts refused."""

import sqlite3
from importlib.util import find_spec

import numpy as np
import pytest
from forked import forked
from index_rows import COUNT, TEXTS, check_store, vectors

from optical_hf.processes import leave_processes
from optical_hf.stores import open_store
from optical_hf.stores.fill_store import fill_store

URLS = {
    "faiss": "faiss://{}/x.faiss",
    "lancedb": "lancedb://{}/docs",
    "milvus_lite": "milvus-lite://{}/x.db/docs",
    "qdrant_client": "qdrant-local://{}/docs?allow_pickle=yes",
}
HERE = [
    pytest.param(url, marks=pytest.mark.skipif(find_spec(name) is None, reason=f"no {name}"), id=name)
    for name, url in URLS.items()
]


class Encoder:
    """Gives the vectors of the texts; `most` texts in, it is killed."""

    def __init__(self, most: int = COUNT) -> None:
        self.most, self.read = most, 0

    def __call__(self, texts: list[str]) -> np.ndarray:
        if self.read + len(texts) > self.most:
            raise KeyboardInterrupt
        self.read += len(texts)
        return vectors()[[TEXTS.index(text) for text in texts]]


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch):
    """The client of Qdrant's local mode commits each point."""

    def connect(*arguments, opened=sqlite3.connect, **named):
        connection = opened(*arguments, **named)
        connection.execute("PRAGMA synchronous = OFF")
        return connection

    monkeypatch.setattr(sqlite3, "connect", connect)


@pytest.mark.parametrize("url", HERE)
def test_a_fill_that_was_killed_goes_on(url, tmp_path):
    url = url.format(tmp_path / "store")
    with pytest.raises(KeyboardInterrupt):
        fill_store(url, TEXTS, Encoder(most=130), batch_size=50)
    encoder = Encoder()
    assert fill_store(url, TEXTS, encoder, batch_size=50) == COUNT - 100
    assert encoder.read == COUNT - 100
    assert fill_store(url, TEXTS, Encoder(most=0)) == 0
    store = open_store(url)
    check_store(store)
    store.close()
    with pytest.raises(ValueError, match=r"holds other texts, the first is 'document 0.* it is another index"):
        fill_store(url, [text.upper() for text in TEXTS], Encoder(most=0))
    with pytest.raises(ValueError, match="holds 300 rows, and 299 texts were given"):
        fill_store(url, TEXTS[:-1], Encoder(most=0))


def test_wrong_vectors_and_places_are_refused(tmp_path):
    url = f"lancedb://{tmp_path}/store/docs"
    with pytest.raises(ValueError, match="hold NaN or infinity"):
        fill_store(url, TEXTS[:2], lambda texts: np.full((2, 3), np.nan))
    with pytest.raises(ValueError, match="expected 2 vectors, one a text, from encode, got 3"):
        fill_store(url, TEXTS[:2], lambda texts: np.ones((3, 3)))
    with pytest.raises(ValueError, match="is not filled; expected one of qdrant://, "):
        fill_store(f"file://{tmp_path}/x.parquet", TEXTS, Encoder())
    with pytest.raises(ValueError, match="batch_size"):
        fill_store(url, TEXTS, Encoder(), batch_size=0)


def fill_as_rank(folder, most: int = COUNT) -> None:
    encoder = Encoder(most)
    written = fill_store(f"faiss://{folder}/x.faiss", TEXTS, encoder, batch_size=51)
    print(f"read {encoder.read} of {written}")
    leave_processes()


def refuse_as_rank(folder) -> None:
    try:
        fill_store(f"faiss://{folder}/x.faiss", TEXTS[::-1], Encoder())
    except ValueError as error:
        print("refused" if "another index" in str(error) else error)
    leave_processes()


@pytest.mark.slow
def test_processes_share_the_reading_and_one_writes(tmp_path):
    pytest.importorskip("faiss", reason="no faiss")
    shared = {"processes": 2, "environment": {"ACCELERATE_USE_CPU": "1"}}
    codes, log = forked(tmp_path / "log", fill_as_rank, tmp_path, **shared)
    assert codes == [0, 0], log
    read = [int(line.split()[1]) for line in log.splitlines() if line.startswith("read")]
    assert sum(read) == COUNT
    assert min(read) > COUNT // 3
    check_store(open_store(f"faiss://{tmp_path}/x.faiss"))
    codes, log = forked(tmp_path / "log", refuse_as_rank, tmp_path, **shared)
    assert (codes, log.split().count("refused")) == ([0, 0], 2), log
