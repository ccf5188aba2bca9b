"""Which callbacks a distillation run has by itself, from its arguments."""

from collections.abc import Iterable, Sequence

from transformers import EarlyStoppingCallback, TrainerCallback

from optical_hf.losses import Loss, Transport
from optical_hf.training.arguments import OTDistillationArguments
from optical_hf.training.callbacks.bad_batches import BadBatches
from optical_hf.training.callbacks.collapse import CollapseDetector
from optical_hf.training.callbacks.termination import CheckpointOnTermination
from optical_hf.training.callbacks.transport_diagnostics import TransportDiagnostics


def default_callbacks(
    args: OTDistillationArguments,
    tokenizer: object = None,
    given: Sequence[TrainerCallback] = (),
    losses: Iterable[Loss] | None = None,
) -> list[TrainerCallback]:
    """The callbacks of `args`, all by default but early stopping, and those that are given.

    Args:
        args: of the run.
        tokenizer: the student's, to show texts in messages.
        given: a user's own; they come last, and one of the same kind takes the place of ours.
        losses: of the run; None takes those of `args`.
    """
    chosen: list[TrainerCallback] = [BadBatches(args.on_bad_batch, tokenizer)]
    if args.on_collapse != "ignore":
        chosen.append(CollapseDetector(args.on_collapse))
    transport = next((loss for loss in losses or args.loss_weights if isinstance(loss, Transport)), None)
    if transport is not None:
        chosen.append(TransportDiagnostics(transport))
    if args.early_stopping_patience is not None:
        chosen.append(EarlyStoppingCallback(args.early_stopping_patience))
    if args.checkpoint_on_sigterm and not args.enable_jit_checkpoint:
        chosen.append(CheckpointOnTermination())
    kinds = {type(callback) for callback in given}
    return [*(callback for callback in chosen if type(callback) not in kinds), *given]
