"""Teachers and students: what is loaded, what is refused, and that what is saved loads without this package."""

import sys

import numpy as np
import pytest
import tiny_pairs
import torch
from sentence_transformers import MultiVectorEncoder, SentenceTransformer
from transformers import BitsAndBytesConfig

from optical_hf.models import (
    as_late_interaction,
    build_student,
    embedding_width,
    fit_alignment,
    kind_of,
    load_student,
    load_teacher,
    token_projection,
)

TEXTS = ["Drei Jungen in grünen Hemden schlafen.", "एक काळे गाढव", "x"]


@pytest.fixture(scope="module")
def saved_teacher(tmp_path_factory):
    folder = tmp_path_factory.mktemp("teacher")
    tiny_pairs.teacher().save_pretrained(str(folder))
    return folder


@pytest.fixture(scope="module")
def saved_backbone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("backbone")
    tiny_pairs.backbone().save_pretrained(str(folder))
    return folder


def test_teacher_is_frozen_and_in_eval_mode(saved_teacher):
    teacher = load_teacher(saved_teacher)
    assert not teacher.training
    assert not any(p.requires_grad for p in teacher.parameters())


def test_a_student_reads_without_dropout_when_it_is_loaded_and_when_it_is_fitted(saved_teacher, saved_backbone):
    teacher = load_teacher(saved_teacher)
    student = load_student(saved_backbone, teacher)
    assert not any(module.training for module in student.modules())
    fit_alignment(student, teacher, tiny_pairs.bitext(), method="ridge", progress=False)
    assert not any(module.training for module in student.modules())


def test_teacher_as_late_interaction_keeps_its_own_token_vectors(saved_teacher):
    late = load_teacher(saved_teacher, kind="late_interaction")
    assert isinstance(late, MultiVectorEncoder)
    assert embedding_width(late) == 32
    vector = load_teacher(saved_teacher)
    tokens = vector.encode(["a dog"], output_value="token_embeddings")[0]
    expected = torch.nn.functional.normalize(tokens, dim=-1)
    assert torch.allclose(late.encode_query(["a dog"])[0], expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["vector", "late_interaction"])
def test_student_loads_again_as_the_same_student(saved_teacher, saved_backbone, tmp_path, kind):
    teacher = load_teacher(saved_teacher, kind=kind)
    student = load_student(saved_backbone, teacher)
    assert kind_of(student) == kind
    assert token_projection(student).out_features == embedding_width(teacher) == 32
    student.save_pretrained(str(tmp_path))
    again = load_student(tmp_path, teacher)
    assert torch.equal(token_projection(again).linear.weight, token_projection(student).linear.weight)
    for one, two in zip(student.encode_query(TEXTS), again.encode_query(TEXTS), strict=True):
        assert np.abs(np.asarray(one) - np.asarray(two)).max() < 1e-5


def test_views_share_their_weights():
    student, _ = tiny_pairs.pair()
    late = as_late_interaction(student)
    assert token_projection(late) is token_projection(student)
    assert late[0] is student[0]


def test_the_same_object_on_both_sides_is_refused(saved_teacher):
    teacher = load_teacher(saved_teacher)
    with pytest.raises(ValueError, match="same object"):
        build_student(teacher, teacher)


def test_a_student_made_for_another_width_is_refused(saved_backbone, saved_teacher, tmp_path):
    load_student(saved_backbone, load_teacher(saved_teacher)).save_pretrained(str(tmp_path))
    with pytest.raises(ValueError, match=r"width 32, the teacher's are 48"):
        load_student(tmp_path, tiny_pairs.teacher(width=48))


@pytest.mark.parametrize(
    ("name", "told"),
    [("/nowhere/at/all", "does not exist"), ("not a name!", "cannot read the teacher"), (__file__, "is a file")],
)
def test_what_cannot_be_read_is_said_in_one_line(name, told):
    with pytest.raises(ValueError, match=told) as error:
        load_teacher(name)
    assert "\n" not in str(error.value)


def test_a_damaged_checkpoint_is_said_in_one_line(saved_teacher, tmp_path):
    SentenceTransformer(str(saved_teacher)).save_pretrained(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(ValueError, match="cannot read the teacher") as error:
        load_teacher(tmp_path)
    assert "\n" not in str(error.value)


def test_quantisation_without_its_library_names_the_command(monkeypatch, tmp_path):
    teacher = tiny_pairs.teacher()
    tiny_pairs.backbone().save_pretrained(str(tmp_path))
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(ImportError, match=r"optical-hf\[qlora\]"):
        load_student(tmp_path, teacher, quantization_config=BitsAndBytesConfig(load_in_4bit=True))
