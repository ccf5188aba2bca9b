"""`OTDistillationTrainer`: a `transformers.Trainer` that distils a frozen English teacher into a multilingual student.

The trainer orchestrates: it runs both models, hands tensors to the losses and logs what comes back. It knows nothing of
how plans are found or how retrieval is measured: evaluators are callables from a student to a dict of numbers.

Its base is `StudentTrainer` (checkpoint_io.py: saving, loading, pushing). Which pairs a step sees, what a resumed run does and
how a student is evaluated are functions: batching.py, resuming.py, evaluating.py.

Shapes: B pairs.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from datasets import Dataset, IterableDataset
from peft import PeftConfig
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import TrainerCallback

from optical_hf.data.batches.collator import PairCollator
from optical_hf.files import check_folder
from optical_hf.losses import Loss, TextBank, loss_names, loss_terms, losses_text
from optical_hf.models import Encoder, preprocess, token_set
from optical_hf.models.alignment.chosen_documents import ChosenDocuments
from optical_hf.models.alignment.index_documents import Documents
from optical_hf.models.known_languages import record_languages
from optical_hf.models.teachers.teacher import Teacher, as_teacher
from optical_hf.tables import check_table
from optical_hf.training.adapters import put_adapter
from optical_hf.training.arguments import OTDistillationArguments
from optical_hf.training.callbacks import TrainingBatch, batch_callbacks, default_callbacks
from optical_hf.training.checkpoints.checkpoint_io import StudentTrainer
from optical_hf.training.checkpoints.checkpoints import clear_errors, resume_point
from optical_hf.training.checkpoints.sharded import check_deepspeed, skeleton_before_sharding
from optical_hf.training.checks.loss_check import checked_losses, compares_only, compares_tokens
from optical_hf.training.checks.pair_check import check_pair, check_tokens
from optical_hf.training.trainer.batching import training_batches
from optical_hf.training.trainer.evaluating import Evaluator, evaluator_metrics, held_out_losses
from optical_hf.training.trainer.freezing import freeze
from optical_hf.training.trainer.pair_reading import read_pairs
from optical_hf.training.trainer.preparation import prepare
from optical_hf.training.trainer.resuming import finished_run, projection_parameters, resuming, set_projection_rate
from optical_hf.training.trainer.term_means import TermMeans, padding
from optical_hf.training.trainer.training_texts import TrainingTexts


class OTDistillationTrainer(StudentTrainer):
    """Distil `teacher` into `model` on bitext.

    Args:
        model: the student, from `load_student`.
        teacher: the frozen teacher, from `load_teacher`; one copy a device, never wrapped, never in a checkpoint. Or a
            `TeacherCache` that holds the English sides: the teacher is then not loaded at all.
        args: an `OTDistillationArguments`.
        losses: losses and their weights, your own among them, in place of `args.losses`.
        train_dataset: bitext with columns `source` (English) and `target`, from `load_bitext`; where relevance is known,
            `relevant_document` too, an English text that answers `source`: losses that search then search for it.
        eval_dataset: bitext whose loss is reported at each evaluation.
        evaluators: callables from the student to metrics, called at each evaluation; a metric `R@1/so` is reported as
            `eval_R@1/so` and can be `metric_for_best_model`.
        peft_config: train an adapter (LoRA, DoRA, ...) and the projection instead of the whole backbone; checkpoints hold the
            adapter, `save_model` writes the student with the adapter merged.
        data_collator: in place of `PairCollator` over the two models' tokenizers.
        callbacks: as for `transformers.Trainer`, beside those of `args`; one given here takes the place of its kind.
        optimizers: as for `transformers.Trainer`.
        documents: English texts of the index, as `fit_alignment` takes them: rows of English whose target is their own vector.
            With `train_dataset` or without. A share of the rows of training is documents (`args.document_share`). Where a
            one-vector student is evaluated, up to 200 are held out: `eval_reproduced` is the share of them that, read by the
            student, retrieve their own vector.
        query_texts: English queries, such as a query log, as `fit_alignment` takes them: rows of English whose target is the
            teacher's vector of the text as a query. Beside `train_dataset` or `documents`; `args.query_share` of the rows.
        relevance_pairs: English queries and documents that answer them, as `fit_alignment` takes them: rows of English whose
            target is the document's vector, for the loss `contrastive`. They share `args.query_share` with `query_texts`.

    Raises:
        ValueError: where student and teacher do not fit each other (the same object, different widths, no projection).

    Example:
        >>> trainer = OTDistillationTrainer(                                              # doctest: +SKIP
        ...     model=student, teacher=teacher, args=OTDistillationArguments(output_dir="runs/so"), train_dataset=bitext)
        >>> trainer.train()                                                               # doctest: +SKIP
        >>> trainer.save_model("students/so")                                             # doctest: +SKIP
    """

    args: OTDistillationArguments

    def __init__(
        self,
        model: Encoder,
        teacher: Encoder | Teacher,
        args: OTDistillationArguments,
        train_dataset: Dataset | IterableDataset | None = None,
        eval_dataset: Dataset | IterableDataset | dict[str, Dataset] | None = None,
        evaluators: Evaluator | Sequence[Evaluator] | None = None,
        peft_config: PeftConfig | None = None,
        data_collator: Callable[[list[Any]], dict[str, Any]] | None = None,
        callbacks: list[TrainerCallback] | None = None,
        optimizers: tuple[torch.optim.Optimizer | None, Any] = (None, None),
        losses: Mapping[Loss, float] | None = None,
        documents: Documents | ChosenDocuments | None = None,
        query_texts: Documents | None = None,
        relevance_pairs: Dataset | None = None,
    ) -> None:
        teacher = as_teacher(teacher)
        check_pair(model, teacher)
        if not isinstance(args, OTDistillationArguments):
            raise ValueError(f"args is a {type(args).__name__}: expected an OTDistillationArguments")
        if args.eval_strategy != "no" and eval_dataset is None and not evaluators and documents is None:
            raise ValueError(
                f"eval_strategy is {args.eval_strategy!r} but there is nothing to evaluate: pass evaluators, eval_dataset or "
                "documents"
            )
        tables = {"train_dataset": train_dataset}
        tables |= eval_dataset if isinstance(eval_dataset, dict) else {"eval_dataset": eval_dataset}
        for name, table in tables.items():
            check_table(table, ["source", "target"] if data_collator is None else [], name)
        self.evaluators: list[Evaluator] = [evaluators] if callable(evaluators) else list(evaluators or [])
        self.losses = checked_losses(args.loss_weights if losses is None else losses, args)
        check_tokens(self.losses, teacher)
        if losses is not None:
            args.losses = losses_text(self.losses)  # what is saved beside the student says what it learnt by
        self._names = loss_names(self.losses)
        self._terms = TermMeans()
        self.bank: TextBank | None = None
        freeze(model, args.freeze_embeddings)
        put_adapter(model, peft_config, args.seed)
        collator = data_collator or PairCollator(
            partial(preprocess, model, task="query"), teacher.features, partial(teacher.features, task="document"),
            needs_tokens=compares_tokens(self.losses),
        )  # fmt: skip
        super().__init__(
            model=model,
            args=args,
            train_dataset=train_dataset,
            # transformers wants an eval_dataset wherever it evaluates; ours may be evaluators alone.
            eval_dataset=eval_dataset if eval_dataset is not None or not (self.evaluators or documents) else [],
            data_collator=collator,
            callbacks=default_callbacks(args, model.tokenizer, callbacks or [], self.losses),
            optimizers=optimizers,
        )
        self.eval_dataset = eval_dataset
        self.can_return_loss = True
        # compute_loss divides by num_items_in_batch itself: right under accumulation, many devices and uneven batches.
        self.model_accepts_loss_kwargs = True
        for encoder in teacher.encoders:
            encoder.requires_grad_(False).eval().to(self.args.device)
        self.teacher = teacher
        self.texts = TrainingTexts.chosen(
            args, model, teacher, self.losses, train_dataset, documents, query_texts, relevance_pairs
        )

    def train(self, resume_from_checkpoint: str | bool | None = None, **kwargs: Any) -> Any:
        """Train; a start without a checkpoint begins with the closed form of `args.alignment`, where the projection is new.

        Args:
            resume_from_checkpoint: True goes on from the newest whole checkpoint of `args.output_dir`, and starts from the
                beginning where there is none; a path goes on from that one. Where the run had come to its end, nothing is
                trained and the student is the one it ended with.
            **kwargs: as for `transformers.Trainer.train`.

        Raises:
            ValueError: where the bitext cannot be learnt from (sides exchanged, unknown scripts), the checkpoint is not whole,
                a loss is not finite, or the student's vectors collapse.
            OSError: where a checkpoint cannot be written: a read-only folder, a full disk.
        """
        if self.args.save_strategy != "no" and self.args.should_save:
            check_folder(self.args.output_dir)
        record_languages(self.student, self.train_dataset)
        checkpoint = resume_point(resume_from_checkpoint, self.args)
        if checkpoint is not None and (finished := finished_run(self, checkpoint)) is not None:
            return finished
        prepare(self, resumes=checkpoint is not None)
        check_deepspeed(self.args)
        if self.is_fsdp_enabled and self._skeleton is None:
            self._skeleton = skeleton_before_sharding(self.accelerator, self.model)
        with clear_errors(self.args, self.callback_handler.callbacks), resuming(self, checkpoint):
            return super().train(resume_from_checkpoint=checkpoint, **kwargs)

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """The weighted sum of the losses, averaged over the pairs of the global batch.

        Args:
            model: the student, as accelerate wrapped it.
            inputs: a batch of `PairCollator`.
            return_outputs: return the losses too, unweighted, by name, each (B,).
            num_items_in_batch: pairs of the whole global batch (all devices, all accumulation steps); None averages over this
                batch alone, as evaluation does.
        """
        student_model = self.accelerator.unwrap_model(model, keep_torch_compile=False)
        student = token_set(student_model, inputs["student"], model(dict(inputs["student"]), task="query"))
        bank = self.bank if model.training else None
        pairs, teacher, bad_B = read_pairs(self.accelerator, student, self.teacher, inputs, self.losses, bank)
        found = loss_terms(pairs, self.losses)
        loss_B = sum(weight * found[loss] for loss, weight in self.losses.items()).masked_fill(bad_B, torch.nan)
        terms = {self._names[loss]: term_B for loss, term_B in found.items()}
        if num_items_in_batch is None:
            loss = loss_B.mean()
        else:
            # Every device divides by the global count; DDP then averages over devices, so the sum is scaled back up.
            loss = loss_B.sum() / num_items_in_batch
            if self.args.average_tokens_across_devices:
                loss = loss * self.accelerator.num_processes
        if model.training:
            self._terms.add(terms | {"padding": padding(inputs["student"], loss_B)})
            batch = TrainingBatch(inputs, student, teacher, pairs, loss_B.detach())
            for callback in batch_callbacks(self.callback_handler.callbacks):
                callback.on_batch(self.args, self.state, self.control, batch)
        return (loss, terms) if return_outputs else loss

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """The loss on each of the `eval_dataset`s, and once the metrics of every evaluator; prefixed and logged.

        Raises:
            ValueError: where there is neither a dataset nor an evaluator.
        """
        if eval_dataset is None and self.eval_dataset is None and not self.evaluators:
            raise ValueError("there is nothing to evaluate: pass eval_dataset, or give the trainer evaluators")
        metrics = held_out_losses(self, super().evaluate, eval_dataset, ignore_keys, metric_key_prefix)
        own = evaluator_metrics(self.student, self.evaluators, metric_key_prefix)
        if own:
            self.log(dict(own))
        metrics |= own
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def prediction_step(self, model, inputs, prediction_loss_only, ignore_keys=None) -> tuple[Tensor, None, None]:
        """The loss of an evaluation batch; a student has no logits to return."""
        with torch.no_grad():
            return self.compute_loss(model, self._prepare_inputs(inputs)).detach(), None, None

    def get_train_dataloader(self) -> DataLoader:
        """The training batches of this process."""
        return training_batches(self, super().get_train_dataloader, 2 if compares_only(self.losses) else 1)

    def create_optimizer(self, *model: nn.Module) -> torch.optim.Optimizer:
        """The optimizer of `transformers`, with the projection's parameters in groups of their own learning rate."""
        optimizer = super().create_optimizer(*model)
        if self.args.projection_learning_rate is not None:
            set_projection_rate(optimizer, projection_parameters(self.student), self.args.projection_learning_rate)
        return optimizer

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log as `transformers` does, and each loss by name, averaged over devices and the steps since the last time."""
        if "loss" in logs:
            logs.update(self._terms.pop(self.accelerator))
            for callback in batch_callbacks(self.callback_handler.callbacks):
                logs.update(callback.logs())
        super().log(logs, start_time)
