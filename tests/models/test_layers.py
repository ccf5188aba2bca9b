"""Averaged layers: what the average is, that it survives saving, fitting, trimming and adapters, and what is refused."""

import numpy as np
import pytest
import tiny_pairs
import torch
from peft import LoraConfig, get_peft_model
from sentence_transformers import SentenceTransformer
from torch.nn.functional import normalize

from optical_hf import fit_alignment
from optical_hf.models import (
    as_backbone,
    as_late_interaction,
    as_vector,
    averaged_layers,
    backbone,
    before_projection,
    build_student,
    iter_token_sets,
    layer_average,
    load_student,
    preprocess_queries,
    token_projection,
    token_set,
)
from optical_hf.models.export.onnx_export import save_onnx
from optical_hf.models.teachers.token_cache.cache_identity import CacheIdentity
from optical_hf.training import merge_and_save, save_student

TEXTS = ["Drei Jungen in grünen Hemden schlafen.", "एक काळे गाढव", "x"]


def averaged(layers=(1, 3), **kwargs):
    teacher = tiny_pairs.teacher()
    return build_student(tiny_pairs.backbone(layers=3), teacher, layers=layers, **kwargs).eval(), teacher


def distance(one, two) -> float:
    return float(np.abs(one.encode(TEXTS) - two.encode(TEXTS)).max())


@torch.no_grad()
def test_it_is_the_average_through_the_projection():
    student, _ = averaged({1: 1, 3: 3}, kind="late_interaction")
    features = preprocess_queries(student, TEXTS)
    states = (
        backbone(student)
        .model(features["input_ids"], features["attention_mask"], output_hidden_states=True)
        .hidden_states
    )
    expected = (states[1] + 3 * states[3]) / 4
    (read,) = iter_token_sets(as_backbone(student), TEXTS)
    mask = read.mask_BN
    assert torch.allclose(read.tokens_BND[mask], expected[mask], atol=1e-6)
    projected = normalize(token_projection(student).linear(expected), dim=-1)
    for found, wanted, real in zip(student.encode_query(TEXTS), projected, mask, strict=True):
        assert torch.allclose(found.cpu(), wanted[real], atol=1e-5)


def test_saved_it_loads_as_the_student_it_was(tmp_path):
    student, teacher = averaged()
    save_student(student, tmp_path / "vector")
    vectors = student.encode(TEXTS)
    last, _ = averaged(None)
    assert np.abs(vectors - last.encode(TEXTS)).max() > 1e-3
    again = load_student(tmp_path / "vector", teacher, layers={1: 2, 3: 2})
    assert averaged_layers(again) == averaged_layers(student) == {1: 0.5, 3: 0.5}
    assert np.abs(again.encode(TEXTS) - vectors).max() < 1e-5
    assert not any(p.requires_grad for p in layer_average(again).parameters())


def test_the_views_share_the_average():
    student, _ = averaged()
    late = as_late_interaction(student)
    assert before_projection(late) == before_projection(student) == [student[0], layer_average(student)]
    assert before_projection(as_vector(late)) == before_projection(student)
    assert before_projection(tiny_pairs.pair()[0])[1:] == []


def test_the_last_layer_alone_needs_no_module():
    student, _ = averaged([3])
    assert layer_average(student) is None
    assert averaged_layers(student) == {3: 1.0}


def test_a_backbone_saved_with_an_average_keeps_it():
    student, teacher = averaged()
    plain = SentenceTransformer(modules=before_projection(student), device="cpu")
    assert averaged_layers(build_student(plain, teacher)) == {1: 0.5, 3: 0.5}
    assert averaged_layers(build_student(plain, teacher, layers=[2, 3])) == {2: 0.5, 3: 0.5}


@pytest.mark.slow
def test_the_closed_form_fits_the_projection_of_the_average():
    student, teacher = averaged()
    before = {name: p.clone() for name, p in student.named_parameters()}
    report = fit_alignment(student, teacher, tiny_pairs.bitext(), method="transport", rounds=2, progress=False)
    moved = {name for name, p in student.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {"2.linear.weight", "2.linear.bias"}
    assert report.transport_cost[1] < report.transport_cost[0]


def test_texts_read_end_to_end_are_averaged_alike():
    student, _ = averaged(kind="late_interaction")
    features = preprocess_queries(student, TEXTS)
    mask = features["attention_mask"].bool()
    with torch.no_grad():
        output = backbone(student)(dict(features))
        states = tuple(layer[mask].unsqueeze(0) for layer in output["all_layer_embeddings"])
        flat = {
            "token_embeddings": states[-1],
            "all_layer_embeddings": states,
            "input_ids": features["input_ids"][mask].unsqueeze(0),
            "cu_seq_lens_q": torch.cat([torch.zeros(1, dtype=torch.long), mask.sum(1).cumsum(0)]),
        }
        found = token_set(student, features, layer_average(student)(flat))
    (wanted,) = iter_token_sets(as_backbone(student), TEXTS)
    assert torch.equal(found.tokens_BND[mask], wanted.tokens_BND[mask])


@pytest.fixture
def adapted(tmp_path):
    """An averaged student whose adapter has moved, on a backbone that was read from a folder, and its embeddings without."""
    tiny_pairs.backbone(layers=3).save_pretrained(str(tmp_path / "backbone"))
    student = load_student(tmp_path / "backbone", tiny_pairs.teacher(), layers=[1, 3], device="cpu").eval()
    plain = student.encode(TEXTS)
    module = backbone(student)
    module.model = get_peft_model(
        module.model, LoraConfig(r=2, lora_alpha=128, target_modules=["query", "value"], init_lora_weights=False)
    )
    assert np.abs(student.encode(TEXTS) - plain).max() > 1e-3
    return student


@pytest.mark.slow
def test_an_adapter_is_merged_or_saved_alone_under_the_average(adapted, tmp_path):
    merge_and_save(adapted, tmp_path / "whole")
    assert distance(SentenceTransformer(str(tmp_path / "whole"), device="cpu"), adapted) < 1e-5
    save_student(adapted, tmp_path / "alone")
    assert not (tmp_path / "alone" / "model.safetensors").exists()
    assert distance(SentenceTransformer(str(tmp_path / "alone"), device="cpu"), adapted) < 1e-5


def test_a_backbone_that_returns_no_layers_is_noticed():
    student, _ = averaged()
    backbone(student).model.config.output_hidden_states = False
    with pytest.raises(ValueError, match="last layer would silently"):
        next(iter_token_sets(student, TEXTS))


def test_a_cache_knows_the_layers_of_its_teacher():
    keys = {CacheIdentity.of(averaged(layers)[0]).key for layers in ([1, 3], [2, 3], {1: 1, 3: 2}, None)}
    assert len(keys) == 4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layers", "told"),
    [
        ([], "layers is empty"),
        ([1, 4], r"no layer 4: the backbone has 3; name layers from 0"),
        ([-1, 3], "no layer -1"),
        (["1", 3], "no layer '1'"),
        ([1, 1], "named twice"),
        (2, "layers is 2: expected several"),
        ("13", "layers is '13': expected several"),
        ({1: -1.0, 3: 1}, "weight of layer 1 is -1.0"),
        ({1: float("nan")}, "weight of layer 1 is nan"),
        ({1: 0, 3: 0}, "sum to 0"),
    ],
)
def test_what_is_no_average_is_refused(layers, told):
    with pytest.raises(ValueError, match=told):
        averaged(layers)


def test_other_layers_than_the_projection_was_fitted_to_are_refused(tmp_path):
    student, teacher = averaged()
    with pytest.raises(ValueError, match=r"layers 2, 3 were wanted, .* fitted to layers 1, 3"):
        build_student(student, teacher, layers=[2, 3])
    plain, _ = averaged(None)
    with pytest.raises(ValueError, match="fitted to layer 3:"):
        build_student(plain, teacher, layers=[1, 3])
    assert build_student(plain, teacher, layers=[3]) is plain


def test_a_layout_without_such_a_module_is_refused(monkeypatch, tmp_path):
    student, _ = averaged()
    monkeypatch.setattr("optical_hf.models.export.onnx_export.import_extra", lambda *names: None)
    with pytest.raises(ValueError, match="for which the graph has no place"):
        save_onnx(student, tmp_path / "onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_deep_student_whose_tokens_are_searched_reads_two_layers_by_default():
    teacher = tiny_pairs.teacher()
    for layers, kind, read in (
        (6, "late_interaction", {4: 0.25, 6: 0.75}),
        (6, "vector", {6: 1.0}),
        (5, "late_interaction", {5: 1.0}),
    ):
        assert averaged_layers(build_student(tiny_pairs.backbone(layers=layers), teacher, kind=kind)) == read
    alone = build_student(tiny_pairs.backbone(layers=6), teacher, kind="late_interaction", layers=[6])
    assert layer_average(alone) is None
