"""Make the student of one run: closed form, then gradient steps, as the system and the budget of the run say.

What fits and trains is `fit_alignment` and `OTDistillationTrainer`.
"""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

from accelerate import PartialState
from datasets import Dataset

from optical_hf.models import Encoder
from optical_hf.models.alignment.chosen_documents import ChosenDocuments
from optical_hf.models.teachers.token_cache import TeacherCache
from optical_hf.study.config.grid import RunConfig
from optical_hf.study.run.closed_form import start_projection
from optical_hf.study.run.run_cost import Meter, flop_counter
from optical_hf.study.run.step_budget import WithinBudget, affordable_steps, step_flops
from optical_hf.training import OTDistillationArguments, OTDistillationTrainer

DEFAULTS = {"save_strategy": "no", "logging_steps": 10, "report_to": "none", "disable_tqdm": True}
"""Training arguments of every run; those of a system go before them."""


def train_student(
    run: RunConfig,
    student: Encoder,
    teacher: TeacherCache,
    bitext: Dataset | None,
    documents: ChosenDocuments | None,
    query_texts: Dataset | None,
    folder: Path,
    kept: Path,
    meter: Meter,
) -> tuple[int, list[dict[str, Any]]]:
    """Train in place.

    Args:
        run: its system, budget and seed are read.
        student: from `load_student`.
        teacher: the cache that holds the English sides, and the documents that are read.
        bitext: the pairs of this run; None without bitext.
        documents: of the index; None for none.
        query_texts: English queries; None for none.
        folder: for what the trainer writes.
        kept: where the runs of the study keep what they share.
        meter: gets the parts "fit" and "train".

    Returns:
        The number of gradient steps, and the trainer's log.

    Raises:
        ValueError: a budget that does not pay for one step.
    """
    if run.system.alignment != "none":
        with meter.part("fit"):
            start_projection(run, student, teacher, bitext, documents, query_texts, kept, meter)
    if run.budget is None or run.system.losses is None:
        return 0, []
    args = _arguments(run, folder)

    def make_trainer() -> OTDistillationTrainer:
        return OTDistillationTrainer(
            model=student,
            teacher=teacher,
            args=args,
            train_dataset=bitext,
            documents=documents,
            query_texts=query_texts,
        )

    budget = None
    if run.budget.flops is not None:
        spent = meter.flops.get("fit", 0.0)
        args.max_steps = affordable_steps(run.budget.flops, spent, step_flops(make_trainer))
        budget = run.budget.flops - spent
    trainer = make_trainer()
    with meter.part("train"), flop_counter() if budget is not None else nullcontext() as counter:
        if budget is not None and counter is not None:
            trainer.add_callback(WithinBudget(budget, counter))
        trainer.train()
    return trainer.state.global_step, [dict(entry) for entry in trainer.state.log_history]


def _arguments(run: RunConfig, folder: Path) -> OTDistillationArguments:
    """The arguments of a run's gradient steps, its batch dealt out to processes and accumulation."""
    assert run.budget is not None
    assert run.system.losses is not None
    parts = PartialState().num_processes * run.system.arguments.get("gradient_accumulation_steps", 1)
    if run.budget.batch % parts:
        raise ValueError(
            f"a batch of {run.budget.batch} pairs cannot be dealt out evenly to {parts} parts (processes x accumulation): take a "
            "multiple of it"
        )
    return OTDistillationArguments(
        str(folder / "trainer"),
        losses=run.system.losses,
        alignment="none",
        seed=run.seed,
        max_steps=run.budget.steps or 1,
        per_device_train_batch_size=run.budget.batch // parts,
        **{"learning_rate": run.budget.learning_rate, **DEFAULTS, **run.system.arguments},
    )
