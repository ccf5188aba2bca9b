"""Callbacks: what they measure, when they stop a run and what they say, and where their numbers go."""

import logging
import signal

import pytest
import tiny_pairs
import torch
from test_trainer import arguments
from transformers import TrainerCallback, TrainerControl, TrainerState

from optical_hf.training import OTDistillationTrainer
from optical_hf.training.callbacks import (
    BadBatches,
    CheckpointOnTermination,
    CollapseDetector,
    LanguageEarlyStopping,
    TransportDiagnostics,
    default_callbacks,
)
from optical_hf.training.callbacks.stopping import standings
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


class TestEarlyStopping:
    def run(self, on, *evaluations, patience=2, threshold=0.0):
        """The step at which it stops, None where it does not."""
        callback = LanguageEarlyStopping(on, patience, threshold)
        state, control = TrainerState(), TrainerControl()
        for step, metrics in enumerate(evaluations, start=1):
            state.global_step = step
            entry = {f"eval_{name}": value for name, value in metrics.items()}
            state.log_history.append(entry | {"step": step})
            callback.on_evaluate(None, state, control, entry)
            if control.should_training_stop:
                return step
        return None

    def test_stops_when_the_worst_language_no_longer_rises(self, caplog):
        rising = [{"R@1/de": 0.9 + i / 100, "R@1/so": worst} for i, worst in enumerate([0.1, 0.3, 0.3, 0.2, 0.25])]
        with caplog.at_level(logging.WARNING):
            assert self.run("worst", *rising) == 4
        assert "step 2: worst language so at 0.300" in caplog.text

    def test_the_worst_language_may_change(self):
        assert (
            self.run("worst", *({"R@1/de": de, "R@1/so": so} for de, so in [(0.1, 0.5), (0.6, 0.2), (0.7, 0.3)]))
            is None
        )

    def test_a_threshold_must_be_passed(self):
        small = [{"R@1/so": 0.1 + i / 1000} for i in range(5)]
        assert self.run("worst", *small) is None
        assert self.run("worst", *small, threshold=0.01) == 3

    def test_the_gap_of_a_student_that_finds_nothing_is_no_best(self):
        steps = [(0.0, 0.0), (0.5, 0.1), (0.6, 0.3), (0.6, 0.3), (0.6, 0.3)]
        metrics = [{"R@1/de": high, "R@1/so": low, "R@1_gap": high - low} for high, low in steps]
        assert self.run("gap", *metrics) == 5

    def test_a_smaller_gap_at_the_same_mean_is_progress(self):
        steps = [(0.6, 0.2), (0.55, 0.25), (0.5, 0.3), (0.45, 0.35)]
        assert self.run("gap", *({"R@1/de": h, "R@1/so": w, "R@1_gap": h - w} for h, w in steps), patience=1) is None

    @pytest.mark.parametrize(("on", "told"), [("worst", "R@1/xx for each language"), ("gap", r"R@1_gap")])
    def test_metrics_that_are_not_there_are_an_error(self, on, told):
        metrics = {"MRR/mean": 0.5} if on == "worst" else {"R@1/so": 0.5}
        with pytest.raises(ValueError, match=f"needs an evaluator that reports {told}.*eval_"):
            self.run(on, metrics)

    def test_means_are_no_language(self):
        history = [{"eval_R@1/mean": 0.1, "eval_R@1/so": 0.3, "eval_R@1/de": 0.5, "step": 7}, {"loss": 1.0}]
        assert standings(history) == [(7, 0.3, "so", 0.4, None)]

    @pytest.mark.slow
    def test_a_run_stops_and_a_resumed_one_stops_at_the_same_step(self, tmp_path):
        def stopping(folder):
            # The numbers of a step, so that they do not depend on how often the evaluator was called.
            run = None

            def evaluator(model):
                return {"R@1/so": [0.1, 0.4, 0.3, 0.2, 0.1, 0.1][run.state.global_step - 1], "R@1/de": 0.9}

            run = trainer(
                folder, evaluators=evaluator, max_steps=6, eval_strategy="steps", eval_steps=1, save_strategy="steps", save_steps=1,
                early_stopping="worst", early_stopping_patience=2, eval_dataset=tiny_pairs.bitext().select(range(8)),
            )  # fmt: skip
            return run

        whole = stopping(tmp_path)
        whole.train()
        assert whole.state.global_step == 4
        again = stopping(tmp_path)
        again.train(resume_from_checkpoint=str(tmp_path / "checkpoint-3"))
        assert again.state.global_step == 4


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
    assert LanguageEarlyStopping in kinds(early_stopping="gap", eval_strategy="steps", eval_steps=1)
    assert CheckpointOnTermination not in kinds(enable_jit_checkpoint=True)
    own = CollapseDetector("warn", every=3)
    assert default_callbacks(arguments(tmp_path), None, [own]).count(own) == 1
    assert kinds(own).count(CollapseDetector) == 1


@pytest.mark.parametrize(
    ("kwargs", "told"),
    [
        ({"on_bad_batch": "ignore"}, "on_bad_batch: expected one of stop, skip, got 'ignore'"),
        ({"on_collapse": "no"}, "one of stop, warn, ignore"),
        ({"early_stopping": "best"}, "one of none, worst, gap"),
        ({"early_stopping": "gap"}, "never stops"),
        ({"early_stopping_patience": 0}, "early_stopping_patience"),
        ({"early_stopping_threshold": 1.5}, "early_stopping_threshold"),
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
