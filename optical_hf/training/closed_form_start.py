"""The closed form a run starts from: fitted by the main process, handed to the others.

Knows nothing about losses or the loop that follows.
"""

import logging
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from datasets import Dataset, IterableDataset

from optical_hf.models import Encoder, fit_alignment, token_projection
from optical_hf.models.alignment import Method
from optical_hf.models.cache import TeacherCache
from optical_hf.models.teachers import SeveralTeachers

logger = logging.getLogger(__name__)


def start_in_closed_form(
    accelerator: Accelerator,
    student: Encoder,
    teacher: Encoder | TeacherCache | SeveralTeachers,
    bitext: Any,
    *,
    method: Method,
    pairs: int,
    seed: int,
    progress: bool,
) -> None:
    """Fit the student's projection in place, the same on every process.

    Args:
        accelerator: knows which process this is.
        student: not wrapped.
        teacher: the teacher, or its cache, or several.
        bitext: what is trained on.
        method: as `fit_alignment` takes it.
        pairs: pairs fitted on at most.
        seed: of the choice of pairs.
        progress: show progress bars.
    """
    projection = token_projection(student)
    if accelerator.is_main_process:
        rows = some_rows(bitext, pairs, seed)
        report = fit_alignment(student, teacher, rows, method=method, progress=progress)
        logger.info("closed-form start: %s", report)
    if accelerator.num_processes > 1:
        for parameter in projection.parameters():
            parameter.data.copy_(broadcast(parameter.data.to(accelerator.device)))


def some_rows(dataset: Any, count: int, seed: int) -> Any:
    """At most `count` rows of the training bitext: a random choice of a `Dataset`, the first of a stream."""
    if isinstance(dataset, IterableDataset):
        return list(dataset.take(count))
    if len(dataset) <= count:
        return dataset
    if isinstance(dataset, Dataset):
        return dataset.shuffle(seed=seed).select(range(count))
    generator = torch.Generator().manual_seed(seed)
    return [dataset[int(i)] for i in torch.randperm(len(dataset), generator=generator)[:count]]
