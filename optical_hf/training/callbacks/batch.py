"""A callback that sees each training batch, which the callbacks of `transformers` do not.

The trainer calls `on_batch` after each forward pass and calls `logs` before it logs, so that what is measured goes where
`report_to` says.

Shapes: B pairs.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from torch import Tensor
from transformers import TrainerCallback

from optical_hf.losses import PairTensors
from optical_hf.models.tokens import TokenSet


class TrainingBatch(NamedTuple):
    """What went into the losses and what came out, on this process.

    Attributes:
        inputs: the batch of `PairCollator`.
        student: the token sets of the student.
        teacher: those of the teacher.
        pairs: what the losses saw, of that teacher.
        loss_B: the loss of each pair, not finite where something went wrong.
    """

    inputs: Mapping[str, Any]
    student: TokenSet
    teacher: TokenSet
    pairs: PairTensors
    loss_B: Tensor


class BatchCallback(TrainerCallback):
    """A `transformers.TrainerCallback` with two more events."""

    def on_batch(self, args, state, control, batch: TrainingBatch) -> None:
        """Called on each process after each forward pass of training; `state.global_step` steps are done."""

    def logs(self) -> dict[str, float]:
        """What to log now, the same names on every process; called on all of them."""
        return {}


def batch_callbacks(callbacks: Iterable[TrainerCallback]) -> list[BatchCallback]:
    """Those of `callbacks` that see batches."""
    return [callback for callback in callbacks if isinstance(callback, BatchCallback)]
