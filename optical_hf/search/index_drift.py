"""Whether an index has changed so much that its student should be fitted again: are new documents read as well as old ones?

Each document of two samples, old and new, is read by the student as a query, and is to retrieve its own vector among both samples.
No query and no other language is needed.

Shapes: N documents, D width.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
from scipy.stats import binomtest

from optical_hf.models.alignment.own_rank import own_rank, same_targets, text_numbers
from optical_hf.models.tokens import Encoder
from optical_hf.search.index_match import check_index, read_as_queries
from optical_hf.search.open_index import IndexSource, open_index
from optical_hf.settings_checks import check_counts
from optical_hf.stores.document_store import DocumentStore
from optical_hf.stores.vectors import VectorSet

MARGIN = 0.05
"""Loss, as a share of documents, from which a new fit is due."""
Verdict = Literal["due", "not due", "not clear"]


@dataclass(frozen=True)
class IndexDrift:
    """How a student reads the old and the new documents of an index.

    Attributes:
        old: share of old documents that retrieve their own vector, in [0, 1].
        new: the same of new ones.
        documents: of each sample.
        low: lower end of the 95 % interval of new - old (Newcombe 1998, method 10).
        high: its upper end.
        margin: loss from which a new fit is due.
    """

    old: float
    new: float
    documents: tuple[int, int]
    low: float
    high: float
    margin: float

    @property
    def verdict(self) -> Verdict:
        """ "due" where new documents are read worse, by the margin and beyond doubt; "not due" where such a loss is ruled out."""
        if self.high < 0 and self.old - self.new >= self.margin:
            return "due"
        return "not due" if self.low > -self.margin else "not clear"

    def __str__(self) -> str:
        advice = {
            "due": "A new fit is due: optical-hf align --student THIS --documents OLD --documents NEW",
            "not due": f"No new fit is due: a loss of {100 * self.margin:g} points is ruled out",
            "not clear": "Not clear: take more documents (sample)",
        }
        return (
            f"Documents that retrieve their own vector: {100 * self.old:.1f} % of {self.documents[0]} old ones, "
            f"{100 * self.new:.1f} % of {self.documents[1]} new ones; difference {100 * (self.new - self.old):+.1f} "
            f"[{100 * self.low:+.1f}, {100 * self.high:+.1f}] points. {advice[self.verdict]}."
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {**asdict(self), "verdict": self.verdict}


def index_drift(
    student: Encoder,
    old: IndexSource,
    new: IndexSource,
    *,
    teacher: Encoder | None = None,
    sample: int = 500,
    margin: float = MARGIN,
    batch_size: int = 64,
    seed: int = 0,
) -> IndexDrift:
    """Compare how a student reads old and new documents of its index.

    Args:
        student: of one vector a text.
        old: documents it was fitted on, with their vectors: a store, a file or a `Dataset`, as `open_index` takes them.
        new: documents that came since.
        teacher: reads the new documents where they have no vectors yet.
        sample: documents of each, chosen at random. All rows are read once to choose them.
        margin: loss from which a new fit is due, as a share of documents.
        batch_size: texts in one forward pass.
        seed: of the choice.

    Raises:
        ValueError: indexes that cannot be read, have no vectors or those of tokens, or another width than the student.

    Example:
        >>> print(index_drift(student, "index.parquet", "this_week.parquet"))  # doctest: +SKIP
    """
    check_counts(sample=sample, batch_size=batch_size)
    if not 0 < margin < 1:
        raise ValueError(f"margin is {margin}: expected a share above 0 and below 1, 0.05 for five points")
    read = []
    for source, reader in ((old, None), (new, teacher)):
        index = open_index(source, teacher=reader, progress=False)
        check_index(student, index)
        read.append(_sample(index, reader, sample, seed))
    texts = read[0][0] + read[1][0]
    vector_ND = torch.cat([read[0][1], read[1][1]])
    score_NN = read_as_queries(student, texts, vector_ND, batch_size)
    right_N = (own_rank(score_NN, same_targets(text_numbers(texts), vector_ND)) == 1).numpy()
    cut = len(read[0][0])
    return _drift(right_N[:cut], right_N[cut:], margin)


def _sample(index: DocumentStore, reader: Encoder | None, count: int, seed: int) -> tuple[list[str], torch.Tensor]:
    """Random documents of an index, each text once, and their vectors."""
    if index.late_interaction:
        raise ValueError(f"{index.location} holds one vector a token: drift is measured for one vector a text")
    chosen = set(np.random.default_rng(seed).permutation(index.count)[:count].tolist())
    found: dict[str, torch.Tensor | None] = {}
    place = 0
    for rows in index.rows():
        for row, text in enumerate(rows.texts):
            if place + row in chosen and text:
                found[text] = None if rows.vectors is None else rows.vectors.vectors[row]
        place += len(rows.texts)
    if reader is not None and any(vector is None for vector in found.values()):
        given = reader.encode_document(list(found), convert_to_tensor=True, show_progress_bar=False)
        return list(found), torch.as_tensor(given).float().cpu()
    return list(found), VectorSet.of(torch.stack([vector for vector in found.values() if vector is not None])).vectors


def _drift(old_N: np.ndarray, new_N: np.ndarray, margin: float) -> IndexDrift:
    parts = []
    for right in (old_N, new_N):
        interval = binomtest(int(right.sum()), len(right)).proportion_ci(method="wilson")
        parts.append((float(right.mean()), float(interval.low), float(interval.high)))
    (old, old_low, old_high), (new, new_low, new_high) = parts
    low = new - old - math.hypot(new - new_low, old_high - old)
    high = new - old + math.hypot(new_high - new, old - old_low)
    return IndexDrift(old, new, (len(old_N), len(new_N)), low, high, margin)
