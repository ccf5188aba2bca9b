"""Finds rows by their exact text: a sorted array of hashes, 16 bytes a row.

Shapes: N rows of a table, Q texts looked up.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from datasets import Dataset
from xxhash import xxh3_64_intdigest

READ_AT_ONCE = 65_536


def text_hashes(texts: Iterable[str]) -> np.ndarray:
    """A number for each text, equal where texts are."""
    return np.fromiter((xxh3_64_intdigest(text.encode(errors="surrogatepass")) for text in texts), np.uint64)


def column_hashes(table: Dataset, column: str) -> np.ndarray:
    """The numbers of all texts of a column, (N,), a part of it in memory at a time."""
    parts = table.select_columns(column).with_format("arrow").iter(READ_AT_ONCE)
    return np.concatenate([np.empty(0, np.uint64), *(text_hashes(part[column].to_pylist()) for part in parts)])


@dataclass(frozen=True)
class TextIndex:
    """The rows of a table by text.

    Args:
        hash_N: hashes of the texts, sorted.
        row_N: the row of each.

    Example:
        >>> index = TextIndex.of(Dataset.from_dict({"text": ["a dog", "a cat"]}))
        >>> index.rows(["a cat", "a cow"]).tolist()
        [1, -1]
    """

    hash_N: np.ndarray
    row_N: np.ndarray

    @classmethod
    def of(cls, table: Dataset, column: str = "text") -> "TextIndex":
        """Read the texts of a column; of equal ones the first row is found."""
        hash_N, row_N = np.unique(column_hashes(table, column), return_index=True)
        return cls(hash_N, row_N)

    def rows(self, texts: Sequence[str]) -> np.ndarray:
        """The row of each text (Q,), -1 where it has none."""
        hash_Q = text_hashes(texts)
        if not len(self.hash_N):
            return np.full(len(hash_Q), -1)
        place_Q = np.minimum(np.searchsorted(self.hash_N, hash_Q), len(self.hash_N) - 1)
        return np.where(self.hash_N[place_Q] == hash_Q, self.row_N[place_Q], -1)
