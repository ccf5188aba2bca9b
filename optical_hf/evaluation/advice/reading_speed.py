"""How many texts a second a model reads on this machine, and what keeping and renewing an index cost from that."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optical_hf.models.prompts import Task
from optical_hf.models.teachers.vector_teacher import VectorTeacher
from optical_hf.models.tokens import Encoder

TIMED = 128
"""Texts that are timed."""


@dataclass(frozen=True)
class AdviceCosts:
    """Seconds on this machine, from a sample that was timed.

    Attributes:
        documents: of the index.
        documents_per_second: that the student's untrained checkpoint reads.
        reindexing_seconds: to read all of them.
        bridge_seconds: to fit the map on all pairs and up to `bridge_documents` documents.
        bridge_documents: documents that the fit reads.
        bridge_pairs: pairs that the fit reads.
        fit_seconds: that the fit on the sample took, its reading included.
        device: where the models ran.
    """

    documents: int
    documents_per_second: float
    reindexing_seconds: float
    bridge_seconds: float
    bridge_documents: int
    bridge_pairs: int
    fit_seconds: float
    device: str


def seconds_a_text(model: Encoder | VectorTeacher, texts: Sequence[str], task: Task, batch_size: int) -> float:
    """Seconds that a model needs for a text of this kind, after a first batch that is not timed; 0 for vectors that are given.

    Args:
        model: reads the texts.
        texts: in random order; the first of them are timed.
        task: whether they are read as queries or as documents.
        batch_size: texts in one forward pass.

    Example:
        >>> from optical_hf.models.tiny import tiny_encoder
        >>> 0 < seconds_a_text(tiny_encoder(["a dog"], width=16, vocabulary_size=30), ["a dog"] * 9, "query", 4) < 1
        True
    """
    if isinstance(model, VectorTeacher):
        return 0.0
    timed = list(texts[:TIMED])
    read = model.encode_query if task == "query" else model.encode_document
    read(timed[:8], batch_size=batch_size, show_progress_bar=False)
    begun = time.perf_counter()
    found = np.asarray(read(timed, batch_size=batch_size, show_progress_bar=False))
    return (time.perf_counter() - begun) / len(found)


def spelled_seconds(seconds: float) -> str:
    """A time in the unit that suits it.

    Example:
        >>> [spelled_seconds(x) for x in (0.4, 42, 600, 9000, 400_000)]
        ['under a second', '42 s', '10 min', '2.5 h', '4.6 days']
    """
    if seconds < 1:
        return "under a second"
    for limit, unit, name in ((120, 1, "s"), (7200, 60, "min")):
        if seconds < limit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} days"
