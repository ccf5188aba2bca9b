"""How many gradient steps a budget of operations pays for: a plan from a few batches, and a stop before the budget is passed.

The plan is made on a trainer of its own, so the one that trains has seen no batch of it.
"""

import math
from collections.abc import Callable
from itertools import islice
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import TrainerCallback

from optical_hf.study.run.run_cost import flop_counter, over_processes
from optical_hf.training import OTDistillationTrainer
from optical_hf.training.trainer.preparation import prepare

PROBED = 4
"""Batches on which the cost of a step is measured."""


def step_flops(make_trainer: Callable[[], OTDistillationTrainer]) -> float:
    """Operations of one step over all processes, forward and backward: the mean over a few batches, none of them learnt from.

    Args:
        make_trainer: makes a trainer whose means, callbacks and checks may be used up; its model keeps weights and mode.
    """
    with torch.random.fork_rng():
        trainer = make_trainer()
        prepare(trainer, resumes=True)
        model = trainer.model
        assert model is not None
        was_training = model.training
        model.train()
        with flop_counter() as counter:
            batches = list(islice(iter(trainer.get_train_dataloader()), PROBED))
            for batch in batches:
                trainer.compute_loss(model, trainer._prepare_inputs(batch)).backward()
                model.zero_grad()
        model.train(was_training)
    per_batch = over_processes(counter.get_total_flops()) / len(batches)
    return per_batch * trainer.args.gradient_accumulation_steps


def affordable_steps(flops: float, spent: float, step: float) -> int:
    """How many steps a budget of operations pays for in full, after what was spent before.

    Raises:
        ValueError: not one.

    Example:
        >>> affordable_steps(1e12, spent=1e11, step=6e11)
        1
    """
    steps = math.floor((flops - spent) / step * (1 + 1e-9))  # 1.0 - 0.4 pays for a step of 0.6
    if steps < 1:
        raise ValueError(
            f"a budget of {flops:.3g} operations pays for no step: the closed form took {spent:.3g} and a step takes "
            f"{step:.3g}; raise flops, or compare at equal steps"
        )
    return steps


class WithinBudget(TrainerCallback):
    """Ends the training where one more step, as dear as the dearest so far, would pass the budget.

    Args:
        flops: what the steps may cost, over all processes.
        counter: that counts the operations of this process while it trains.
    """

    def __init__(self, flops: float, counter: FlopCounterMode) -> None:
        self.flops, self.counter = flops, counter
        self.spent = self.dearest = 0.0

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Compare what was spent with the budget."""
        before, self.spent = self.spent, over_processes(self.counter.get_total_flops())
        self.dearest = max(self.dearest, self.spent - before)
        if self.spent + self.dearest > self.flops:
            control.should_training_stop = True
