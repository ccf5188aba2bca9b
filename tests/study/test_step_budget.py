"""A budget of operations: a ceiling, and a plan that leaves no trace in the training it plans."""

import json
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from safetensors.torch import load_file

from optical_hf.study import StudyConfig, folders_of, launch_runs, runs_of
from optical_hf.study.run import running, training_run
from optical_hf.study.run.step_budget import WithinBudget, affordable_steps
from optical_hf.training import OTDistillationTrainer

pytestmark = pytest.mark.slow

Written = Callable[[dict], StudyConfig]
SHOWN = ("loss", "grad_norm", "learning_rate", "pooled_mse", "padding")


def done(config: StudyConfig) -> list[tuple[dict, dict]]:
    entries = folders_of(config, runs_of(config))
    list(launch_runs(config, entries))
    assert [entry.error for entry in entries] == [""] * len(entries)
    return [
        (
            json.loads((entry.folder / running.RESULT).read_text(encoding="utf-8")),
            load_file(entry.folder / "student" / "model.safetensors"),
        )
        for entry in entries
    ]


@pytest.mark.parametrize(
    ("flops", "spent", "step", "steps"),
    [(1.0, 0.0, 0.6, 1), (1.0, 0.4, 0.6, 1), (1.0, 0.0, 0.35, 2), (0.3, 0.0, 0.1, 3)],
)
def test_a_budget_is_a_ceiling(flops: float, spent: float, step: float, steps: int) -> None:
    assert affordable_steps(flops, spent, step) == steps


@dataclass
class Counted:
    flops: float = 0.0

    def get_total_flops(self) -> float:
        return self.flops


@dataclass
class Control:
    should_training_stop: bool = False


def test_training_ends_before_a_step_that_would_pass_the_budget() -> None:
    counter, control = Counted(), Control()
    callback = WithinBudget(10.0, counter)
    for cost, over in ((2.0, False), (4.0, False), (1.0, True)):  # 7 spent, and the dearest step so far took 4
        counter.flops += cost
        callback.on_step_end(None, None, control)
        assert control.should_training_stop is over


@pytest.mark.usefixtures("counted")
def test_planning_steps_leaves_no_trace(study_values: dict, loaded: Written, in_process: list[str]) -> None:
    """A run of a budget in operations is, number by number, the run of as many steps."""
    study_values["systems"] = {
        "MSE": {
            "losses": "pooled_mse",
            "arguments": {"logging_steps": 1, "lr_scheduler_type": "constant", "max_grad_norm": 1.0},
        }
    }
    study_values |= {"keep_students": True, "baselines": [], "grid": {"students": ["short"]}}
    study_values["budgets"] = {"B": {"flops": 1e8, "batch": 8, "learning_rate": 1e-3}}
    ((dear, weights),) = done(loaded(study_values))
    study_values["budgets"] = {"B": {"steps": dear["steps"], "batch": 8, "learning_rate": 1e-3}}
    ((plain, plain_weights),) = done(loaded(study_values))
    assert dear["steps"] == plain["steps"] > 1
    logs = [[{name: entry[name] for name in SHOWN} for entry in r["log"] if "loss" in entry] for r in (dear, plain)]
    assert logs[0] == logs[1]
    assert len(logs[0]) == dear["steps"]
    assert all(weights[name].equal(plain_weights[name]) for name in weights)


def test_pairs_of_a_step_are_dealt_out_to_accumulation(
    study_values: dict, loaded: Written, in_process: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    class Watched(OTDistillationTrainer):
        def training_step(self, model, inputs, num_items_in_batch=None):
            sizes.append(len(inputs["student"]["input_ids"]))
            return super().training_step(model, inputs, num_items_in_batch)

    monkeypatch.setattr(training_run, "OTDistillationTrainer", Watched)
    study_values["systems"] = {
        "MSE": {"losses": "pooled_mse", "arguments": {"gradient_accumulation_steps": 2}},
        "thirds": {"losses": "pooled_mse", "arguments": {"gradient_accumulation_steps": 3}},
    }
    study_values |= {"baselines": [], "grid": {"students": ["short"]}}
    config = loaded(study_values)
    entries = folders_of(config, runs_of(config))
    list(launch_runs(config, entries))
    assert sizes == [4] * 4  # two steps of 8 pairs
    assert "a batch of 8 pairs cannot be dealt out evenly to 3 parts" in entries[1].error
