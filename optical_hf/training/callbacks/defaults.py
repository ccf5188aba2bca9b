"""Which callbacks a distillation run has by itself, from its arguments."""

from transformers import PreTrainedTokenizerBase, TrainerCallback

from optical_hf.training.arguments import OTDistillationArguments
from optical_hf.training.callbacks.bad_batches import BadBatches
from optical_hf.training.callbacks.collapse import CollapseDetector
from optical_hf.training.callbacks.stopping import LanguageEarlyStopping
from optical_hf.training.callbacks.termination import CheckpointOnTermination
from optical_hf.training.callbacks.transport import TransportDiagnostics


def default_callbacks(
    args: OTDistillationArguments, tokenizer: PreTrainedTokenizerBase | None = None
) -> list[TrainerCallback]:
    """The callbacks that `args` asks for: all but early stopping, unless it says otherwise.

    Args:
        args: of the run.
        tokenizer: the student's, to show texts in messages.
    """
    chosen: list[TrainerCallback] = [BadBatches(args.on_bad_batch, tokenizer)]
    if args.on_collapse != "ignore":
        chosen.append(CollapseDetector(args.on_collapse))
    if "transport" in args.objective_weights:
        chosen.append(TransportDiagnostics(args.transport_settings))
    if args.early_stopping != "none":
        threshold = args.early_stopping_threshold
        chosen.append(LanguageEarlyStopping(args.early_stopping, args.early_stopping_patience, threshold))
    if args.checkpoint_on_sigterm and not args.enable_jit_checkpoint:
        chosen.append(CheckpointOnTermination())
    return chosen
