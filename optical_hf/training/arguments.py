"""The arguments of a distillation run: those of `transformers.TrainingArguments`, and ours."""

from dataclasses import dataclass, field
from typing import Literal

import torch
from transformers import TrainingArguments

from optical_hf.objectives import TransportSettings, parse_objectives


@dataclass
class OTDistillationArguments(TrainingArguments):
    """`transformers.TrainingArguments` with the fields of optimal-transport distillation.

    Args:
        objectives: what to minimise, as "name=weight" separated by commas; the names are in `optical_hf.objectives.OBJECTIVES`.
        alignment: the closed form that the projection starts from when training starts: "transport", "ridge", or "none" to
            start from the projection the student comes with.
        alignment_pairs: pairs of the training bitext the closed form is fitted on at most.
        projection_learning_rate: learning rate of the student's projection; None takes `learning_rate`.
        transport_solver: solver of the plans, one of `optical_hf.ot`'s.
        transport_epsilon: entropic regularisation of the plans, in units of cosine cost.
        transport_tolerance: L1 marginal error at which a plan counts as converged.
        transport_max_iterations: iterations of the solver at most.
        transport_special_tokens: let [CLS], </s> and their like, and punctuation, take part in the transport.

    Raises:
        ValueError: where a field is out of range, when the object is made.

    Example:
        >>> args = OTDistillationArguments(output_dir="runs/so", objectives="transport=1.0,pooled_cosine=0.5")
        >>> args.objective_weights
        {'transport': 1.0, 'pooled_cosine': 0.5}
    """

    # What is minimised
    objectives: str = field(
        default="transport=1.0,pooled_cosine=0.5",
        metadata={"help": "Objectives and weights, such as 'transport=1.0,pooled_cosine=0.5'."},
    )

    # Where the projection starts, and how fast it moves
    alignment: Literal["transport", "ridge", "none"] = field(
        default="transport",
        metadata={
            "help": "Closed form that the projection starts from: transport, ridge, or none to keep the student's own."
        },
    )
    alignment_pairs: int = field(default=20_000, metadata={"help": "Pairs the closed form is fitted on at most."})
    projection_learning_rate: float | None = field(
        default=None, metadata={"help": "Learning rate of the projection; the default is --learning_rate."}
    )

    # How the plans are found
    transport_solver: Literal["sinkhorn", "ipot", "unbalanced", "partial", "exact", "auto"] = field(
        default="sinkhorn", metadata={"help": "Solver of the plans, see optical_hf.ot.solve."}
    )
    transport_epsilon: float = field(
        default=0.05, metadata={"help": "Entropic regularisation, in units of cosine cost."}
    )
    transport_tolerance: float = field(default=1e-3, metadata={"help": "L1 marginal error that counts as converged."})
    transport_max_iterations: int = field(default=1000, metadata={"help": "Iterations of the solver at most."})
    transport_special_tokens: bool = field(
        default=False, metadata={"help": "Let special tokens and punctuation take part in the transport."}
    )

    # The collator reads columns that no model's forward names
    remove_unused_columns: bool = field(default=False, metadata={"help": "Kept off: the collator chooses the columns."})

    def __post_init__(self) -> None:
        """Check our own fields, then hand over to transformers."""
        # Without an accelerator, processes find each other (gloo) only where use_cpu says so; else each would train alone.
        self.use_cpu = self.use_cpu or not torch.accelerator.is_available()
        super().__post_init__()
        self.objective_weights  # noqa: B018  (raises where the text cannot be read)
        if self.alignment not in ("transport", "ridge", "none"):
            raise ValueError(f"alignment is {self.alignment!r}: expected 'transport', 'ridge' or 'none'")
        for name in ("transport_epsilon", "transport_tolerance", "transport_max_iterations", "alignment_pairs"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}: expected a number above 0")
        if self.projection_learning_rate is not None and self.projection_learning_rate < 0:
            raise ValueError(
                f"projection_learning_rate is {self.projection_learning_rate}: expected 0 or more, or None"
            )
        if self.remove_unused_columns:
            raise ValueError(
                "remove_unused_columns=True would drop the text columns before the collator reads them; leave it off"
            )

    @property
    def objective_weights(self) -> dict[str, float]:
        """The objectives by name with their weights."""
        return parse_objectives(self.objectives)

    @property
    def transport_settings(self) -> TransportSettings:
        """How the plans are found, as the objectives take it."""
        return TransportSettings(
            solver=self.transport_solver,
            epsilon=self.transport_epsilon,
            tolerance=self.transport_tolerance,
            max_iterations=self.transport_max_iterations,
        )
