"""A student that averages layers is trained, saved, resumed and adapted as any other; the weights of its layers stay."""

import numpy as np
import pytest
import tiny_pairs
import torch
from peft import LoraConfig
from sentence_transformers import SentenceTransformer
from test_trainer import TEXTS, arguments, losses

from optical_hf.models import averaged_layers, layer_average
from optical_hf.training import OTDistillationTrainer, load_weights

pytestmark = pytest.mark.slow

SHARES = {1: 0.25, 2: 0.75}


def trainer(folder, layers=SHARES, peft_config=None, student=None, **kwargs):
    built, teacher = tiny_pairs.pair(layers=layers)
    settings = arguments(folder, **kwargs)
    return OTDistillationTrainer(student or built, teacher, settings, tiny_pairs.bitext(), peft_config=peft_config)


def moved_by(run) -> set[str]:
    before = {name: p.clone() for name, p in run.model.named_parameters()}
    run.train()
    return {name for name, p in run.model.named_parameters() if not torch.equal(p, before[name])}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A run from the closed form, with a checkpoint, and what moved in it."""
    run = trainer(tmp_path_factory.mktemp("plain"), alignment="transport", save_strategy="steps", save_steps=2)
    return run, moved_by(run)


def test_every_trainable_parameter_moves_and_the_weights_of_the_layers_do_not(plain):
    run, moved = plain
    assert moved == {name for name, p in run.model.named_parameters() if p.requires_grad}
    assert "1.layer_weights" not in moved
    assert averaged_layers(run.model) == SHARES


def test_layers_above_the_average_are_frozen(tmp_path):
    run = trainer(tmp_path, layers=[0, 1], max_steps=1, weight_decay=0.1)
    moved = moved_by(run)
    assert moved == {name for name, p in run.model.named_parameters() if p.requires_grad}
    assert any(".layer.0." in name for name in moved)
    assert not any(".layer.1." in name for name in moved)


def test_saved_it_is_the_trained_one_and_is_trained_further_with_the_same_weights(plain, tmp_path):
    run, _ = plain
    run.save_model(str(tmp_path / "student"))
    again = SentenceTransformer(str(tmp_path / "student"), device="cpu")
    assert np.abs(again.encode(TEXTS) - run.model.encode(TEXTS)).max() < 1e-5
    assert layer_average(again).layer_weights.requires_grad  # as sentence-transformers loads it
    further = trainer(tmp_path / "further", student=again, max_steps=1)
    assert "1.layer_weights" not in moved_by(further)


def test_it_resumes(plain, tmp_path):
    run, _ = plain
    rest = trainer(tmp_path, alignment="transport")
    rest.train(resume_from_checkpoint=f"{run.args.output_dir}/checkpoint-2")
    for one, two in zip(run.model.parameters(), rest.model.parameters(), strict=True):
        assert torch.equal(one, two)


def test_a_checkpoint_of_other_layers_is_refused(plain):
    with pytest.raises(
        ValueError, match=r"is made of Transformer, WeightedLayerPooling, .*the student of Transformer, "
    ):
        load_weights(tiny_pairs.pair()[0], f"{plain[0].args.output_dir}/checkpoint-2")


@pytest.mark.parametrize("layers", [{1: 0.5, 2: 0.5}, [0, 2]])
def test_a_checkpoint_of_other_weights_is_refused_and_nothing_of_it_is_taken(plain, layers):
    student = tiny_pairs.pair(layers=layers)[0]
    before = {name: p.clone() for name, p in student.named_parameters()}
    with pytest.raises(ValueError, match=r"averages layers 1 \(0\.25\), 2 \(0\.75\), the student"):
        load_weights(student, f"{plain[0].args.output_dir}/checkpoint-2")
    assert all(torch.equal(p, before[name]) for name, p in student.named_parameters())


def test_recomputed_it_learns_the_same(plain, tmp_path):
    run = trainer(tmp_path, alignment="transport", gradient_checkpointing=True)
    run.train()
    assert losses(run) == pytest.approx(losses(plain[0]), rel=1e-5)


def test_an_adapter_is_trained_under_the_average_and_resumes(tmp_path):
    def lora(folder, **kwargs):
        torch.manual_seed(0)
        return trainer(folder, peft_config=LoraConfig(r=4, target_modules=["query", "value"]), **kwargs)

    run = lora(tmp_path / "run", save_strategy="steps", save_steps=2)
    moved = moved_by(run)
    assert all("lora_" in name or name.startswith("2.linear") for name in moved)
    assert any("lora_" in name for name in moved)
    run.save_model(str(tmp_path / "student"))
    again = SentenceTransformer(str(tmp_path / "student"), device="cpu")
    assert np.abs(again.encode(TEXTS) - run.model.encode(TEXTS)).max() < 1e-5
    rest = lora(tmp_path / "rest")
    rest.train(resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-2"))
    assert np.abs(rest.model.encode(TEXTS) - run.model.encode(TEXTS)).max() < 1e-6
