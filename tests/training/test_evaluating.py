"""What a trainer evaluates, when, and what callbacks make of it."""

import numpy as np
import pytest
import tiny_pairs
from sentence_transformers import SentenceTransformer
from test_trainer import TEXTS, trainer
from transformers import EarlyStoppingCallback, TrainerCallback


@pytest.mark.slow
def test_evaluators_report_metrics_that_choose_the_best_model(tmp_path):
    seen = []

    def evaluator(model):
        assert not model.training
        seen.append(model)
        return {"R@1/so": [0.3, 0.9, 0.5][len(seen) - 1]}

    run = trainer(
        tmp_path, evaluators=evaluator, eval_strategy="steps", eval_steps=1, save_strategy="steps", save_steps=1,
        metric_for_best_model="eval_R@1/so", load_best_model_at_end=True,
    )  # fmt: skip
    run.train()
    assert run.state.best_metric == 0.9
    assert run.state.best_global_step == 2
    best = SentenceTransformer(run.state.best_model_checkpoint)
    assert np.abs(run.model.encode(TEXTS) - best.encode(TEXTS)).max() < 1e-6
    assert [e["eval_R@1/so"] for e in run.state.log_history if "eval_R@1/so" in e] == [0.3, 0.9, 0.5]


def test_eval_dataset_gives_a_loss(tmp_path):
    run = trainer(tmp_path, eval_dataset=tiny_pairs.bitext().select(range(20)), evaluators=lambda _: {"x": 1.0})
    metrics = run.evaluate()
    assert metrics["eval_x"] == 1.0
    assert 0 < metrics["eval_loss"] < 10


class Evaluations(TrainerCallback):
    """The metrics of each evaluation, as callbacks are told of them."""

    def __init__(self):
        self.told = []

    def on_evaluate(self, args, state, control, metrics, **kwargs):
        self.told.append(set(metrics))


@pytest.mark.slow
def test_an_evaluation_is_one_for_callbacks_and_evaluators_however_many_datasets_it_has(tmp_path):
    calls = []
    parts = {name: tiny_pairs.bitext().select(range(8)) for name in ("de", "so", "mr")}
    run = trainer(
        tmp_path, evaluators=lambda _: calls.append(1) or {"R@1/so": 0.5}, eval_dataset=parts, eval_strategy="steps",
        eval_steps=1, save_strategy="steps", save_steps=1, metric_for_best_model="eval_de_loss", load_best_model_at_end=True,
        learning_rate=1e-2, max_steps=2,
    )  # fmt: skip
    seen = Evaluations()
    run.add_callback(seen)
    run.train()
    assert len(seen.told) == len(calls) == 2
    assert {"eval_R@1/so", "eval_de_loss", "eval_so_loss", "eval_mr_loss"} <= seen.told[0]
    assert not [name for name in seen.told[0] if "R@1" in name and name != "eval_R@1/so"]
    assert run.state.best_metric == min(e["eval_de_loss"] for e in run.state.log_history if "eval_de_loss" in e)
    metrics = run.evaluate({"x": parts["de"]}, metric_key_prefix="test")
    assert {"test_R@1/so", "test_x_loss"} <= set(metrics)


@pytest.mark.slow
@pytest.mark.parametrize(("metric", "rate"), [("eval_x", 1e-3), ("eval_loss", 0.0)])
def test_early_stopping_and_the_plateau_scheduler_count_evaluations(tmp_path, metric, rate):
    run = trainer(
        tmp_path, evaluators=lambda _: {"x": 0.5}, eval_dataset=tiny_pairs.bitext().select(range(8)), eval_strategy="steps",
        eval_steps=1, save_strategy="steps", save_steps=1, metric_for_best_model=metric, load_best_model_at_end=True,
        max_steps=8, learning_rate=rate, lr_scheduler_type="reduce_lr_on_plateau",
        lr_scheduler_kwargs={"patience": 1, "factor": 0.1},
    )  # fmt: skip
    run.add_callback(EarlyStoppingCallback(4))
    run.train()
    assert run.state.global_step == 5  # the first evaluation is the best, four more do not better it
    rates = [entry["learning_rate"] for entry in run.state.log_history if "learning_rate" in entry]
    assert rates == pytest.approx([rate, rate, rate, rate / 10, rate / 10])


def test_nothing_to_evaluate_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"nothing to evaluate: pass eval_dataset"):
        trainer(tmp_path).evaluate()
