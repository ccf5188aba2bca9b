"""Runs that must come out the same in one process and in two: test_processes.py makes them here, and in two ranks."""

import json
from pathlib import Path

import pytest
import tiny_pairs
import torch
from transformers import EarlyStoppingCallback

from optical_hf.data import RetrievalCollection
from optical_hf.evaluation import RetrievalEvaluator
from optical_hf.losses import LOSSES, MaxSimLoss, SearchLoss
from optical_hf.training import OTDistillationArguments, OTDistillationTrainer

GLOBAL_BATCH = 16


def trainer(
    folder: Path,
    processes: int,
    dataset=None,
    evaluators=None,
    callbacks=None,
    eval_dataset=None,
    layers=None,
    **kwargs,
):
    """A run of `GLOBAL_BATCH` pairs a step, however many processes and accumulation steps make it."""
    student, teacher = tiny_pairs.pair(layers=layers)
    share = GLOBAL_BATCH // processes // kwargs.get("gradient_accumulation_steps", 1)
    fixed = {
        "max_steps": 4, "per_device_train_batch_size": share, "learning_rate": 1e-3, "logging_steps": 1, "alignment": "ridge",
        "report_to": "none", "save_strategy": "no", "disable_tqdm": True, "use_cpu": True,
        "losses": "transport(tolerance=1e-6)=1.0,pooled_cosine=0.5",
    }  # fmt: skip
    args = OTDistillationArguments(str(folder), **(fixed | kwargs))
    dataset = tiny_pairs.bitext() if dataset is None else dataset
    return OTDistillationTrainer(
        student, teacher, args, dataset, eval_dataset=eval_dataset, evaluators=evaluators, callbacks=callbacks
    )


def losses(run) -> list[float]:
    return [entry["loss"] for entry in run.state.log_history if "loss" in entry]


def two_epochs_of_uneven_batches(folder: Path, processes: int) -> list[float]:
    """2.3 global batches an epoch, and of evaluation: the last ones are shared out too, and nobody waits for ever."""
    rows = tiny_pairs.bitext().select(range(37))
    run = trainer(
        folder, processes, rows, eval_dataset=rows, max_steps=-1, num_train_epochs=2,
        per_device_eval_batch_size=GLOBAL_BATCH // processes, learning_rate=0.0,
    )  # fmt: skip
    run.train()
    assert run.state.global_step == 6
    # The texts that fill up the last batches of two processes count in the mean of a batch; see docs/tutorials/many_gpus.md.
    assert run.evaluate()["eval_loss"] == pytest.approx(sum(losses(run)) / 6, rel=0.05)
    return losses(run)


def losses_of_the_whole_batch(folder: Path, processes: int) -> list[float]:
    """Each process compares its pairs with those of all, beside transport."""
    run = trainer(
        folder, processes, tiny_pairs.bitext().select(range(48)), max_steps=3,
        losses="transport(tolerance=1e-6)=1.0,pooled_cosine=0.5,contrastive=0.1,kl_dot=0.1,kl_maxsim=0.1,"
        "pooled_mse=1.0",
    )  # fmt: skip
    run.train()
    run.save_model(str(folder / "student"))
    return losses(run)


def every_loss_with_an_uneven_last_batch(folder: Path, processes: int) -> list[float]:
    """43 pairs in batches of 8, two of them a step: 3 are left. Losses, and the norms of their gradients."""
    compared = [name for name, loss in LOSSES.items() if issubclass(loss, SearchLoss | MaxSimLoss)]
    found = []
    for names in (compared, ["transport", "pooled_cosine", "pooled_mse=10"]):
        run = trainer(
            folder / names[0], processes, tiny_pairs.bitext().select(range(43)), losses=",".join(names), max_steps=-1,
            num_train_epochs=1, gradient_accumulation_steps=2, learning_rate=0.0, alignment="none",
        )  # fmt: skip
        run.train()
        assert run.state.global_step == 3
        found += [entry[key] for entry in run.state.log_history if "loss" in entry for key in ("loss", "grad_norm")]
    return found


def accumulation_over_averaged_layers(folder: Path, processes: int) -> list[float]:
    """The weights of the layers and the layer above them ask for no gradient, and nobody waits for one."""
    run = trainer(folder, processes, layers=[0, 1], gradient_accumulation_steps=2)
    run.train()
    return losses(run)


def a_stream(folder: Path, processes: int) -> list[float]:
    """Three steps an epoch, four steps: the stream starts over on the way."""
    rows = tiny_pairs.bitext().select(range(48)).to_iterable_dataset(num_shards=4).shuffle(seed=1, buffer_size=40)
    run = trainer(folder, processes, rows)
    run.train()
    return losses(run)


def a_budget_of_tokens(folder: Path, processes: int) -> list[float]:
    """Ranks have batches of different sizes, and gather them: what is the same is that all of them end."""
    run = trainer(
        folder, processes, tiny_pairs.bitext().select(range(48)), tokens_per_batch=300, sampling_temperature=3.0, max_steps=-1,
        num_train_epochs=2,
        losses="contrastive=0.1,kl_maxsim=0.1",
    )  # fmt: skip
    run.train()
    assert run.state.epoch == 2
    assert all(0 <= loss < 10 for loss in losses(run))  # 0 in a batch of one pair drawn twice
    assert sum(losses(run)) > 0
    return []


def documents_and_a_bank(folder: Path, processes: int) -> list[float]:
    """Each process encodes its share of the bank; documents of the same student text are no wrong answers to it."""
    rows = tiny_pairs.bitext().select(range(48))
    twins = rows.remove_columns("target").add_column("target", [rows["target"][place // 4] for place in range(48)])
    run = trainer(
        folder, processes, twins.add_column("relevant_document", rows["source"][::-1]),
        losses="contrastive(bank=32)=1.0,kl_dot(bank=32)=1.0",
    )  # fmt: skip
    run.train()
    return losses(run)


def the_best_by_a_shared_evaluator(folder: Path, processes: int) -> list[float]:
    """Every rank has the metrics of all queries, so all of them stop at the same step and load the same student."""
    rows = tiny_pairs.bitext()
    parts = [rows.filter(lambda row, code=code: row["language"] == code) for code in ("de", "so")]
    collections = [
        RetrievalCollection.from_lines(part["language"][0], {part["language"][0]: part["target"][:]}, part["source"][:])
        for part in parts
    ]
    _, teacher = tiny_pairs.pair()
    run = trainer(
        folder, processes, evaluators=RetrievalEvaluator(collections, teacher, sharded=True), max_steps=6,
        eval_strategy="steps", eval_steps=1, save_strategy="steps", save_steps=1, metric_for_best_model="eval_MRR/mean",
        load_best_model_at_end=True, learning_rate=3e-2, callbacks=[EarlyStoppingCallback(1)],
    )  # fmt: skip
    run.train()
    assert run.state.global_step < 6
    return [run.state.global_step, run.state.best_global_step, run.state.best_metric, run.evaluate()["eval_MRR/mean"]]


SCENARIOS = (
    two_epochs_of_uneven_batches,
    losses_of_the_whole_batch,
    every_loss_with_an_uneven_last_batch,
    accumulation_over_averaged_layers,
    a_stream,
    a_budget_of_tokens,
    documents_and_a_bank,
    the_best_by_a_shared_evaluator,
)


def run_all(out: Path, processes: int) -> dict[str, list[float]]:
    return {scenario.__name__: scenario(out / scenario.__name__, processes) for scenario in SCENARIOS}


def run_as_rank(out: Path, processes: int) -> None:
    """Run all as one of `processes`, and write down what was found."""
    found = run_all(out, processes)
    assert torch.distributed.get_world_size() == processes
    (out / f"found-{torch.distributed.get_rank()}.json").write_text(json.dumps(found))
    torch.distributed.destroy_process_group()
