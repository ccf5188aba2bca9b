"""The arguments of a distillation run: those of `transformers.TrainingArguments`, and ours."""

from dataclasses import dataclass, field
from typing import Literal

import torch
from transformers import TrainingArguments

from optical_hf.files import expand_name
from optical_hf.losses import Loss, parse_losses
from optical_hf.training.argument_checks import check_inherited, check_own


@dataclass
class OTDistillationArguments(TrainingArguments):
    """`transformers.TrainingArguments` with the fields of optimal-transport distillation.

    Args:
        losses: what to minimise, as "name(setting=value)=weight" separated by commas, settings and weight optional; the names
            are in `optical_hf.losses.LOSSES`. The default, contrastive steps after transport in closed form, is what won
            (docs/claim.md). It learns from the other pairs of a batch, so give it 32 or more.
        alignment: the closed form that the projection starts from when training starts: "transport", "ridge", or "none" to
            start from the projection the student comes with. None takes transport for a new student, and "none" for one whose
            projection was fitted or trained before.
        alignment_pairs: pairs of the training bitext the closed form is fitted on at most.
        projection_learning_rate: learning rate of the student's projection; None takes `learning_rate`.
        sampling_temperature: draw languages with p proportional to n^(1/T), n a language's pairs; None takes every pair once an
            epoch. For a table; mix streams with `interleave_languages`.
        sampling_max_repeats: how often a pair may be seen on average in an epoch where languages are drawn.
        tokens_per_batch: student tokens of a device's batch at most, padding included, pairs of similar length together;
            `per_device_train_batch_size` then is the number of pairs at most. `train_sampling_strategy="group_by_length"`
            groups without a budget.
        freeze_embeddings: leave the student's word embeddings as they are: most of a multilingual student's weights.
        on_bad_batch: what to do where the loss is not finite: "stop" with the ids of the pairs, or "skip" the step.
        on_collapse: what to do where all texts come to have one vector: "stop", "warn" or "ignore".
        early_stopping: "worst" stops when the R@1 of the worst language no longer rises, "gap" when neither the gap falls nor
            the mean rises, as evaluators report them; "none" trains to the end.
        early_stopping_patience: evaluations in a row without progress after which the run stops.
        early_stopping_threshold: by how much R@1, in [0, 1], must move to count as progress.
        checkpoint_on_sigterm: write a checkpoint when SIGTERM comes, then end.

    Raises:
        ValueError: where a field is out of range, when the object is made.

    Example:
        >>> args = OTDistillationArguments(output_dir="runs/so", losses="contrastive(bank=512),transport=0.5")
        >>> [(str(loss), weight) for loss, weight in args.loss_weights.items()]
        [('contrastive(bank=512)', 1.0), ('transport', 0.5)]
    """

    # What is minimised
    losses: str = field(
        default="contrastive=1.0",
        metadata={"help": "Losses, settings and weights, such as 'contrastive(temperature=0.02)=1.0,transport=0.5'."},
    )

    # Where the projection starts, and how fast it moves
    alignment: Literal["transport", "ridge", "none"] | None = field(
        default=None,
        metadata={
            "help": "Closed form that the projection starts from: transport, ridge, or none to keep the student's own. The default "
            "is transport for a new student, none for one that was aligned or trained."
        },
    )
    alignment_pairs: int = field(default=20_000, metadata={"help": "Pairs the closed form is fitted on at most."})
    projection_learning_rate: float | None = field(
        default=None, metadata={"help": "Learning rate of the projection; the default is --learning_rate."}
    )

    # Which pairs a step sees
    sampling_temperature: float | None = field(
        default=None, metadata={"help": "Draw languages with p proportional to n^(1/T); 1 keeps the sizes."}
    )
    sampling_max_repeats: float | None = field(
        default=None, metadata={"help": "How often a pair may be seen on average in an epoch of drawn languages."}
    )
    tokens_per_batch: int | None = field(
        default=None,
        metadata={
            "help": "Student tokens of a device's batch at most, padding included, pairs of similar length together."
        },
    )

    # What moves
    freeze_embeddings: bool = field(
        default=False, metadata={"help": "Leave the student's word embeddings as they are."}
    )

    # When a run stops by itself
    on_bad_batch: Literal["stop", "skip"] = field(
        default="stop",
        metadata={"help": "Where the loss is not finite: stop with the ids of the pairs, or skip the step."},
    )
    on_collapse: Literal["stop", "warn", "ignore"] = field(
        default="stop", metadata={"help": "Where the student gives all texts one vector: stop, warn or ignore."}
    )
    early_stopping: Literal["none", "worst", "gap"] = field(
        default="none",
        metadata={"help": "Stop early on the worst language's R@1, or on the gap, as evaluators report."},
    )
    early_stopping_patience: int = field(
        default=3, metadata={"help": "Evaluations in a row without progress after which the run stops."}
    )
    early_stopping_threshold: float = field(
        default=0.0, metadata={"help": "By how much R@1, in [0, 1], must move to count as progress."}
    )
    checkpoint_on_sigterm: bool = field(
        default=True, metadata={"help": "Write a checkpoint when SIGTERM comes, then end."}
    )

    # The collator reads columns that no model's forward names
    remove_unused_columns: bool = field(default=False, metadata={"help": "Kept off: the collator chooses the columns."})

    def __post_init__(self) -> None:
        self._expand_paths()
        """Check our own fields, then hand over to transformers."""
        # Without an accelerator, processes find each other (gloo) only where use_cpu says so; else each would train alone.
        self.use_cpu = self.use_cpu or not torch.accelerator.is_available()
        # The order of the data is that of the arguments alone, whatever else drew random numbers before.
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
        if self.early_stopping != "none" and self.eval_strategy == "no":
            raise ValueError(
                f"early_stopping={self.early_stopping!r} without evaluations never stops: set eval_strategy='steps' and eval_steps"
            )
        if self.on_bad_batch == "skip" and self.deepspeed_plugin is not None:
            raise ValueError(
                "on_bad_batch='skip' cannot hold DeepSpeed's optimizer back from a step: use 'stop' with it"
            )
        self._check_batches()

    def _expand_paths(self) -> None:
        for name in ("output_dir", "logging_dir", "deepspeed", "fsdp_config", "accelerator_config"):
            if isinstance(path := getattr(self, name, None), str):
                setattr(self, name, expand_name(path))

    def _check_batches(self) -> None:
        if self.sampling_max_repeats is not None and self.sampling_temperature is None:
            raise ValueError(
                "sampling_max_repeats caps the draws of sampling_temperature, which is not set: set it too"
            )
        if getattr(self, "train_sampling_strategy", None) == "sequential" and (
            self.sampling_temperature is not None or self.tokens_per_batch is not None
        ):
            raise ValueError(
                "train_sampling_strategy='sequential' takes the rows as they stand, and sampling_temperature and tokens_per_batch "
                "choose others: leave one of them out"
            )

    @property
    def grouped_by_length(self) -> bool:
        """Whether pairs of similar length share a batch; transformers 5.0 has `group_by_length` for it."""
        strategy = getattr(self, "train_sampling_strategy", "random")
        grouped = strategy == "group_by_length" or getattr(self, "group_by_length", False)
        return bool(grouped) or self.tokens_per_batch is not None

    @property
    def loss_weights(self) -> dict[Loss, float]:
        """The losses with their weights."""
        return parse_losses(self.losses)
