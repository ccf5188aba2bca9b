"""Index documents among the training rows: English texts that the student learns to read where the index has them.

Shapes: N documents, K teacher width.
"""

from typing import Any

import numpy as np
import torch
from accelerate.utils import send_to_device
from datasets import Dataset, IterableDataset, Value, concatenate_datasets, interleave_datasets
from torch import Tensor
from tqdm.auto import tqdm

from optical_hf.bars import bars_shown
from optical_hf.models.alignment.index_documents import TEXT, VECTOR
from optical_hf.models.teachers.teacher import Teacher

BATCH = 64


def with_documents(
    bitext: Dataset | IterableDataset | None,
    documents: Dataset,
    teacher: Teacher,
    *,
    share: float,
    seed: int,
    device: torch.device,
    progress: bool,
) -> Dataset | IterableDataset:
    """Bitext and documents as one table of rows; without bitext, the documents alone.

    A document is a row of English whose `source` and `target` are its text; its `vector` is the target of the losses on one vector.

    Args:
        bitext: what is trained on beside the documents.
        documents: texts in a random order, from `sample_documents`; where they have no vectors the teacher reads them as
            documents, once.
        teacher: of the index.
        share: of the rows that are documents; of a table that has too few of them, all.
        seed: of the mixture of a stream.
        device: the teacher's.
        progress: show a progress bar.

    Raises:
        ValueError: where the teacher's vectors are not finite.
    """
    if isinstance(bitext, Dataset):
        documents = documents.select(range(min(len(documents), max(1, round(len(bitext) * share / (1 - share))))))
    rows = document_rows(documents, teacher, device, progress)
    if bitext is None:
        return rows
    if "document" in (bitext.column_names or []):  # what they are searched for by is their own vector
        rows = rows.add_column("document", [None] * len(rows), feature=Value("string"))
    if isinstance(bitext, IterableDataset):
        endless = rows.to_iterable_dataset().shuffle(seed=seed).repeat(None)
        return interleave_datasets(
            [bitext, endless], probabilities=[1 - share, share], seed=seed, stopping_strategy="first_exhausted"
        )
    return concatenate_datasets([bitext, rows])


def document_rows(documents: Dataset, teacher: Teacher, device: torch.device, progress: bool) -> Dataset:
    """The documents as rows of training, with their vectors."""
    texts = documents[TEXT][:]
    if VECTOR in documents.column_names:
        vector_NK = np.asarray(documents.with_format("numpy")[VECTOR][:], dtype=np.float32)
    else:
        vector_NK = _read(texts, teacher, device, progress).numpy()
    bad = int((~np.isfinite(vector_NK).all(axis=1)).sum())
    if bad:
        raise ValueError(
            f"{bad} of {len(texts)} vectors of documents are not finite: check the index, or the teacher's dtype"
        )
    ids = [f"document-{place}" for place in range(len(texts))]
    columns: dict[str, Any] = {"id": ids, "source": texts, "target": texts, "language": ["en"] * len(texts)}
    columns["indexed"] = [True] * len(texts)
    return Dataset.from_dict(columns | {VECTOR: list(vector_NK)})


@torch.no_grad()
def _read(texts: list[str], teacher: Teacher, device: torch.device, progress: bool) -> Tensor:
    """The teacher's vectors of texts as documents, (N, K)."""
    parts = []
    for start in tqdm(range(0, len(texts), BATCH), "The teacher reads documents", disable=not bars_shown(progress)):
        features = send_to_device(teacher.features(texts[start : start + BATCH], task="document"), device)
        parts.append(teacher.token_set(features, "document").vector_BD.float().cpu())
    return torch.cat(parts)
