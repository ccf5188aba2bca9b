"""Adapters of every kind: merged and saved whole, or saved alone and found on their backbone."""

import numpy as np
import pytest
import tiny_pairs
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from sentence_transformers import SentenceTransformer

from optical_hf.models import backbone, build_student
from optical_hf.training import merge_and_save, save_student

TEXTS = ["ein roter Ball", "zwei Hunde schlafen im Gras"]
KINDS = {"lora": {}, "dora": {"use_dora": True}, "rslora": {"use_rslora": True}}


@pytest.fixture(params=KINDS)
def student(request, tmp_path):
    """A student whose adapter has moved, on a backbone that was read from a folder."""
    tiny_pairs.backbone().save_pretrained(str(tmp_path / "backbone"))
    made = build_student(SentenceTransformer(str(tmp_path / "backbone")), tiny_pairs.teacher())
    plain = made.encode(TEXTS)
    module = backbone(made)
    config = LoraConfig(r=4, lora_alpha=64, target_modules=["query", "value"], **KINDS[request.param])
    module.model = get_peft_model(module.model, config)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, weight in module.model.named_parameters():
            if "lora_B" in name:
                weight.copy_(torch.randn(weight.shape, generator=generator))
    assert np.abs(made.eval().encode(TEXTS) - plain).max() > 1e-3
    return made


def test_merged_it_loads_without_peft_and_the_student_keeps_its_adapter(student, tmp_path):
    wanted = student.encode(TEXTS)
    merge_and_save(student, tmp_path / "whole")
    again = SentenceTransformer(str(tmp_path / "whole"))
    assert not isinstance(backbone(again).model, PeftModel)
    assert not any("lora" in name for name, _ in again.named_parameters())
    assert np.abs(again.encode(TEXTS) - wanted).max() < 1e-5
    assert isinstance(backbone(student).model, PeftModel)
    assert np.array_equal(student.encode(TEXTS), wanted)


def test_alone_it_is_small_and_finds_its_backbone(student, tmp_path):
    save_student(student, tmp_path / "alone")
    assert not (tmp_path / "alone" / "model.safetensors").exists()
    again = SentenceTransformer(str(tmp_path / "alone"))
    assert np.abs(again.encode(TEXTS) - student.encode(TEXTS)).max() < 1e-5


def test_a_student_without_an_adapter_is_saved_as_it_is(tmp_path):
    plain, _ = tiny_pairs.pair()
    merge_and_save(plain, tmp_path)
    assert np.abs(SentenceTransformer(str(tmp_path)).encode(TEXTS) - plain.encode(TEXTS)).max() < 1e-6
