"""How a trainer evaluates a student: the loss on held-out bitext, and evaluators from a student to a dict of numbers.

Knows nothing about how retrieval is measured, nor how the loss is made.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import ProgressCallback, TrainerControl
from transformers.trainer_callback import CallbackHandler

from optical_hf.models import Encoder
from optical_hf.training.checkpoints.checkpoint_io import StudentTrainer
from optical_hf.training.checkpoints.sharded import gathered

Evaluator = Callable[[Encoder], Mapping[str, float]]


class EvaluatingTrainer(StudentTrainer):
    """A trainer of a student with evaluators, which every process calls on the same student."""

    evaluators: list[Evaluator]

    def evaluate(
        self,
        eval_dataset: Any = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
    ) -> dict[str, float]:
        """The loss on each of the `eval_dataset`s, and once the metrics of every evaluator; prefixed and logged.

        Raises:
            ValueError: where there is neither a dataset nor an evaluator.
        """
        given = self.eval_dataset if eval_dataset is None else eval_dataset
        if given is None and not self.evaluators:
            raise ValueError("there is nothing to evaluate: pass eval_dataset, or give the trainer evaluators")
        parts = {} if given is None else {metric_key_prefix: given}
        if isinstance(given, Mapping):
            # transformers knows the loader of its own datasets by their name.
            named = {name: name if eval_dataset is None else part for name, part in given.items()}
            parts = {f"{metric_key_prefix}_{name}": part for name, part in named.items()}
        metrics: dict[str, float] = {}
        with _held_back(self.callback_handler):
            for prefix, part in parts.items():
                metrics |= super().evaluate(part, ignore_keys, prefix)
        own = self._ask_evaluators(metric_key_prefix)
        if own:
            self.log(dict(own))
        metrics |= own
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _ask_evaluators(self, prefix: str) -> dict[str, float]:
        student = self.accelerator.unwrap_model(self.model, keep_torch_compile=False)
        was_training = student.training
        student.eval()
        with gathered(student):
            found = [evaluator(student) for evaluator in self.evaluators]
        student.train(was_training)
        return {f"{prefix}_{name}": float(value) for metrics in found for name, value in metrics.items()}

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
