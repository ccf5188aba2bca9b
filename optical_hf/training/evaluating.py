"""How a trainer evaluates a student: the loss on held-out bitext, and evaluators from a student to a dict of numbers.

Knows nothing about how retrieval is measured, nor how the loss is made.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from optical_hf.models import Encoder
from optical_hf.training.pushing import StudentTrainer
from optical_hf.training.sharded import gathered

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
        """The loss on `eval_dataset`, where there is one, and the metrics of every evaluator, prefixed and logged."""
        dataset = eval_dataset if eval_dataset is not None else self.eval_dataset
        metrics = super().evaluate(dataset, ignore_keys, metric_key_prefix) if dataset is not None else {}
        own: dict[str, float] = {}
        student = self.accelerator.unwrap_model(self.model, keep_torch_compile=False)
        was_training = student.training
        student.eval()
        with gathered(student):
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
