"""The projection a run starts from: fitted by the main process, handed to the others."""

import logging
from typing import Any, Literal

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from datasets import Dataset, IterableDataset

from optical_hf.models import Encoder, fit_alignment, kind_of, token_projection
from optical_hf.models.alignment.alignment_report import Method
from optical_hf.models.loading import new_projection
from optical_hf.models.teachers.teacher import Teacher
from optical_hf.training.arguments import OTDistillationArguments
from optical_hf.training.trainer.training_texts import TrainingTexts

logger = logging.getLogger(__name__)


def wanted_start(student: Encoder, asked: Method | Literal["none"] | None) -> Method | None:
    """The fit that a run starts with, None to keep the projection; says which in the log.

    Args:
        student: not wrapped; with the same weights on every process.
        asked: `OTDistillationArguments.alignment`.
    """
    why = f"alignment is {asked!r}"
    if asked is None and is_new(student):
        asked, why = "contrastive", "it is new"
    elif asked is None:
        asked, why = "none", "it was fitted or trained before; alignment='contrastive' fits it again"
    said = "is kept" if asked == "none" else f"starts from the fit {asked!r}"
    logger.info("the projection %s: %s", said, why)
    return None if asked == "none" else asked


def is_new(student: Encoder) -> bool:
    """Whether the student's projection is the one that `load_student` makes.

    Every closed form and every gradient step moves its bias away from exactly 0. So nothing has to be noted in what is saved, and
    students of every version, loaded with any library in between, are known.
    """
    projection = token_projection(student)
    fresh = new_projection(projection.in_features, projection.out_features).linear
    weight, bias = projection.linear.weight.detach(), projection.linear.bias
    if bias is None or bias.detach().count_nonzero() > 0:
        return False
    return torch.allclose(weight.float().cpu(), fresh.weight.detach(), rtol=0, atol=2e-3)  # as half precision rounds it


def fit_start(
    accelerator: Accelerator,
    student: Encoder,
    teacher: Teacher,
    bitext: Any,
    texts: TrainingTexts,
    method: Method,
    args: OTDistillationArguments,
) -> None:
    """Fit the student's projection in place, the same on every process.

    Args:
        accelerator: knows which process this is.
        student: not wrapped.
        teacher: the teacher.
        bitext: what is trained on; may be None where there are documents.
        texts: English ones; "transport" reads none, and no fit by tokens reads queries.
        method: as `fit_alignment` takes it.
        args: of the run.
    """
    if accelerator.is_main_process:
        by_vector = method != "transport" and kind_of(student) == "vector"
        report = fit_alignment(
            student, teacher, None if bitext is None else some_rows(bitext, args.alignment_pairs, args.seed),
            documents=texts.documents if method != "transport" else None,
            query_texts=texts.query_texts if by_vector else None,
            relevance_pairs=texts.relevance_pairs if by_vector and method == "contrastive" else None, method=method,
            document_share=args.document_share, query_share=args.query_share, max_documents=args.max_documents, seed=args.seed,
            progress=not args.disable_tqdm,
        )  # fmt: skip
        logger.info("fitted start: %s", report)
    if accelerator.num_processes > 1:
        for parameter in token_projection(student).parameters():
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
