"""What a run does before its first step: check the bitext, fit the start, and read what the steps compare with.

The trainer calls `prepare` once a `train()`.
"""

import logging
from typing import Any

from datasets import Dataset
from transformers import Trainer

from optical_hf.models.alignment.index_documents import VECTOR
from optical_hf.training.checks.guards import ROWS_READ, check_rows
from optical_hf.training.checks.loss_check import bank_size, compares_tokens
from optical_hf.training.trainer.fitted_start import fit_start, some_rows, wanted_start
from optical_hf.training.trainer.index_reproduction import IndexReproduction
from optical_hf.training.trainer.teacher_side import unread_texts
from optical_hf.training.trainer.text_bank import text_bank
from optical_hf.training.trainer.training_rows import Kind, english_rows, with_texts
from optical_hf.training.trainer.training_texts import TrainingTexts

logger = logging.getLogger(__name__)


def prepare(trainer: Trainer, resumes: bool) -> None:
    """Make a trainer ready: its projection, its rows and its bank.

    Args:
        trainer: an `OTDistillationTrainer`, with the student it was given: a checkpoint is loaded later.
        resumes: whether it goes on from a checkpoint, whose projection is then taken.

    Raises:
        ValueError: where the bitext cannot be learnt from, or vectors are not finite.
    """
    args, teacher, bitext, texts = trainer.args, trainer.teacher, trainer.train_dataset, trainer.texts
    documents = texts.documents and texts.documents.read
    if bitext is not None:
        _check_bitext(trainer, bitext)
    if bitext is None and documents is None:
        return
    method = None if resumes else wanted_start(trainer.model, args.alignment)
    if method is not None:
        fit_start(trainer.accelerator, trainer.model, teacher, bitext, texts, method, args)
    bar = not args.disable_tqdm
    if documents is not None:
        tokens = [str(loss) for loss in trainer.losses if loss.needs_tokens]
        if tokens and VECTOR in documents.column_names and trainer.is_world_process_zero():
            logger.warning(
                "the given vectors of documents are targets of losses on one vector alone: %s needs tokens, so the teacher reads "
                "each document at every step", ", ".join(tokens),
            )  # fmt: skip
        _add_rows(trainer, documents, "document", args.document_share)
    asked: dict[Kind, Dataset | None] = {"query": texts.query_texts, "relevance": texts.relevance_pairs}
    asked = {kind: given for kind, given in asked.items() if given is not None}
    for left, (kind, given) in zip(reversed(range(len(asked))), asked.items(), strict=True):
        # Together they are query_share of the rows, each the same part of it; `left` more are to come.
        _add_rows(trainer, given, kind, args.query_share / (len(asked) - args.query_share * left))
    if texts.held_out is not None and len(texts.held_out):
        rows = english_rows(texts.held_out, teacher, "document", args.device, bar)
        trainer.evaluators.append(IndexReproduction(rows))
    trainer.texts = TrainingTexts()  # they are among the rows now
    if bank := bank_size(trainer.losses):
        rows = some_rows(trainer.train_dataset, bank, args.seed)
        trainer.bank = text_bank(trainer.accelerator, teacher, trainer.data_collator, rows, bar)


def _add_rows(trainer: Trainer, texts: Dataset, kind: Kind, share: float) -> None:
    args = trainer.args
    trainer.train_dataset = with_texts(
        trainer.train_dataset, texts, trainer.teacher, kind, share=share, seed=args.seed, device=args.device,
        progress=not args.disable_tqdm,
    )  # fmt: skip


def _check_bitext(trainer: Trainer, bitext: Any) -> None:
    """Raise ValueError where student or teacher cannot read it."""
    rows = some_rows(bitext, ROWS_READ, trainer.args.seed)
    check_rows(rows, trainer.model.tokenizer, trainer.teacher.tokenizer)
    if isinstance(bitext, Dataset):
        trainer.teacher.check_texts(unread_texts(bitext, compares_tokens(trainer.losses)))
