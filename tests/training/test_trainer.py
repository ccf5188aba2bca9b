"""The trainer: what moves, what is logged, what is saved, and that accumulation changes nothing."""

import json
from dataclasses import dataclass

import numpy as np
import pytest
import tiny_pairs
import torch
from peft import LoraConfig
from sentence_transformers import SentenceTransformer

from optical_hf.losses import Contrastive, KLDot, Loss, Transport
from optical_hf.models import token_projection
from optical_hf.training import OTDistillationArguments, OTDistillationTrainer, load_weights

TEXTS = ["Drei Jungen in grünen Hemden schlafen.", "एक काळे गाढव बागेत पळत आहे.", "Buug ayaa xeebta yaalla."]


def arguments(folder, **kwargs):
    defaults = {
        "max_steps": 3, "per_device_train_batch_size": 8, "learning_rate": 1e-3, "report_to": "none", "disable_tqdm": True,
        "save_strategy": "no", "logging_steps": 1, "use_cpu": True, "alignment": "none",
        "losses": "transport=1.0,pooled_cosine=0.5",
    }  # fmt: skip
    return OTDistillationArguments(output_dir=str(folder), **(defaults | kwargs))


def trainer(folder, evaluators=None, eval_dataset=None, peft_config=None, **kwargs):
    student, teacher = tiny_pairs.pair()
    return OTDistillationTrainer(
        model=student,
        teacher=teacher,
        args=arguments(folder, **kwargs),
        train_dataset=tiny_pairs.bitext(),
        eval_dataset=eval_dataset,
        evaluators=evaluators,
        peft_config=peft_config,
    )


def losses(run) -> list[float]:
    return [float(entry["loss"]) for entry in run.state.log_history if "loss" in entry]


def test_every_trainable_parameter_moves_and_the_teacher_does_not(tmp_path):
    run = trainer(tmp_path)
    before = {name: p.clone() for name, p in run.model.named_parameters()}
    taught = {name: p.clone() for name, p in run.teacher.model.named_parameters()}
    run.train()
    still = {name for name, p in run.model.named_parameters() if torch.equal(p, before[name])}
    assert still <= {"0.model.pooler.dense.weight", "0.model.pooler.dense.bias"}
    assert all(torch.equal(p, taught[name]) for name, p in run.teacher.model.named_parameters())
    assert not run.teacher.model.training


def test_every_loss_is_logged_by_name_and_adds_up(tmp_path):
    run = trainer(tmp_path, losses="transport=1.0,pooled_cosine=0.5,pooled_mse=2.0")
    run.train()
    logged = [entry for entry in run.state.log_history if "loss" in entry]
    assert len(logged) == 3
    for entry in logged:
        expected = float(entry["transport"]) + 0.5 * float(entry["pooled_cosine"]) + 2 * float(entry["pooled_mse"])
        assert float(entry["loss"]) == pytest.approx(expected, rel=1e-3)


@dataclass(frozen=True)
class PooledL1(Loss):
    """A loss of a user's own."""

    name = "pooled_l1"

    def __call__(self, pairs):
        return (pairs.student_vector_BD - pairs.teacher_vector_BD).abs().mean(dim=-1)


def test_losses_of_ones_own_are_minimised_and_logged(tmp_path):
    student, teacher = tiny_pairs.pair()
    losses = {PooledL1(): 2.0, Transport(epsilon=0.1): 0.5, Transport(): 0.5}
    run = OTDistillationTrainer(student, teacher, arguments(tmp_path), tiny_pairs.bitext(), losses=losses)
    run.train()
    entry = next(entry for entry in run.state.log_history if "loss" in entry)
    parts = [2.0 * entry["pooled_l1"], 0.5 * entry["transport"], 0.5 * entry["transport_2"]]
    assert entry["loss"] == pytest.approx(sum(parts), rel=1e-3)
    assert run.args.losses == "pooled_l1=2,transport(epsilon=0.1)=0.5,transport=0.5"


@pytest.mark.parametrize(
    ("losses", "told"),
    [
        ({Contrastive(): 1.0, KLDot(): 1.0}, "batch of one"),
        ({}, "losses hold none"),
        ({"contrastive": 1.0}, "losses hold a str"),
        ({Contrastive(bank=4): -1.0}, "expected a positive number"),
    ],
)
def test_losses_that_nothing_is_learnt_from_are_refused(tmp_path, losses, told):
    student, teacher = tiny_pairs.pair()
    args = arguments(tmp_path, per_device_train_batch_size=1)
    with pytest.raises(ValueError, match=told):
        OTDistillationTrainer(student, teacher, args, losses=losses)


@pytest.mark.slow
@pytest.mark.parametrize(("batch", "accumulation"), [(8, 2), (2, 8)])
def test_accumulation_retraces_the_loss_curve(tmp_path, batch, accumulation):
    whole = trainer(tmp_path / "a", per_device_train_batch_size=16, max_steps=4)
    whole.train()
    parts = trainer(
        tmp_path / "b", per_device_train_batch_size=batch, gradient_accumulation_steps=accumulation, max_steps=4
    )
    parts.train()
    assert losses(parts) == pytest.approx(losses(whole), rel=1e-4)


def test_an_uneven_last_batch_counts_each_pair_once(tmp_path):
    student, teacher = tiny_pairs.pair()
    twelve = tiny_pairs.bitext().select(range(12))

    def run(folder, **kwargs):
        made = OTDistillationTrainer(
            model=student,
            teacher=teacher,
            args=arguments(folder, max_steps=1, learning_rate=0.0, **kwargs),
            train_dataset=twelve,
        )
        made.train()
        return losses(made)[0]

    whole = run(tmp_path / "a", per_device_train_batch_size=12)
    parts = run(tmp_path / "b", per_device_train_batch_size=8, gradient_accumulation_steps=2)
    assert parts == pytest.approx(whole, rel=1e-4)


def test_projection_has_its_own_learning_rate(tmp_path):
    run = trainer(tmp_path, projection_learning_rate=0.5)
    run.create_optimizer()
    projection = {id(p) for p in token_projection(run.model).parameters()}
    for group in run.optimizer.param_groups:
        inside = [id(p) in projection for p in group["params"]]
        assert all(inside) or not any(inside)
        assert group["lr"] == (0.5 if inside and inside[0] else 1e-3)
    counted = sum(len(g["params"]) for g in run.optimizer.param_groups)
    assert counted == sum(1 for p in run.model.parameters() if p.requires_grad)


@pytest.mark.slow
def test_training_starts_from_the_closed_form(tmp_path):
    cold, warm = trainer(tmp_path / "a"), trainer(tmp_path / "b", alignment="transport")
    cold.train(), warm.train()
    assert losses(warm)[0] < losses(cold)[0]


@pytest.mark.slow
def test_saved_student_is_the_trained_one_and_holds_no_secret(tmp_path):
    run = trainer(tmp_path / "run", hub_token="hf_secret_token_of_mine")
    run.train()
    run.save_model(str(tmp_path / "student"))
    again = SentenceTransformer(str(tmp_path / "student"))
    assert np.abs(again.encode(TEXTS) - run.model.encode(TEXTS)).max() < 1e-5
    files = [f for f in (tmp_path / "student").rglob("*") if f.is_file()]
    assert not [f for f in files if f.suffix in (".bin", ".pt", ".pkl")]
    assert not [f for f in files if b"hf_secret_token_of_mine" in f.read_bytes()]
    assert json.loads((tmp_path / "student" / "training_args.json").read_text())["losses"]


@pytest.mark.slow
def test_resume_goes_on_as_if_it_had_not_stopped(tmp_path):
    whole = trainer(tmp_path / "a", max_steps=6)
    whole.train()
    first = trainer(tmp_path / "b", max_steps=6, save_strategy="steps", save_steps=3)
    first.train()
    second = trainer(tmp_path / "b", max_steps=6)
    second.train(resume_from_checkpoint=str(tmp_path / "b" / "checkpoint-3"))
    for one, two in zip(whole.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(one, two)


@pytest.mark.slow
def test_lora_trains_the_adapter_and_the_projection_and_saves_a_merged_student(tmp_path):
    run = trainer(
        tmp_path / "run",
        peft_config=LoraConfig(r=4, target_modules=["query", "value"]),
        save_strategy="steps",
        save_steps=3,
    )
    before = {name: p.clone() for name, p in run.model.named_parameters()}
    run.train()
    moved = {name for name, p in run.model.named_parameters() if not torch.equal(p, before[name])}
    assert moved
    assert all("lora_" in name or name.startswith("1.") for name in moved)
    run.save_model(str(tmp_path / "student"))
    assert not (tmp_path / "student" / "adapter_config.json").exists()
    again = SentenceTransformer(str(tmp_path / "student"))
    assert np.abs(again.encode(TEXTS) - run.model.encode(TEXTS)).max() < 1e-5
    assert (tmp_path / "run" / "checkpoint-3" / "adapter_model.safetensors").exists()


@pytest.mark.slow
def test_lora_resumes_from_its_adapter(tmp_path):
    def lora(folder, **kwargs):
        torch.manual_seed(0)
        return trainer(folder, peft_config=LoraConfig(r=4, target_modules=["query", "value"]), max_steps=4, **kwargs)

    first = lora(tmp_path, save_strategy="steps", save_steps=2)
    first.train()
    second = lora(tmp_path)
    second.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
    assert np.abs(first.model.encode(TEXTS) - second.model.encode(TEXTS)).max() < 1e-6


def test_what_does_not_fit_is_refused(tmp_path):
    student, teacher = tiny_pairs.pair()
    with pytest.raises(ValueError, match="same object"):
        OTDistillationTrainer(model=student, teacher=student, args=arguments(tmp_path))
    with pytest.raises(ValueError, match=r"expected a sentence-transformers .* got str"):
        OTDistillationTrainer(model=student, teacher="a/path", args=arguments(tmp_path))
    with pytest.raises(ValueError, match="no token projection"):
        OTDistillationTrainer(model=tiny_pairs.backbone(), teacher=teacher, args=arguments(tmp_path))
    with pytest.raises(ValueError, match="student is narrower"):
        OTDistillationTrainer(model=student, teacher=tiny_pairs.teacher(width=48), args=arguments(tmp_path))
    with pytest.raises(ValueError, match="student is wider"):
        OTDistillationTrainer(model=student, teacher=tiny_pairs.teacher(width=16), args=arguments(tmp_path))
    with pytest.raises(ValueError, match="nothing to evaluate"):
        OTDistillationTrainer(
            model=student, teacher=teacher, args=arguments(tmp_path, eval_strategy="steps", eval_steps=1)
        )
    with pytest.raises(ValueError, match=r"modules\.json"):
        load_weights(student, tmp_path)


def test_a_pair_with_an_empty_side_is_named(tmp_path):
    run = trainer(tmp_path)
    with pytest.raises(ValueError, match=r"empty or missing side.*'pair-7'"):
        run.data_collator([{"source": "a dog", "target": "", "id": "pair-7"}])
