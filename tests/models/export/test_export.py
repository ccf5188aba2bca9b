"""The PyLate layout: its files as PyLate names them, read back by sentence-transformers with equal embeddings."""

import json

import numpy as np
import pytest
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from sentence_transformers import MultiVectorEncoder

from optical_hf.models import as_late_interaction, build_student, load_teacher
from optical_hf.models.export.pylate import save_pylate
from optical_hf.models.tiny import tiny_encoder

TEXTS = ["two dogs run, fast!", "a red ball", "the man on the boat"]


@pytest.fixture
def student():
    teacher = tiny_encoder(TEXTS, width=8, vocabulary_size=60)
    student = build_student(tiny_encoder(TEXTS, width=16, vocabulary_size=80, seed=1), teacher, kind="late_interaction")
    student.prompts = {"query": "a ", "document": "the "}
    return student


def equal(one, other) -> bool:
    return all(a.shape == b.shape and np.abs(a - b).max() < 1e-5 for a, b in zip(one, other, strict=True))


def test_it_reads_back_with_equal_embeddings(student, tmp_path):
    save_pylate(student, tmp_path / "pylate")
    loaded = MultiVectorEncoder(str(tmp_path / "pylate"), device="cpu")
    assert equal(loaded.encode_query(TEXTS), student.encode_query(TEXTS))
    assert equal(loaded.encode_document(TEXTS), student.encode_document(TEXTS))
    teacher = load_teacher(tmp_path / "pylate", device="cpu")
    assert equal(teacher.encode_query(TEXTS), student.encode_query(TEXTS))


def test_the_files_are_those_of_pylate(student, tmp_path):
    save_pylate(student, tmp_path / "pylate", document_length=33)

    def read(name):
        return json.loads((tmp_path / "pylate" / name).read_text(encoding="utf-8"))

    assert [m["type"] for m in read("modules.json")] == [
        "sentence_transformers.models.Transformer",
        "pylate.models.Dense.Dense",
    ]
    # The names that ColBERT.save_pretrained of PyLate 1 writes, and what Dense.__init__ takes in every version.
    settings = read("config_sentence_transformers.json")
    assert settings["model_type"] == "ColBERT"
    assert (settings["query_length"], settings["document_length"]) == (64, 33)
    assert settings["do_query_expansion"] is False
    assert set(read("1_Dense/config.json")) == {"in_features", "out_features", "bias", "activation_function"}
    assert read("1_Dense/config.json")["activation_function"] == "torch.nn.modules.linear.Identity"
    assert set(load_file(tmp_path / "pylate" / "1_Dense" / "model.safetensors")) == {"linear.weight", "linear.bias"}
    assert set(read("sentence_bert_config.json")) == {"max_seq_length", "do_lower_case"}
    assert read("tokenizer_config.json")["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert not list(tmp_path.glob(".saving-*"))


def test_a_model_without_a_projection_gets_the_identity(tmp_path):
    encoder = tiny_encoder(TEXTS, width=16, vocabulary_size=80)
    save_pylate(encoder, tmp_path / "pylate")
    loaded = MultiVectorEncoder(str(tmp_path / "pylate"), device="cpu")
    assert equal(loaded.encode_query(TEXTS), as_late_interaction(encoder).encode_query(TEXTS))


def test_a_folder_with_something_in_it_and_an_adapter_are_refused(student, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="not an empty folder"):
        save_pylate(student, tmp_path / "full")
    assert (tmp_path / "full" / "mine.txt").read_text() == "mine"
    student[0].model = get_peft_model(student[0].model, LoraConfig(target_modules=["query"], r=2))
    with pytest.raises(ValueError, match="merge it first"):
        save_pylate(student, tmp_path / "other")
    assert not (tmp_path / "other").exists()
