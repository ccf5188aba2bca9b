"""Relevance pairs as training texts: an English query and a document that answers it, whose vector is the query's target.

Shapes: N pairs, D student width, K teacher width.
"""

import numpy as np
import torch
from datasets import Dataset

from optical_hf.models.alignment.index_documents import VECTOR, DocumentVectors
from optical_hf.models.alignment.own_rank import text_numbers
from optical_hf.models.alignment.pooled_texts import PooledTexts
from optical_hf.tables import check_table

QUERY, DOCUMENT = "query", "document"


def sample_pairs(pairs: Dataset, count: int, seed: int, width: int) -> Dataset:
    """At most `count` random pairs.

    Args:
        pairs: with columns `query` and `document`, and maybe `vector`, that of the document in the index.
        count: the most that are taken.
        seed: of the choice.
        width: of the teacher's vectors.

    Raises:
        ValueError: for anything but such a table, no pairs, empty texts, or vectors of another width.

    Example:
        >>> pairs = Dataset.from_dict({"query": ["Who barks?"], "document": ["Dogs bark."]})
        >>> len(sample_pairs(pairs, 100, seed=0, width=32))
        1
    """
    if not isinstance(pairs, Dataset):
        raise ValueError(
            f"relevance_pairs: expected a Dataset with columns 'query' and 'document', got {type(pairs).__name__}"
        )
    check_table(pairs, [QUERY, DOCUMENT], "relevance_pairs")
    if not len(pairs):
        raise ValueError("relevance_pairs: there are none; pass at least one pair, or leave it out")
    chosen = pairs.select(np.random.default_rng(seed).permutation(len(pairs))[:count])
    for column in (QUERY, DOCUMENT):
        if empty := sum(not (text or "").strip() for text in chosen[column][:]):
            raise ValueError(f"relevance_pairs: {empty} of {len(chosen)} texts in {column!r} are empty: leave them out")
    if VECTOR in chosen.column_names:
        found = {0 if row is None else len(row) for row in chosen[VECTOR][:]}
        if found != {width}:
            raise ValueError(
                f"relevance_pairs: their vectors are {', '.join(map(str, sorted(found)))} wide, the teacher's {width}: pass the "
                "vector of every document in this teacher's index, or no column 'vector'"
            )
    return chosen


def read_pairs(chosen: Dataset, student: PooledTexts, teacher: PooledTexts) -> DocumentVectors:
    """The student's vectors of the queries, and those of their documents.

    Args:
        chosen: from `sample_pairs`; where it has no vectors the teacher reads the documents.
        student: reads the queries.
        teacher: of the index.

    Raises:
        ValueError: for vectors that are not finite.
    """
    source_ND = student(chosen[QUERY][:])
    documents = chosen[DOCUMENT][:]
    if VECTOR in chosen.column_names:
        target_NK = torch.as_tensor(chosen.with_format("torch")[VECTOR][:], dtype=torch.float32).to(source_ND.device)
        if bad := int((~(target_NK.norm(dim=1) > 0) | ~target_NK.isfinite().all(dim=1)).sum()):
            raise ValueError(
                f"relevance_pairs: {bad} of {len(documents)} vectors are NaN, infinite or zero: export them from the index again"
            )
    else:
        target_NK = teacher(documents, task="document")
    return DocumentVectors(source_ND, target_NK, text_numbers(documents))
