"""The arguments of a distillation run: those of `transformers.TrainingArguments`, and ours."""

import inspect
import re
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Literal

import torch
from transformers import TrainingArguments

from optical_hf.files import expand_name
from optical_hf.losses import Loss, parse_losses
from optical_hf.models.alignment.index_documents import MAX_DOCUMENTS
from optical_hf.training.argument_checks import check_inherited, check_own


def help_from_docstring(cls: type) -> type:
    """Give each field of a dataclass the help text that its docstring has for it under `Args:`."""
    texts = dict(re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", inspect.getdoc(cls) or "", re.MULTILINE))
    for one in fields(cls):
        if one.name in texts:
            one.metadata = MappingProxyType({"help": " ".join(texts[one.name].split())})
    return cls


@help_from_docstring
@dataclass
class OTDistillationArguments(TrainingArguments):
    """`transformers.TrainingArguments`, and the options of distillation.

    Args:
        losses: Losses to minimise, as "name(setting=value)=weight" separated by commas, such as
            "contrastive(temperature=0.02)=1.0,transport=0.5". Settings and weights are optional; the names are in
            `optical_hf.losses.LOSSES`. The default compares the pairs of a batch, so give it 32 or more.
        alignment: Fit that the projection starts from: contrastive, transport, ridge, or none to keep the student's own. The
            default is contrastive for a new student, none for one that was aligned or trained.
        alignment_pairs: Pairs of the training bitext that the projection is fitted on, at most.
        document_share: Share of the rows, and of a fitted start, that are index documents, where there is bitext too.
        max_documents: Index documents that are read, and query texts; beyond them a random choice.
        query_share: Share of the rows, and of a fitted start, that are English query texts and
            relevance pairs, where there are some.
        projection_learning_rate: Learning rate of the student's projection; the default is `learning_rate`.
        sampling_temperature: Sample languages with p proportional to n^(1/T), n the pairs of a language; 1 keeps the sizes. The
            default takes every pair once an epoch. For a table; mix streams with `interleave_languages`.
        sampling_max_repeats: How often a pair may be seen on average in an epoch, where languages are sampled.
        tokens_per_batch: Student tokens of a device's batch at most, padding included; pairs of similar length share a batch.
            `per_device_train_batch_size` then is the largest number of pairs.
            `train_sampling_strategy="group_by_length"` groups without a budget.
        freeze_embeddings: Do not train the student's word embeddings, which are most of the weights of a multilingual student.
        on_bad_batch: Where the loss is not finite: stop with the ids of the pairs, or skip the step.
        on_collapse: Where the student gives nearly all texts one vector: stop, warn or ignore.
        early_stopping_patience: Stop after so many evaluations in a row without progress of `metric_for_best_model`, such as
            R@1_worst, R@1_gap or reproduced; the default trains to the end. A gap is smallest where nothing is found.
        checkpoint_on_sigterm: Write a checkpoint when SIGTERM comes, then end.
        remove_unused_columns: Kept off: the collator chooses the columns.

    Raises:
        ValueError: where a field is out of range, when the object is made.

    Example:
        >>> args = OTDistillationArguments(output_dir="runs/so", losses="contrastive(bank=512),transport=0.5")
        >>> [(str(loss), weight) for loss, weight in args.loss_weights.items()]
        [('contrastive(bank=512)', 1.0), ('transport', 0.5)]
    """

    losses: str = "contrastive=1.0"
    alignment: Literal["contrastive", "transport", "ridge", "none"] | None = None
    alignment_pairs: int = 20_000
    document_share: float = 0.5
    max_documents: int = MAX_DOCUMENTS
    query_share: float = 0.25
    projection_learning_rate: float | None = None
    sampling_temperature: float | None = None
    sampling_max_repeats: float | None = None
    tokens_per_batch: int | None = None
    freeze_embeddings: bool = False
    on_bad_batch: Literal["stop", "skip"] = "stop"
    on_collapse: Literal["stop", "warn", "ignore"] = "stop"
    early_stopping_patience: int | None = None
    checkpoint_on_sigterm: bool = True
    remove_unused_columns: bool = False

    def __post_init__(self) -> None:
        """Put in defaults that follow from other fields, hand over to transformers, and check what was given."""
        for name in ("output_dir", "logging_dir", "deepspeed", "fsdp_config", "accelerator_config"):
            if isinstance(path := getattr(self, name, None), str):
                setattr(self, name, expand_name(path))
        # Without an accelerator, processes find each other (gloo) only where use_cpu says so; else each would train alone.
        self.use_cpu = self.use_cpu or not torch.accelerator.is_available()
        # The order of the data is that of the arguments alone, whatever else took random numbers before.
        self.data_seed = self.seed if self.data_seed is None else self.data_seed
        if self.greater_is_better is None and (self.metric_for_best_model or "").endswith("gap"):
            self.greater_is_better = False  # transformers takes every metric that is not a loss for one to raise
        super().__post_init__()
        if self.accelerator_config.dispatch_batches is None:
            # Each process reads and tokenizes its own share of a stream; a batch of texts cannot be cut up and sent.
            self.accelerator_config.dispatch_batches = False
        check_own(self, OTDistillationArguments.__annotations__)
        check_inherited(self)
        self.loss_weights  # noqa: B018  (raises where the text cannot be read)
        if self.early_stopping_patience and (self.eval_strategy == "no" or not self.metric_for_best_model):
            raise ValueError(
                "early_stopping_patience without evaluations of a metric never stops: set eval_strategy='steps', eval_steps and "
                "metric_for_best_model"
            )
        if self.on_bad_batch == "skip" and self.deepspeed_plugin is not None:
            raise ValueError(
                "on_bad_batch='skip' cannot hold DeepSpeed's optimizer back from a step: use 'stop' with it"
            )
        if self.sampling_max_repeats is not None and self.sampling_temperature is None:
            raise ValueError(
                "sampling_max_repeats limits the sampling of sampling_temperature, which is not set: set it too"
            )
        if self.train_sampling_strategy == "sequential" and (
            self.sampling_temperature is not None or self.tokens_per_batch is not None
        ):
            raise ValueError(
                "train_sampling_strategy='sequential' takes the rows as they stand, and sampling_temperature and tokens_per_batch "
                "choose others: leave one of them out"
            )

    @property
    def grouped_by_length(self) -> bool:
        """Whether pairs of similar length share a batch."""
        return self.train_sampling_strategy == "group_by_length" or self.tokens_per_batch is not None

    @property
    def loss_weights(self) -> dict[Loss, float]:
        """The losses with their weights."""
        return parse_losses(self.losses)
