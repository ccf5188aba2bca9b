"""A student that is saved over another: none of its files are read with those of the other, and all else stays."""

import numpy as np
import pytest
import tiny_pairs
from peft import LoraConfig
from sentence_transformers import SentenceTransformer
from test_trainer import TEXTS

from optical_hf.models import backbone, build_student
from optical_hf.models.student_folder import student_folder
from optical_hf.training import save_student
from optical_hf.training.adapters import put_adapter


def test_every_file_that_a_student_is_read_from_goes_with_it(tmp_path):
    save_student(tiny_pairs.pair()[0], tmp_path)
    top = {path.name for path in tmp_path.iterdir() if path.is_file()}
    assert {name for name in top if not student_folder(tmp_path).owned(name)} <= {"README.md"}


@pytest.mark.slow
def test_a_student_takes_the_place_of_one_with_an_adapter_and_the_other_way_round(tmp_path):
    tiny_pairs.backbone().save_pretrained(str(tmp_path / "backbone"))
    plain = build_student(SentenceTransformer(str(tmp_path / "backbone")), tiny_pairs.teacher())
    adapted = build_student(SentenceTransformer(str(tmp_path / "backbone")), tiny_pairs.teacher())
    put_adapter(adapted, LoraConfig(r=2, target_modules=["query"], init_lora_weights=False), seed=1)
    place = tmp_path / "student"
    for name in ("checkpoint-4/model.safetensors", "notes.txt"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text("kept")
    for student in (plain, adapted, plain):
        save_student(student, place)
        again = SentenceTransformer(str(place))
        assert np.abs(again.encode(TEXTS) - student.eval().encode(TEXTS)).max() < 1e-5
        has = bool(getattr(backbone(again).model, "_hf_peft_config_loaded", False))
        assert has == (student is adapted)
    assert (place / "checkpoint-4" / "model.safetensors").read_text() == (place / "notes.txt").read_text() == "kept"
    assert not list(tmp_path.glob(".saving-*"))
