"""How a run evaluates its student: the loss on held-out bitext, and evaluators from a student to a dict of numbers."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from transformers import ProgressCallback, Trainer, TrainerControl
from transformers.trainer_callback import CallbackHandler

from optical_hf.models import Encoder
from optical_hf.training.checkpoints.sharded import gathered

Evaluator = Callable[[Encoder], Mapping[str, float]]


def held_out_losses(
    trainer: Trainer, evaluate: Callable[..., dict[str, float]], given: Any, ignore_keys: list[str] | None, prefix: str
) -> dict[str, float]:
    """The loss on each of the datasets to evaluate on, prefixed; callbacks see none of them.

    Args:
        trainer: the run.
        evaluate: of `transformers.Trainer`, for one dataset.
        given: a dataset, or several by name; None takes those of the trainer.
        ignore_keys: as `transformers.Trainer.evaluate` takes them.
        prefix: of the names.
    """
    datasets = trainer.eval_dataset if given is None else given
    parts = {} if datasets is None else {prefix: datasets}
    if isinstance(datasets, Mapping):
        # transformers knows the loader of its own datasets by their name.
        parts = {f"{prefix}_{name}": name if given is None else part for name, part in datasets.items()}
    metrics: dict[str, float] = {}
    with _held_back(trainer.callback_handler):
        for name, part in parts.items():
            metrics |= evaluate(part, ignore_keys, name)
    return metrics


def evaluator_metrics(student: Encoder, evaluators: list[Evaluator], prefix: str) -> dict[str, float]:
    """What the evaluators say of a student, prefixed; every process calls them on the same student."""
    was_training = student.training
    student.eval()
    with gathered(student):
        found = [evaluator(student) for evaluator in evaluators]
    student.train(was_training)
    return {f"{prefix}_{name}": float(value) for metrics in found for name, value in metrics.items()}


@contextmanager
def _held_back(handler: CallbackHandler) -> Iterator[None]:
    """Close the progress bars and call no `on_evaluate`: transformers calls one a dataset, and callbacks would count each."""

    def close_bars(args: Any, state: Any, control: TrainerControl, metrics: Any) -> TrainerControl:
        for callback in handler.callbacks:
            if isinstance(callback, ProgressCallback):
                callback.on_evaluate(args, state, control)
        return control

    handler.on_evaluate = close_bars
    try:
        yield
    finally:
        del handler.on_evaluate
