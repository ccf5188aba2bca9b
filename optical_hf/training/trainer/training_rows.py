"""English texts among the training rows: index documents, which the student learns to read where the index has them, queries, and
relevance pairs.

Shapes: N texts, K teacher width.
"""

from typing import Any, Literal, TypeAlias, cast

import numpy as np
import torch
from accelerate.utils import send_to_device
from datasets import Dataset, IterableDataset, Value, concatenate_datasets, interleave_datasets
from torch import Tensor
from tqdm.auto import tqdm

from optical_hf.bars import bars_shown
from optical_hf.models.alignment.index_documents import TEXT, VECTOR
from optical_hf.models.alignment.relevance_pairs import DOCUMENT, QUERY
from optical_hf.models.prompts import Task
from optical_hf.models.teachers.teacher import Teacher
from optical_hf.tables import RELEVANT

BATCH = 64
Kind: TypeAlias = Literal["document", "query", "relevance"]
NAMES: dict[Kind, str] = {"query": "query texts", "document": "documents", "relevance": "relevance pairs"}


def with_texts(
    rows: Dataset | IterableDataset | None,
    texts: Dataset,
    teacher: Teacher,
    kind: Kind,
    *,
    share: float,
    seed: int,
    device: torch.device,
    progress: bool,
) -> Dataset | IterableDataset:
    """Rows of training and English texts as further rows; the texts alone where there are no others.

    Args:
        rows: bitext, or what this function returned.
        texts: in a random order, from `sample_documents`, or `sample_pairs`.
        teacher: of the index.
        kind: what they are.
        share: of all rows that are the further ones; of a table that has too few of them, all.
        seed: of the mixture of a stream.
        device: the teacher's.
        progress: show a progress bar.

    Raises:
        ValueError: where vectors are not finite.
    """
    if isinstance(rows, Dataset):
        texts = texts.select(range(min(len(texts), most_rows(len(rows), share))))
    more = english_rows(texts, teacher, kind, device, progress)
    if rows is None:
        return more
    if RELEVANT in (rows.column_names or []):  # what they are to find is their own vector
        more = more.add_column(RELEVANT, [None] * len(more), feature=Value("string"))
    if isinstance(rows, IterableDataset):
        endless = more.to_iterable_dataset().shuffle(seed=seed).repeat(None)
        return interleave_datasets(
            [rows, endless], probabilities=[1 - share, share], seed=seed, stopping_strategy="first_exhausted"
        )
    return concatenate_datasets([rows, more])


def most_rows(rows: int, share: float) -> int:
    """How many further rows give this share of all, at least one.

    Example:
        >>> most_rows(300, 0.25)
        100
    """
    return max(1, round(rows * share / (1 - share)))


def english_rows(texts: Dataset, teacher: Teacher, kind: Kind, device: torch.device, progress: bool) -> Dataset:
    """English texts as rows of training with their vectors: `source` and `target` are the text, `vector` is the target.

    Of a relevance pair the text is the query, and the vector that of its document.

    Args:
        texts: from `sample_documents`, or `sample_pairs`; the teacher reads those without vectors, and all queries, once.
        teacher: of the index.
        kind: what they are.
        device: the teacher's.
        progress: show a progress bar.

    Raises:
        ValueError: where vectors are not finite.
    """
    listed = texts[QUERY if kind == "relevance" else TEXT][:]
    if kind != "query" and VECTOR in texts.column_names:
        vector_NK = np.asarray(texts.with_format("numpy")[VECTOR][:], dtype=np.float32)
    else:
        read = texts[DOCUMENT][:] if kind == "relevance" else listed
        vector_NK = _read(read, teacher, kind, device, progress).numpy()
    bad = int((~np.isfinite(vector_NK).all(axis=1)).sum())
    if bad:
        raise ValueError(
            f"{bad} of {len(listed)} vectors of {NAMES[kind]} are not finite: check the index, or the teacher's dtype"
        )
    columns: dict[str, Any] = {
        "id": [f"{kind}-{place}" for place in range(len(listed))],
        "source": listed,
        "target": listed,
        "language": ["en"] * len(listed),
        VECTOR: list(vector_NK),
    }
    return Dataset.from_dict(columns)


@torch.no_grad()
def _read(texts: list[str], teacher: Teacher, kind: Kind, device: torch.device, progress: bool) -> Tensor:
    """The teacher's vectors of texts, (N, K)."""
    parts, task = [], cast(Task, "query" if kind == "query" else "document")
    label = f"The teacher reads {NAMES[kind]}"
    for start in tqdm(range(0, len(texts), BATCH), label, disable=not bars_shown(progress)):
        features = send_to_device(teacher.features(texts[start : start + BATCH], task=task), device)
        parts.append(teacher.token_set(features, task).vector_BD.float().cpu())
    return torch.cat(parts)
