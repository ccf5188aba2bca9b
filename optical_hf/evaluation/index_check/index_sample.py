"""Some rows of an index with their vectors: most of them by chance, the rest the longest, which show where texts were cut.

Shapes: R rows, D width.
"""

from typing import NamedTuple

import numpy as np
import torch
from datasets import Dataset

from optical_hf.stores.document_store import DocumentStore, Precision
from optical_hf.stores.vectors import VectorSet

SAMPLED = 50
LONGEST = 10
"""Rows of the sample that are the longest of those looked at."""
LOOKED_AT = 1024
"""Rows of a store that the sample is taken from: its first ones."""


class IndexSample(NamedTuple):
    """Rows of an index.

    Attributes:
        texts: of each row.
        titles: of each; None where the index has none.
        vectors: R vectors, or token vectors, as they are stored.
        precision: the numbers in a stored vector.
    """

    texts: list[str]
    titles: list[str] | None
    vectors: VectorSet
    precision: Precision


def sample_of_store(store: DocumentStore) -> IndexSample:
    """A sample of the first rows of a store.

    Raises:
        ValueError: it holds no vectors, or no row with a text and a vector.
    """
    rows = next(iter(store.rows(LOOKED_AT)), None)
    if rows is None or rows.vectors is None:
        raise ValueError(
            f"{store.location}: holds no {'rows' if rows is None else 'vectors'}: there is nothing to check"
        )
    sound = rows.vectors.vectors.abs().sum(dim=1) > 0 if rows.vectors.lengths is None else rows.vectors.lengths > 0
    usable = [row for row, text in enumerate(rows.texts) if (text or "").strip() and sound[row]]
    if not usable:
        raise ValueError(f"{store.location}: no row has both a text and a vector: there is nothing to check")
    chosen = [usable[place] for place in _chosen([rows.texts[row] or "" for row in usable])]
    titles = None if rows.titles is None else [rows.titles[row] or "" for row in chosen]
    vectors = rows.vectors.pick(torch.tensor(chosen))
    precision = store.precision if store.precision != "float32" else precision_of(vectors.vectors)
    return IndexSample([rows.texts[row] or "" for row in chosen], titles, vectors, precision)


def sample_of_table(documents: Dataset, seed: int = 0) -> IndexSample:
    """A sample of a table with `text` and `vector`, as `load_documents` gives it."""
    rows = np.random.default_rng(seed).permutation(len(documents))[:LOOKED_AT]
    looked_at = documents.select(np.sort(rows))
    texts = looked_at["text"][:]
    chosen = looked_at.select(_chosen(texts))
    vectors = VectorSet.of(torch.as_tensor(chosen.with_format("torch")["vector"][:], dtype=torch.float32))
    return IndexSample(chosen["text"][:], None, vectors, precision_of(vectors.vectors))


def precision_of(vector_RD: torch.Tensor) -> Precision:
    """The precision of vectors that were read as float32, by their numbers.

    Example:
        >>> precision_of(torch.tensor([[1.0, -1.0]])), precision_of(torch.tensor([[12.0, -7.0]]))
        ('binary', 'int8')
    """
    whole = bool((vector_RD == vector_RD.round()).all())
    if not whole:
        return "float32"
    return "binary" if float(vector_RD.abs().max()) <= 1 else "int8"


def _chosen(texts: list[str]) -> list[int]:
    """Rows spread over all, and the longest, in order."""
    if len(texts) <= SAMPLED:
        return list(range(len(texts)))
    longest = sorted(range(len(texts)), key=lambda row: -len(texts[row]))[:LONGEST]
    rest = sorted(set(range(len(texts))) - set(longest))
    spread = np.linspace(0, len(rest) - 1, SAMPLED - LONGEST).round().astype(int)
    return sorted({*longest, *(rest[place] for place in spread)})
