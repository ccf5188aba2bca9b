"""Which projection a run starts from: a new one is fitted, an aligned or trained one is kept unless the user says so."""

import logging

import pytest
import tiny_pairs
import torch
from sentence_transformers import MultiVectorEncoder, SentenceTransformer
from test_trainer import arguments

from optical_hf.models import build_student, fit_alignment, load_student, token_projection
from optical_hf.training import OTDistillationTrainer, save_student
from optical_hf.training.trainer.fitted_start import is_new

pytestmark = pytest.mark.slow


def train(student, teacher, folder, **kwargs):
    """Train one step at learning rate 0, so that whatever moved was the closed form; how far the projection moved."""
    before = token_projection(student).linear.weight.detach().clone()
    args = arguments(folder, **({"alignment": None, "max_steps": 1, "learning_rate": 0.0} | kwargs))
    run = OTDistillationTrainer(student, teacher, args, tiny_pairs.bitext())
    run.train()
    return run, float((token_projection(student).linear.weight - before).abs().max())


@pytest.fixture
def told(caplog):
    caplog.set_level(logging.INFO, "optical_hf.training.trainer.fitted_start")
    return caplog


def test_a_new_student_is_fitted_and_the_log_says_so(tmp_path, told):
    _, moved = train(*tiny_pairs.pair(), tmp_path)
    assert moved > 0.01
    assert "starts from the fit 'contrastive': it is new" in told.text


@pytest.mark.parametrize("kind", ["vector", "late_interaction"])
@pytest.mark.parametrize("width", [24, 32], ids=["rotated", "identity"])
def test_a_new_student_is_new_after_save_and_load(tmp_path, kind, width):
    english = tiny_pairs.teacher()
    student = build_student(tiny_pairs.backbone(width), english, kind=kind)
    save_student(student, tmp_path / "new")
    assert is_new(load_student(tmp_path / "new", english))
    student.half().save_pretrained(str(tmp_path / "half"))
    assert is_new(load_student(tmp_path / "half", english))


def test_an_aligned_student_keeps_its_projection_and_the_log_says_so(tmp_path, told):
    student, teacher = tiny_pairs.pair()
    fit_alignment(student, teacher, tiny_pairs.bitext(), method="ridge", progress=False)
    _, moved = train(student, teacher, tmp_path)
    assert moved == 0
    assert "the projection is kept: it was fitted or trained before; alignment='contrastive'" in told.text


@pytest.mark.parametrize(
    ("kind", "library"), [("vector", SentenceTransformer), ("late_interaction", MultiVectorEncoder)]
)
def test_a_trained_student_keeps_its_projection_also_through_sentence_transformers(tmp_path, kind, library):
    """As students of version 0.1 do: nothing in the folder is needed to know them by."""
    student, teacher = tiny_pairs.pair(kind=kind)
    run, _ = train(student, teacher, tmp_path / "a", alignment="none", learning_rate=1e-5)
    run.save_model(str(tmp_path / "student"))
    library(str(tmp_path / "student")).save_pretrained(str(tmp_path / "again"))
    _, moved = train(load_student(tmp_path / "again", teacher), teacher, tmp_path / "b")
    assert moved == 0


def test_a_second_training_goes_on_from_the_first(tmp_path):
    run, _ = train(*tiny_pairs.pair(), tmp_path)
    before = token_projection(run.model).linear.weight.detach().clone()
    run.train()
    assert torch.equal(token_projection(run.model).linear.weight, before)


@pytest.mark.parametrize("asked", ["transport", "ridge"])
def test_a_new_start_that_is_asked_for_is_made(tmp_path, told, asked):
    student, teacher = tiny_pairs.pair()
    train(student, teacher, tmp_path / "a", learning_rate=1e-2, alignment="none")
    _, moved = train(student, teacher, tmp_path / "b", alignment=asked)
    assert moved > 0.01
    assert f"starts from the fit '{asked}': alignment is '{asked}'" in told.text


def test_none_keeps_a_new_projection_and_a_resumed_run_fits_nothing(tmp_path, told):
    student, teacher = tiny_pairs.pair()
    _, moved = train(student, teacher, tmp_path, alignment="none", save_strategy="steps", save_steps=1)
    assert moved == 0
    assert "the projection is kept: alignment is 'none'" in told.text
    other, teacher = tiny_pairs.pair()
    args = arguments(tmp_path, alignment="transport", max_steps=2, learning_rate=0.0)
    OTDistillationTrainer(other, teacher, args, tiny_pairs.bitext()).train(resume_from_checkpoint=True)
    assert is_new(other)
