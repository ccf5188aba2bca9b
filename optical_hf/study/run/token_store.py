"""Tokens of texts on disk, by key, with what it took to compute them: one SQLite file that several processes read and write.

SQLite keeps it whole when a process is killed; each text carries a checksum, so that a byte that changed on disk is noticed.
Knows nothing about models or studies.

Shapes: N tokens of a text, D width.
"""

import errno
import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
from filelock import FileLock
from torch import Tensor

PATIENCE_SECONDS = 120.0
"""How long a process waits for another one that writes."""
PAGE_BYTES = 8192  # a text of 24 tokens, 384 wide, takes three of them
TABLE = """CREATE TABLE IF NOT EXISTS texts (
    key BLOB PRIMARY KEY, tokens BLOB NOT NULL, count INTEGER NOT NULL, checksum INTEGER NOT NULL,
    padded INTEGER NOT NULL, flops REAL NOT NULL, seconds REAL NOT NULL)"""


class StoredText(NamedTuple):
    """The tokens of a text, and its share of the forward pass that made them.

    Attributes:
        tokens_ND: float16, padding left out.
        padded: tokens the text was padded to in that pass, which is what its share grows with.
        flops: operations.
        seconds: seconds.
    """

    tokens_ND: Tensor
    padded: int
    flops: float
    seconds: float


class TokenStore:
    """Texts by key in the file `path`, made where it is not there.

    Raises:
        ValueError: the file is damaged; here and in every method.
        OSError: the disk is full, or the file cannot be opened or written; here and in every method.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._told(), FileLock(path.with_name(path.name + ".lock")):  # one process turns the write-ahead log on
            self._file = sqlite3.connect(path, timeout=PATIENCE_SECONDS)
            self._file.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            self._file.execute("PRAGMA journal_mode = WAL")
            self._file.execute("PRAGMA synchronous = NORMAL")  # with the log, no kill and no power cut damages the file
            self._file.execute(TABLE)

    def get(self, keys: Sequence[bytes]) -> dict[bytes, StoredText]:
        """Those of the texts that are there."""
        found: dict[bytes, StoredText] = {}
        asked = "SELECT tokens, count, checksum, padded, flops, seconds FROM texts WHERE key = ?"
        with self._told():
            for key in dict.fromkeys(keys):
                row = self._file.execute(asked, (key,)).fetchone()
                if row is None:
                    continue
                tokens, count, checksum, *cost = row
                if zlib.crc32(tokens) != checksum:
                    raise sqlite3.DatabaseError("the tokens of a text do not match their checksum")
                tokens_ND = torch.frombuffer(bytearray(tokens), dtype=torch.float16).reshape(count, -1)
                found[key] = StoredText(tokens_ND, *cost)
        return found

    def put(self, texts: Mapping[bytes, StoredText]) -> None:
        """Add texts, all of them or none; what is there already stays as it is."""
        rows = []
        for key, text in texts.items():
            tokens = text.tokens_ND.contiguous().numpy().tobytes()
            rows.append((key, tokens, len(text.tokens_ND), zlib.crc32(tokens), text.padded, text.flops, text.seconds))
        with self._told(), self._file:
            self._file.executemany("INSERT OR IGNORE INTO texts VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Say which file SQLite complains about, and what to do."""
        try:
            yield
        except sqlite3.OperationalError as error:
            full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
            raise OSError(
                errno.ENOSPC if full else errno.EIO,
                f"the tokens of a frozen backbone cannot be read or written ({error}): "
                + (
                    "free some space and start the study again, it goes on from there"
                    if full
                    else "check the disk, and that no process hangs"
                )
                + ", or set share_bodies: false, which keeps none",
                str(self.path),
            ) from error
        except sqlite3.DatabaseError as error:
            raise ValueError(
                f"{str(self.path)!r} is damaged ({error}): runs would score a student with other tokens than its own; "
                "delete it, what it held is computed again"
            ) from error
