"""Callbacks: what they measure, when they stop a run and what they say, and where their numbers go."""

import logging
import signal

import pytest
import tiny_pairs
import torch
from test_trainer import arguments
from transformers import EarlyStoppingCallback, TrainerCallback, TrainerControl, TrainerState

from optical_hf.training import OTDistillationTrainer
from optical_hf.training.callbacks import (
    BadBatches,
    CheckpointOnTermination,
    CollapseDetector,
    TransportDiagnostics,
    default_callbacks,
)
from optical_hf.training.callbacks.transport_diagnostics import mass_beside_content


def trainer(folder, callbacks=None, evaluators=None, eval_dataset=None, **kwargs):
    student, teacher = tiny_pairs.pair()
    return OTDistillationTrainer(
        student,
        teacher,
        arguments(folder, **kwargs),
        tiny_pairs.bitext(),
        eval_dataset,
        evaluators,
        callbacks=callbacks,
    )


class TestTransport:
    def test_mass_beside_content(self):
        plan_BNM = torch.tensor([[[0.25, 0.25], [0.5, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
        content_BN = torch.tensor([[True, False]] * 2)
        assert mass_beside_content(plan_BNM, content_BN, content_BN).tolist() == [0.75, 0.0]

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("kwargs", "name", "fix"),
        [
            ({"losses": "transport(tolerance=1e-12,max_iterations=2)"}, "transport_unconverged", "max_iterations"),
            ({"losses": "transport(special_tokens=true)"}, "transport_special_mass", "special_tokens=False"),
        ],
    )  # fmt: skip
    def test_trouble_is_logged_each_time_and_warned_about_once(self, tmp_path, caplog, kwargs, name, fix):
        run = trainer(tmp_path, max_steps=21, **kwargs)
        with caplog.at_level(logging.WARNING):
            run.train()
        logged = [float(entry[name]) for entry in run.state.log_history if name in entry]
        assert len(logged) == 3  # of 21 steps, every tenth
        assert min(logged) > 0.2
        assert sum(fix in record.getMessage() for record in caplog.records) == 1

    def test_without_transport_there_is_nothing_to_read(self, tmp_path):
        run = trainer(tmp_path, losses="pooled_mse")
        run.train()
        assert not [entry for entry in run.state.log_history if "transport_unconverged" in entry]

    def test_sound_plans_are_quiet(self, tmp_path, caplog):
        with caplog.at_level(logging.WARNING, logger="optical_hf"):
            trainer(tmp_path).train()
        assert not [record for record in caplog.records if record.name.startswith("optical_hf")]


class Recorder(TrainerCallback):
    """What any of the reporters of `report_to` is handed."""

    def __init__(self):
        self.seen = {}

    def on_log(self, args, state, control, logs=None, **kwargs):
        self.seen.update(logs)


EXPECTED = {
    "mean_cosine",
    "effective_rank",
    "teacher_effective_rank",
    "transport_unconverged",
    "transport_special_mass",
}


@pytest.mark.slow
def test_what_is_measured_reaches_every_reporter(tmp_path):
    recorder = Recorder()
    run = trainer(tmp_path, max_steps=21, callbacks=[recorder])
    # Reporters stand before all other callbacks; so does this one.
    run.callback_handler.callbacks.remove(recorder)
    run.callback_handler.callbacks.insert(0, recorder)
    run.train()
    assert set(recorder.seen) >= EXPECTED


@pytest.mark.slow
def test_what_is_measured_reaches_tensorboard(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    trainer(tmp_path, max_steps=21, report_to="tensorboard").train()
    folders = {path.parent for path in tmp_path.rglob("events.out.tfevents.*")}
    assert folders
    tags = set()
    for folder in folders:
        events = EventAccumulator(str(folder))
        events.Reload()
        tags |= set(events.Tags()["scalars"])
    assert {f"train/{name}" for name in EXPECTED} <= tags


def test_which_callbacks_a_run_has(tmp_path):
    def kinds(*given, **kwargs):
        return [type(callback) for callback in default_callbacks(arguments(tmp_path, **kwargs), None, given)]

    assert kinds() == [BadBatches, CollapseDetector, TransportDiagnostics, CheckpointOnTermination]
    assert kinds(on_collapse="ignore", losses="pooled_mse", checkpoint_on_sigterm=False) == [BadBatches]
    stopping = {"metric_for_best_model": "R@1_worst", "eval_strategy": "steps", "eval_steps": 1}
    assert EarlyStoppingCallback in kinds(early_stopping_patience=2, **stopping)
    assert EarlyStoppingCallback not in kinds(**stopping)
    assert CheckpointOnTermination not in kinds(enable_jit_checkpoint=True)
    own = CollapseDetector("warn", every=3)
    assert default_callbacks(arguments(tmp_path), None, [own]).count(own) == 1
    assert kinds(own).count(CollapseDetector) == 1


@pytest.mark.parametrize(
    ("kwargs", "told"),
    [
        ({"on_bad_batch": "ignore"}, "on_bad_batch: expected one of stop, skip, got 'ignore'"),
        ({"on_collapse": "no"}, "one of stop, warn, ignore"),
        ({"early_stopping_patience": 2}, "never stops"),
        ({"early_stopping_patience": 0}, "early_stopping_patience"),
    ],
)
def test_arguments_out_of_range_are_refused(tmp_path, kwargs, told):
    with pytest.raises(ValueError, match=told):
        arguments(tmp_path, **kwargs)


def test_a_smaller_gap_is_the_better_one(tmp_path):
    chosen = {"metric_for_best_model": "eval_R@1_gap", "eval_strategy": "steps", "eval_steps": 1}
    assert arguments(tmp_path, **chosen).greater_is_better is False
    assert arguments(tmp_path, **chosen, greater_is_better=True).greater_is_better is True
    assert arguments(tmp_path, **(chosen | {"metric_for_best_model": "eval_R@1/so"})).greater_is_better is True


def test_signals_are_given_back_where_the_training_began_twice(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    callback = CheckpointOnTermination()
    for _ in range(2):
        callback.on_train_begin(None, TrainerState(), TrainerControl())
    assert signal.getsignal(signal.SIGTERM) != before
    callback.on_train_end(None, TrainerState(), TrainerControl())
    assert signal.getsignal(signal.SIGTERM) == before


def test_signals_are_given_back_after_an_error(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    run = trainer(tmp_path)
    run.data_collator = lambda rows: 1 / 0
    with pytest.raises(ZeroDivisionError):
        run.train()
    assert signal.getsignal(signal.SIGTERM) == before
    assert isinstance(run, OTDistillationTrainer)
