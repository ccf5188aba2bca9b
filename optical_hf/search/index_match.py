"""Whether a student was made for an index: width, what is compared, and whether it puts the index's own texts where they are.

Shapes: R rows, D width.
"""

import torch
from torch.nn.functional import normalize

from optical_hf.evaluation.encode.encoding import Encoding
from optical_hf.models.alignment.own_rank import own_rank, same_targets, text_numbers
from optical_hf.models.prompts import Role
from optical_hf.models.teacher_space import embedding_width
from optical_hf.models.tokens import Encoder
from optical_hf.processes import Processes
from optical_hf.stores.document_store import DocumentStore, cut_vectors
from optical_hf.stores.vectors import VectorSet

SAMPLE = 32
LEAST = 0.1
"""Share of the sampled documents that a student must retrieve, read as queries. By chance it is 1 / SAMPLE."""
ONE_LENGTH = 1e-2
"""How far lengths of vectors may be from each other, relatively, to count as one."""


def check_index(model: Encoder, index: DocumentStore, role: Role = "student") -> None:
    """Raise ValueError where a model's vectors are narrower than those of the index; wider ones are cut (Matryoshka)."""
    width = embedding_width(model)
    if width < index.width:
        raise ValueError(
            f"the {role}'s vectors are {width} wide and those of {index.location} {index.width}: "
            + {
                "student": "expected a student that was made for this index; fit one with optical-hf align --documents, and the "
                "teacher that made the index",
                "teacher": "expected the teacher that made this index",
            }[role]
        )


def index_notes(student: Encoder, index: DocumentStore) -> list[str]:
    """Warnings about an index that the student may not be made for; none where it holds no vectors, or those of tokens."""
    rows = next(iter(index.rows()), None)
    if rows is None or rows.vectors is None or rows.vectors.lengths is not None:
        return []
    notes, vector_RD = [], rows.vectors.vectors
    length_R = vector_RD.norm(dim=1)
    if index.metric != "cosine" and float(length_R.max() - length_R.min()) > ONE_LENGTH * float(length_R.max()):
        notes.append(
            f"the vectors of {index.location} have lengths from {length_R.min():.3g} to {length_R.max():.3g} and are compared by "
            f"{index.metric}, where a student learns directions: a long vector is found more often; see that the teacher is "
            f"compared by {index.metric} too"
        )
    if embedding_width(student) > index.width:
        notes.append(
            f"the student's vectors are cut from {embedding_width(student)} to the index's {index.width} numbers"
        )
    texts = {text: row for row, text in enumerate(rows.texts) if text}
    chosen = list(texts.values())[:: max(1, len(texts) // SAMPLE)][:SAMPLE]
    if len(chosen) >= SAMPLE // 2:
        share = reproduced(student, [rows.texts[row] or "" for row in chosen], vector_RD[chosen])
        if share < LEAST:
            notes.append(
                f"the student retrieves {share:.0%} of {len(chosen)} documents of {index.location} by their own texts (chance: "
                f"{1 / len(chosen):.0%}): it was made for another teacher's index, or not trained; what it finds means nothing"
            )
    return notes


def reproduced(student: Encoder, texts: list[str], vector_RD: torch.Tensor, batch_size: int = 64) -> float:
    """Share of documents that retrieve their own vector among these, where the student reads their texts as queries.

    Args:
        student: reads the texts.
        texts: of the documents.
        vector_RD: their vectors in the index.
        batch_size: texts in one forward pass.
    """
    score_RR = read_as_queries(student, texts, vector_RD, batch_size)
    return float((own_rank(score_RR, same_targets(text_numbers(texts), vector_RD)) == 1).float().mean())


def read_as_queries(student: Encoder, texts: list[str], vector_RD: torch.Tensor, batch_size: int = 64) -> torch.Tensor:
    """Cosines (R, R) of texts, read by the student as queries, with vectors of an index; arguments as `reproduced` takes them."""
    encoding = Encoding("vector", batch_size=batch_size, progress=False)
    read = encoding.encode(student, texts, "query", "the documents", Processes()).in_item_order(Processes())
    query = cut_vectors(VectorSet(normalize(read.vectors, dim=1)), vector_RD.shape[1])
    return query.vectors @ normalize(vector_RD, dim=1).T
