"""Going on from a checkpoint: a finished run changes nothing, learning rates of now count, what does not fit is named."""

import logging
import shutil

import numpy as np
import pytest
import tiny_pairs
import torch
from peft import IA3Config, LoraConfig, PrefixTuningConfig, PromptTuningConfig
from sentence_transformers import SentenceTransformer
from test_trainer import TEXTS, arguments
from transformers import EarlyStoppingCallback

from optical_hf.models import build_student, load_student
from optical_hf.training import OTDistillationTrainer, merge_and_save

pytestmark = pytest.mark.slow


def weights(model):
    return torch.cat([p.detach().flatten().clone() for p in model.parameters()])


def trainer(folder, peft_config=None, callbacks=None, evaluators=None, **kwargs):
    student, teacher = tiny_pairs.pair()
    options = {"save_strategy": "steps", "save_steps": 1, "max_steps": 4, "lr_scheduler_type": "constant"} | kwargs
    return OTDistillationTrainer(
        student, teacher, arguments(folder, **options), tiny_pairs.bitext(), peft_config=peft_config, callbacks=callbacks,
        evaluators=evaluators,
    )  # fmt: skip


def rates(run):
    return [entry["learning_rate"] for entry in run.state.log_history if "learning_rate" in entry]


def files(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a run of four steps, a checkpoint after each, that came to its end."""
    folder = tmp_path_factory.mktemp("finished")
    trainer(folder).train()
    return folder


class TestFinished:
    @pytest.mark.parametrize(
        "ends",
        [{"max_steps": 4}, {"max_steps": -1, "num_train_epochs": 0.25}],
        ids=str,
    )
    def test_a_run_that_came_to_its_end_changes_nothing(self, tmp_path, caplog, ends):
        first = trainer(tmp_path, **ends)
        first.train()
        before = files(tmp_path)
        again = trainer(tmp_path, **ends)
        out = again.train(resume_from_checkpoint=True)
        assert "already finished" in caplog.text
        assert f"(checkpoint-{first.state.global_step}); nothing is trained" in caplog.text
        assert out.global_step == again.state.global_step == first.state.global_step
        assert torch.equal(weights(again.model), weights(first.model))
        assert files(tmp_path) == before

    def test_more_steps_are_taken_where_they_are_asked_for(self, finished, tmp_path):
        again = trainer(shutil.copytree(finished, tmp_path / "run"), max_steps=5)
        again.train(resume_from_checkpoint=True)
        assert again.state.global_step == 5

    def test_the_best_student_is_the_one_a_finished_run_ends_with(self, tmp_path):
        def run():
            found = iter([0.1, 0.9, 0.5, 0.4])
            return trainer(
                tmp_path, evaluators=lambda _: {"x": next(found)}, eval_strategy="steps", eval_steps=1,
                metric_for_best_model="eval_x", load_best_model_at_end=True,
            )  # fmt: skip

        first, again = run(), run()
        first.train()
        again.train(resume_from_checkpoint=True)
        assert again.state.best_global_step == 2
        assert torch.equal(weights(again.model), weights(first.model))

    @pytest.mark.parametrize("ours", [True, False])
    def test_a_run_that_stopped_early_has_come_to_its_end(self, tmp_path, caplog, ours):
        def run(patience=2):
            early = {"early_stopping_patience": patience} if ours else {}
            return trainer(
                tmp_path, evaluators=lambda _: {"R@1/so": 0.5}, eval_strategy="steps", eval_steps=1, max_steps=8,
                metric_for_best_model="eval_R@1/so", load_best_model_at_end=True, **early,
                callbacks=[] if ours else [EarlyStoppingCallback(patience)],
            )  # fmt: skip

        run().train()
        again = run()
        again.train(resume_from_checkpoint=True)
        assert again.state.global_step == 3
        assert "early stopping ended the run at step 3" in caplog.text
        more = run(patience=3)  # of now
        more.train(resume_from_checkpoint=True)
        assert more.state.global_step > 3


class TestRates:
    @pytest.mark.parametrize("schedule", ["constant", "linear", "reduce_lr_on_plateau"])
    def test_a_changed_learning_rate_is_that_of_the_steps_that_follow(self, tmp_path, schedule):
        more = {
            "evaluators": lambda _: {"x": 1.0},
            "eval_strategy": "steps",
            "eval_steps": 1,
            "metric_for_best_model": "eval_x",
        }
        more = more if schedule == "reduce_lr_on_plateau" else {}
        whole = trainer(tmp_path / "a", lr_scheduler_type=schedule, **more)
        whole.train()
        changed = trainer(tmp_path / "a", lr_scheduler_type=schedule, learning_rate=2e-3, **more)
        changed.train(resume_from_checkpoint=str(tmp_path / "a" / "checkpoint-2"))
        assert rates(changed)[-2:] == pytest.approx([2 * rate for rate in rates(whole)[-2:]])
        assert not torch.equal(weights(changed.model), weights(whole.model))

    def test_each_of_two_learning_rates_is_changed_alone(self, tmp_path):
        trainer(tmp_path, projection_learning_rate=1e-2).train()
        changed = trainer(tmp_path, projection_learning_rate=5e-2, max_steps=5)
        changed.train(resume_from_checkpoint=True)
        assert sorted({group["lr"] for group in changed.optimizer.param_groups}) == pytest.approx([1e-3, 5e-2])

    def test_a_rate_that_was_not_changed_is_that_of_a_run_that_did_not_stop(self, tmp_path):
        whole = trainer(tmp_path, lr_scheduler_type="linear", warmup_steps=2)
        whole.train()
        rest = trainer(tmp_path, lr_scheduler_type="linear", warmup_steps=2)
        rest.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
        assert rates(rest) == rates(whole)
        assert torch.equal(weights(rest.model), weights(whole.model))

    def test_what_the_optimizer_keeps_is_told(self, tmp_path, caplog):
        trainer(tmp_path, weight_decay=0.1).train()
        trainer(tmp_path, weight_decay=0.2, max_steps=5).train(resume_from_checkpoint=True)
        assert "the optimizer goes on as the checkpoint was saved, with weight_decay=0.1" in caplog.text

    @pytest.mark.parametrize(
        ("kwargs", "told"),
        [
            ({"freeze_embeddings": True}, "freeze_embeddings=False and the run has True"),
            ({"projection_learning_rate": 1e-2}, "projection_learning_rate=None and the run has 0.01"),
            ({"optim": "sgd"}, "optim='adamw_torch"),
        ],
        ids=str,
    )
    def test_a_setting_that_the_optimizer_is_bound_to_is_named(self, finished, kwargs, told):
        with pytest.raises(ValueError, match=f"was saved with .*{told}.*set it as it was"):
            trainer(finished, max_steps=5, **kwargs).train(resume_from_checkpoint=True)

    def test_weights_that_were_frozen_by_hand_are_an_error_that_says_so(self, finished):
        frozen = trainer(finished, max_steps=5)
        frozen.model[0].model.encoder.layer[0].requires_grad_(False)
        with pytest.raises(ValueError, match=r"has other weights than this run.*requires_grad"):
            frozen.train(resume_from_checkpoint=True)


def test_a_run_that_saved_models_alone_says_what_it_goes_on_without(tmp_path, caplog):
    trainer(tmp_path, save_only_model=True).train()
    again = trainer(tmp_path, save_only_model=True, max_steps=5)
    with caplog.at_level(logging.WARNING):
        again.train(resume_from_checkpoint=True)
    assert "saved with save_only_model=True: the run goes on from its step with a fresh optimizer" in caplog.text
    assert again.state.global_step == 5


LORA = {"r": 4, "target_modules": ["query"]}


class TestAdapters:
    @pytest.fixture(scope="class")
    def checkpoint(self, tmp_path_factory):
        """A checkpoint of a LoRA run, on a backbone that was read from a folder."""
        tmp_path = tmp_path_factory.mktemp("adapters")
        tiny_pairs.backbone().save_pretrained(str(tmp_path / "backbone"))
        teacher = tiny_pairs.teacher()
        student = build_student(SentenceTransformer(str(tmp_path / "backbone")), teacher)
        args = arguments(tmp_path / "run", save_strategy="steps", save_steps=3, learning_rate=1e-2)
        run = OTDistillationTrainer(student, teacher, args, tiny_pairs.bitext(), peft_config=LoraConfig(**LORA))
        run.train()
        return tmp_path / "run" / "checkpoint-3"

    def test_a_student_that_was_loaded_with_one_is_not_trained_in_silence(self, checkpoint, tmp_path):
        teacher = tiny_pairs.teacher()
        loaded = load_student(checkpoint, teacher)
        for config in (None, LoraConfig(**LORA)):
            with pytest.raises(
                ValueError, match=r"loaded with an adapter \(LORA, r=4, target_modules=\['query'\]\).*merge_and_save"
            ):
                OTDistillationTrainer(
                    loaded, teacher, arguments(tmp_path / "b"), tiny_pairs.bitext(), peft_config=config
                )
        merge_and_save(loaded, tmp_path / "whole")
        whole = load_student(tmp_path / "whole", teacher)
        assert np.abs(whole.encode(TEXTS) - loaded.encode(TEXTS)).max() < 1e-5
        run = OTDistillationTrainer(whole, teacher, arguments(tmp_path / "b"), tiny_pairs.bitext())
        before = weights(whole[0])
        run.train()
        assert not torch.equal(weights(whole[0]), before)

    @pytest.mark.parametrize(
        ("config", "told"),
        [
            (None, "and the student has none: give the trainer the peft_config"),
            (LoraConfig(r=8, target_modules=["query"]), r"makes another \(LORA, r=8"),
            (LoraConfig(r=4, target_modules=["value"]), r"makes another \(LORA, r=4, target_modules=\['value'\]"),
            (IA3Config(target_modules=["query"], feedforward_modules=[]), r"makes another \(IA3, target_modules"),
        ],
        ids=["none", "rank", "place", "kind"],
    )
    def test_a_run_that_is_resumed_with_another_names_both(self, checkpoint, config, told):
        run = trainer(checkpoint.parent, peft_config=config, max_steps=5)
        with pytest.raises(ValueError, match=rf"holds an adapter \(LORA, r=4, target_modules=\['query'\]\).*{told}"):
            run.train(resume_from_checkpoint=True)

    @pytest.mark.parametrize("kind", [PromptTuningConfig, PrefixTuningConfig])
    def test_one_of_prompts_is_refused(self, tmp_path, kind):
        config = kind(task_type="FEATURE_EXTRACTION", num_virtual_tokens=4)
        with pytest.raises(
            ValueError, match=r"peft_config is P.*_TUNING: .*take one that changes weights, such as LoraConfig"
        ):
            trainer(tmp_path, peft_config=config)
