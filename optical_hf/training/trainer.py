"""`OTDistillationTrainer`: a `transformers.Trainer` that distils a frozen English teacher into a multilingual student.

The trainer orchestrates: it runs both models, hands tensors to the objectives and logs what comes back. It knows nothing of
how plans are found or how retrieval is measured: evaluators are callables from a student to a dict of numbers.

Methods of `transformers.Trainer` that begin with an underscore and are overridden here, all of them:
`_load_from_checkpoint` and `_load_best_model`, because a student's checkpoint is a sentence-transformers folder; how it is
saved and pushed is in `pushing.py`.

Shapes: B pairs.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from accelerate.utils import broadcast
from datasets import Dataset, IterableDataset
from peft import PeftConfig, get_peft_model
from torch import Tensor, nn
from torch.distributed.nn.functional import all_gather
from transformers import TrainerCallback

from optical_hf.data.collator import PairCollator
from optical_hf.models import (
    Encoder,
    backbone,
    embedding_width,
    fit_alignment,
    kind_of,
    preprocess_queries,
    token_projection,
    token_set,
)
from optical_hf.models.cache import TeacherCache, teacher_tokens
from optical_hf.objectives import BATCH_OBJECTIVES, BatchVectors, PairTensors, objective_terms
from optical_hf.training.arguments import OTDistillationArguments
from optical_hf.training.pushing import StudentTrainer
from optical_hf.training.saving import load_weights

logger = logging.getLogger(__name__)

Evaluator = Callable[[Encoder], Mapping[str, float]]


class OTDistillationTrainer(StudentTrainer):
    """Distil `teacher` into `model` on bitext.

    Args:
        model: the student, from `load_student`.
        teacher: the frozen teacher, from `load_teacher`; one copy a device, never wrapped, never in a checkpoint. Or a
            `TeacherCache` that holds the English sides: the teacher is then not loaded at all.
        args: an `OTDistillationArguments`.
        train_dataset: bitext with columns `source` (English) and `target`, from `load_bitext`.
        eval_dataset: bitext whose loss is reported at each evaluation.
        evaluators: callables from the student to metrics, called at each evaluation; a metric `R@1/so` is reported as
            `eval_R@1/so` and can be `metric_for_best_model`.
        peft_config: train an adapter (LoRA, DoRA, ...) and the projection instead of the whole backbone; checkpoints hold the
            adapter, `save_model` writes the student with the adapter merged.
        data_collator: in place of `PairCollator` over the two models' tokenizers.
        callbacks: as for `transformers.Trainer`.
        optimizers: as for `transformers.Trainer`.

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
        teacher: Encoder | TeacherCache,
        args: OTDistillationArguments,
        train_dataset: Dataset | IterableDataset | None = None,
        eval_dataset: Dataset | IterableDataset | dict[str, Dataset] | None = None,
        evaluators: Evaluator | Sequence[Evaluator] | None = None,
        peft_config: PeftConfig | None = None,
        data_collator: Callable[[list[Any]], dict[str, Any]] | None = None,
        callbacks: list[TrainerCallback] | None = None,
        optimizers: tuple[torch.optim.Optimizer | None, Any] = (None, None),
    ) -> None:
        check_pair(model, teacher)
        if not isinstance(args, OTDistillationArguments):
            raise ValueError(f"args is a {type(args).__name__}: expected an OTDistillationArguments")
        if args.eval_strategy != "no" and eval_dataset is None and not evaluators:
            raise ValueError(
                f"eval_strategy is {args.eval_strategy!r} but there is nothing to evaluate: pass evaluators or eval_dataset"
            )
        self.evaluators: list[Evaluator] = [evaluators] if callable(evaluators) else list(evaluators or [])
        self._weights = args.objective_weights
        self._term_sums: dict[str, Tensor] = {}
        self._term_count = 0
        if peft_config is not None:
            module = backbone(model)
            module.model = get_peft_model(module.model, peft_config)
        cached = isinstance(teacher, TeacherCache)
        read_english = teacher.features if cached else partial(preprocess_queries, teacher)
        collator = data_collator or PairCollator(partial(preprocess_queries, model), read_english)
        super().__init__(
            model=model,
            args=args,
            train_dataset=train_dataset,
            # transformers wants an eval_dataset wherever it evaluates; ours may be evaluators alone.
            eval_dataset=eval_dataset if eval_dataset is not None or not self.evaluators else [],
            data_collator=collator,
            callbacks=callbacks,
            optimizers=optimizers,
        )
        self.eval_dataset = eval_dataset
        self.can_return_loss = True
        # compute_loss divides by num_items_in_batch itself: right under accumulation, many devices and uneven batches.
        self.model_accepts_loss_kwargs = True
        self.teacher = teacher if cached else teacher.requires_grad_(False).eval().to(self.args.device)

    def train(self, resume_from_checkpoint: str | bool | None = None, **kwargs: Any) -> Any:
        """Train; a fresh start (no checkpoint to resume from) begins with the closed form that `args.alignment` names."""
        if not resume_from_checkpoint and self.args.alignment != "none" and self.train_dataset is not None:
            self._align()
        return super().train(resume_from_checkpoint=resume_from_checkpoint, **kwargs)

    def _align(self) -> None:
        """Fit the projection in closed form on the main process and hand it to the others."""
        projection = token_projection(self.model)
        if self.is_world_process_zero():
            report = fit_alignment(
                self.model,
                self.teacher,
                _some_rows(self.train_dataset, self.args.alignment_pairs, self.args.seed),
                method=self.args.alignment,
                special_tokens=self.args.transport_special_tokens,
                progress=not self.args.disable_tqdm,
            )
            logger.info("closed-form start: %s", report)
        if self.args.world_size > 1:
            for parameter in projection.parameters():
                parameter.data.copy_(broadcast(parameter.data.to(self.args.device)))

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """The weighted sum of the objectives, averaged over the pairs of the global batch.

        Args:
            model: the student, as accelerate wrapped it.
            inputs: a batch of `PairCollator`.
            return_outputs: return the objectives too, unweighted, by name, each (B,).
            num_items_in_batch: pairs of the whole global batch (all devices, all accumulation steps); None averages over this
                batch alone, as evaluation does.
        """
        student_model = self.accelerator.unwrap_model(model)
        student = token_set(student_model, inputs["student"], model(dict(inputs["student"]), task="query"))
        teacher = teacher_tokens(self.teacher, inputs["teacher"])
        special = self.args.transport_special_tokens
        pairs = PairTensors(
            student.tokens_BND,
            student.mask_BN if special else student.content_BN,
            teacher.tokens_BND,
            teacher.mask_BN if special else teacher.content_BN,
            student.vector_BD,
            teacher.vector_BD,
            self._whole_batch(student.vector_BD, teacher.vector_BD),
        )
        terms = objective_terms(pairs, self._weights, self.args.transport_settings)
        loss_B = sum(weight * terms[name] for name, weight in self._weights.items())
        if num_items_in_batch is None:
            loss = loss_B.mean()
        else:
            # Every device divides by the global count; DDP then averages over devices, so the sum is scaled back up.
            loss = loss_B.sum() / num_items_in_batch
            if self.args.average_tokens_across_devices:
                loss = loss * self.accelerator.num_processes
        if model.training:
            self._note(terms)
        return (loss, terms) if return_outputs else loss

    def _whole_batch(self, student_BD: Tensor, teacher_BD: Tensor) -> BatchVectors | None:
        """Gather the vectors of all devices, the student's with their gradients, where an objective compares pairs."""
        if self.accelerator.num_processes == 1 or not BATCH_OBJECTIVES & set(self._weights):
            return None
        offset = self.accelerator.process_index * len(student_BD)
        return BatchVectors(torch.cat(all_gather(student_BD)), self.accelerator.gather(teacher_BD), offset)

    def _note(self, terms: Mapping[str, Tensor]) -> None:
        for name, value_B in terms.items():
            self._term_sums[name] = self._term_sums.get(name, 0.0) + value_B.detach().mean()
        self._term_count += 1

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log as `transformers` does, and each objective by name, averaged over devices and the steps since the last time."""
        if "loss" in logs and self._term_count:
            for name, total in self._term_sums.items():
                logs[name] = float(self.accelerator.reduce(total / self._term_count, "mean"))
            self._term_sums, self._term_count = {}, 0
        super().log(logs, start_time)

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """The optimizer of `transformers`, with the projection's parameters in groups of their own learning rate."""
        optimizer = super().create_optimizer(model) if model is not None else super().create_optimizer()
        rate = self.args.projection_learning_rate
        if rate is None:
            return optimizer
        projection = {id(p) for p in token_projection(self.accelerator.unwrap_model(self.model)).parameters()}
        for group in list(optimizer.param_groups):
            own = [p for p in group["params"] if id(p) in projection]
            if own:
                group["params"] = [p for p in group["params"] if id(p) not in projection]
                optimizer.add_param_group({**group, "params": own, "lr": rate})
        return optimizer

    def evaluate(
        self,
        eval_dataset: Any = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
    ) -> dict[str, float]:
        """The loss on `eval_dataset`, where there is one, and the metrics of every evaluator, prefixed and logged."""
        dataset = eval_dataset if eval_dataset is not None else self.eval_dataset
        metrics = super().evaluate(dataset, ignore_keys, metric_key_prefix) if dataset is not None else {}
        own: dict[str, float] = {}
        student = self.accelerator.unwrap_model(self.model)
        was_training = student.training
        student.eval()
        for evaluator in self.evaluators:
            own.update({f"{metric_key_prefix}_{name}": float(value) for name, value in evaluator(student).items()})
        student.train(was_training)
        if own:
            self.log(own)
        metrics = {**metrics, **own}
        if own:
            self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def prediction_step(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
    ) -> tuple[Tensor, None, None]:
        """The loss of an evaluation batch; a student has no logits to return."""
        with torch.no_grad():
            return self.compute_loss(model, self._prepare_inputs(inputs)).detach(), None, None

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        load_weights(self.accelerator.unwrap_model(self.model if model is None else model), resume_from_checkpoint)

    def _load_best_model(self) -> None:
        logger.info("loading the best student, %s (%s)", self.state.best_model_checkpoint, self.state.best_metric)
        load_weights(self.accelerator.unwrap_model(self.model), self.state.best_model_checkpoint)


def check_pair(student: Encoder, teacher: Encoder | TeacherCache) -> None:
    """Refuse a student and a teacher that cannot learn from each other.

    Raises:
        ValueError: saying what is wrong and how to load them right.
    """
    kind_of(student)
    cached = isinstance(teacher, TeacherCache)
    if not cached and kind_of(teacher) and (student is teacher or backbone(student) is backbone(teacher)):
        raise ValueError(
            "teacher and student are the same object: load each on its own, with load_teacher and load_student"
        )
    projection = token_projection(student)
    if projection is None:
        raise ValueError("the student has no token projection: load it with load_student(path, teacher)")
    width = teacher.identity.width if cached else embedding_width(teacher)
    if projection.out_features != width:
        wider = "wider" if projection.out_features > width else "narrower"
        raise ValueError(
            f"the student is {wider} than the teacher: its projection gives {projection.out_features}, the teacher has {width}; "
            "load the student with load_student(path, teacher) for this teacher"
        )


def _some_rows(dataset: Any, count: int, seed: int) -> Any:
    """At most `count` rows of the training bitext: a random choice of a `Dataset`, the first of a stream."""
    if isinstance(dataset, IterableDataset):
        return list(dataset.take(count))
    if len(dataset) <= count:
        return dataset
    if isinstance(dataset, Dataset):
        return dataset.shuffle(seed=seed).select(range(count))
    generator = torch.Generator().manual_seed(seed)
    return [dataset[int(i)] for i in torch.randperm(len(dataset), generator=generator)[:count]]
