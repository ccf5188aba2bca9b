"""Texts that stand in a table more than once: each is kept once, and two that have different vectors are an error.

Shapes: N rows, R repeated rows, D width.
"""

import logging

import numpy as np
from datasets import Dataset

from optical_hf.reading.bad_rows import OnBadRow
from optical_hf.stores.documents.text_index import column_hashes
from optical_hf.stores.documents.vector_columns import vectors_of

logger = logging.getLogger(__name__)

BLOCK = 4096
TOLERANCE = 1e-2
"""How far two vectors of one text may be apart, relatively: half precision and other batches move them by less."""


def without_repeated(documents: Dataset, on_bad_row: OnBadRow) -> Dataset:
    """The table with the first row of each text.

    Args:
        documents: with `text`, and maybe `vector`.
        on_bad_row: "drop" keeps the first row too where vectors differ.

    Raises:
        ValueError: two rows have one text and different vectors.
    """
    _, first, inverse = np.unique(column_hashes(documents, "text"), return_index=True, return_inverse=True)
    if len(first) == len(documents):
        return documents
    repeated_R = np.flatnonzero(first[inverse] != np.arange(len(documents)))
    earlier_R = first[inverse[repeated_R]]
    differ = _differing(documents, earlier_R, repeated_R) if "vector" in documents.column_names else 0
    if differ and on_bad_row != "drop":
        raise ValueError(differ)
    logger.warning("%s", differ or f"{len(repeated_R):,} of {len(documents):,} texts stood before: each is kept once")
    return documents.select(np.sort(first)).flatten_indices()


def _differing(documents: Dataset, earlier_R: np.ndarray, repeated_R: np.ndarray) -> str:
    """What to say of the repeated rows whose vector is not that of the first; "" where there is none."""
    arrow, rows = documents.with_format("arrow"), []
    for start in range(0, len(repeated_R), BLOCK):
        block = slice(start, start + BLOCK)
        one_RD, other_RD = (vectors_of(arrow[part[block]]["vector"]) for part in (earlier_R, repeated_R))
        apart_R = np.linalg.norm(one_RD - other_RD, axis=1) > TOLERANCE * np.linalg.norm(one_RD, axis=1)
        rows += [(earlier_R[start + at], repeated_R[start + at]) for at in np.flatnonzero(apart_R)]
    if not rows:
        return ""
    one, other = rows[0]
    text = documents[int(one)]["text"][:80]
    return (
        f"{len(rows):,} texts stand twice with different vectors, the first is {text!r} (rows {one + 1:,} and {other + 1:,}): "
        "nothing says which is meant. Were two indexes of different models joined, or texts cut after they were encoded? Leave "
        "one out, or keep the first of each with on_bad_row='drop'"
    )
