"""Make the student of one run: closed form, then gradient steps, as the system and the budget of the run say.

Calls `fit_alignment` and `OTDistillationTrainer`; what they do is theirs. Knows nothing about evaluation.
"""

from itertools import islice
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from datasets import Dataset

from optical_hf.models import Encoder
from optical_hf.models.cache import TeacherCache
from optical_hf.study.accounting import Meter, flop_counter
from optical_hf.study.grid import RunConfig
from optical_hf.study.starts import start_projection
from optical_hf.training import OTDistillationArguments, OTDistillationTrainer

PROBED = 4
"""Batches on which the cost of a step is measured, for a budget of operations."""


def train_student(
    run: RunConfig,
    student: Encoder,
    teacher: TeacherCache,
    bitext: Dataset,
    folder: Path,
    workspace: Path,
    meter: Meter,
) -> tuple[int, list[dict[str, Any]]]:
    """Train in place.

    Args:
        run: its system, budget and seed are read.
        student: from `load_student`.
        teacher: the cache that holds the English sides.
        bitext: the pairs drawn for this run.
        folder: for what the trainer writes.
        workspace: where the starts of the study are kept.
        meter: gets the parts "fit" and "train".

    Returns:
        The number of gradient steps, and the trainer's log.

    Raises:
        ValueError: a budget that does not pay for one step.
    """
    if run.system.alignment != "none":
        start_projection(run, student, teacher, bitext, workspace / "starts", meter)
    if run.budget is None or run.system.losses is None:
        return 0, []
    processes = PartialState().num_processes
    if run.budget.batch % processes:
        raise ValueError(f"a batch of {run.budget.batch} pairs cannot be dealt out evenly to {processes} processes")
    args = OTDistillationArguments(
        str(folder / "trainer"),
        losses=run.system.losses,
        alignment="none",
        seed=run.seed,
        max_steps=run.budget.steps or 1,
        per_device_train_batch_size=run.budget.batch // processes,
        **{**_defaults(run), **run.system.arguments},
    )
    trainer = OTDistillationTrainer(model=student, teacher=teacher, args=args, train_dataset=bitext)
    if run.budget.flops is not None:
        args.max_steps = affordable_steps(
            run.budget.flops, meter.flops.get("fit", 0.0), step_flops(trainer) * processes
        )
    with meter.part("train"):
        trainer.train()
    return trainer.state.global_step, [dict(entry) for entry in trainer.state.log_history]


def _defaults(run: RunConfig) -> dict[str, Any]:
    return {
        "learning_rate": run.budget.learning_rate if run.budget else 0.0,
        "save_strategy": "no",
        "logging_steps": 10,
        "report_to": "none",
        "disable_tqdm": True,
    }


def step_flops(trainer: OTDistillationTrainer) -> float:
    """Operations of one step of this process, forward and backward: the mean over a few batches, none of them learnt from."""
    model = trainer.model
    assert model is not None
    model.train()
    with torch.random.fork_rng(), flop_counter() as counter:
        batches = list(islice(iter(trainer.get_train_dataloader()), PROBED))
        for batch in batches:
            trainer.compute_loss(model, trainer._prepare_inputs(batch)).backward()
            model.zero_grad()
    return counter.get_total_flops() / len(batches)


def affordable_steps(flops: float, spent: float, step: float) -> int:
    """How many steps a budget of operations pays for, after what was spent before.

    Raises:
        ValueError: not one.

    Example:
        >>> affordable_steps(1e12, spent=2e11, step=1e11)
        8
    """
    steps = round((flops - spent) / step)
    if steps < 1:
        raise ValueError(
            f"a budget of {flops:.3g} operations pays for no step: the closed form took {spent:.3g} and a step takes "
            f"{step:.3g}; raise flops, or compare at equal steps"
        )
    return steps
