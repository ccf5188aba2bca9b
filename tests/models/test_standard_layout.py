"""The saved folder in the order of servers: read by the published rules of two of them, with transformers and a product alone."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
import tiny_pairs
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from sentence_transformers import MultiVectorEncoder, SentenceTransformer
from sentence_transformers.base.modules import Dense, Normalize
from sentence_transformers.sentence_transformer.modules import Pooling
from transformers import AutoModel, AutoTokenizer

from optical_hf.evaluation.own_index import checkpoint_behind
from optical_hf.models import as_late_interaction, backbone, build_student, load_student, load_teacher, token_projection
from optical_hf.models.prompts import set_prompts
from optical_hf.models.standard_layout import write_standard
from optical_hf.training import load_weights, save_student

TEXTS = ["ein roter Ball", "zwei", "drei Hunde und ein Esel schlafen im Gras"]
POOLED = ("mean", "cls", "lasttoken")


def student_of(mode="mean", kind="vector"):
    """A student whose projection moves everything, its bias too."""
    teacher = tiny_pairs.teacher()
    student = build_student(tiny_pairs.backbone(), teacher, kind=kind)
    if kind == "vector":
        student[2] = Pooling(32, mode)
    torch.nn.init.normal_(token_projection(student).linear.bias)
    set_prompts(student, query="frage: ")
    return student.eval(), teacher


def read(folder: Path, name: str):
    return json.loads((folder / name).read_text(encoding="utf-8"))


def pooled(folder: Path, mode: str, text: str) -> torch.Tensor:
    """What a server has of a text before the Dense layer."""
    limit = read(folder, "sentence_bert_config.json")["max_seq_length"]
    features = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt", truncation=True, max_length=limit)
    with torch.no_grad():
        (tokens_ND,) = AutoModel.from_pretrained(folder).eval()(**features).last_hidden_state
    return {"cls": tokens_ND[0], "mean": tokens_ND.mean(0), "lasttoken": tokens_ND[-1]}[mode]


def as_text_embeddings_inference(folder: Path, text: str) -> torch.Tensor:
    """By the rules of text-embeddings-inference 1.9: names of modules, booleans of the pooling, texts as prompts."""
    known = {f"sentence_transformers.models.{name}" for name in ("Transformer", "Pooling", "Dense", "Normalize")}
    modules = read(folder, "modules.json")
    assert all(module["type"] in known and isinstance(module["idx"], int) for module in modules)
    pooling = read(folder, "1_Pooling/config.json")
    taken = {"cls": pooling["pooling_mode_cls_token"], "mean": pooling["pooling_mode_mean_tokens"]}
    mode = next((mode for mode, chosen in taken.items() if chosen), "lasttoken")
    assert mode != "lasttoken" or pooling["pooling_mode_lasttoken"]
    assert read(folder, "config.json")["architectures"]
    assert (folder / "tokenizer.json").exists()
    prompts = read(folder, "config_sentence_transformers.json")["prompts"]
    assert all(isinstance(prompt, str) for prompt in prompts.values())
    found = pooled(folder, mode, prompts["query"] + text)
    for module in modules:
        if module["type"].endswith(".Dense"):
            config = read(folder, f"{module['path']}/config.json")
            assert config["activation_function"] == "torch.nn.modules.linear.Identity"
            found = _dense(folder / module["path"], found)
    return torch.nn.functional.normalize(found, dim=0)


def as_vllm(folder: Path, text: str) -> torch.Tensor:
    """By the rules of vLLM: the first name of a pooling that is true, Dense layers by their one name, a limit beside a case."""
    modules = {
        module["type"].removeprefix("sentence_transformers.models."): module for module in read(folder, "modules.json")
    }
    pooling = read(folder, modules["Pooling"]["path"] + "/config.json")
    named = [name.removeprefix("pooling_mode_").split("_")[0] for name, chosen in pooling.items() if chosen is True]
    (mode,) = [name for name in named if name in ("cls", "mean", "lasttoken")]
    assert {"max_seq_length", "do_lower_case"} <= set(read(folder, "sentence_bert_config.json"))
    found = _dense(folder / modules["Dense"]["path"], pooled(folder, mode, text))
    return torch.nn.functional.normalize(found, dim=0) if "Normalize" in modules else found


def _dense(folder: Path, vector_D: torch.Tensor) -> torch.Tensor:
    weights = load_file(folder / "model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.float32}
    return weights["linear.weight"] @ vector_D + weights["linear.bias"]


@pytest.mark.slow
@pytest.mark.parametrize("mode", POOLED)
def test_servers_and_libraries_read_the_vectors_of_the_student(mode, tmp_path):
    student, teacher = student_of(mode)
    wanted = torch.as_tensor(student.encode_query(TEXTS))
    save_student(student, tmp_path)
    assert [module["path"] for module in read(tmp_path, "modules.json")] == ["", "1_Pooling", "2_Dense", "3_Normalize"]
    for text, vector in zip(TEXTS, wanted, strict=True):
        assert torch.allclose(as_text_embeddings_inference(tmp_path, text), vector, atol=1e-5)
        assert torch.allclose(as_vllm(tmp_path, "frage: " + text), vector, atol=1e-5)
    for model in (SentenceTransformer(str(tmp_path)), load_student(tmp_path, teacher), load_teacher(tmp_path)):
        assert np.abs(model.encode_query(TEXTS) - wanted.numpy()).max() < 1e-5
        assert model.max_seq_length == student.max_seq_length
    again = load_student(tmp_path, teacher)
    assert torch.equal(token_projection(again).linear.weight, token_projection(student).linear.weight)
    save_student(again, tmp_path / "again")
    assert (tmp_path / "again/2_Dense/model.safetensors").read_bytes() == (
        tmp_path / "2_Dense/model.safetensors"
    ).read_bytes()


@pytest.mark.slow
def test_tokens_are_searched_through_the_projection_wherever_it_stands(tmp_path):
    student, teacher = student_of()
    wanted = as_late_interaction(student).encode_query(TEXTS)
    save_student(student, tmp_path)
    plain = SentenceTransformer(str(tmp_path))
    assert token_projection(plain) is None
    for model in (
        as_late_interaction(plain),
        load_teacher(tmp_path, kind="late_interaction"),
        load_student(tmp_path, teacher, kind="late_interaction"),
        MultiVectorEncoder(str(tmp_path)),
        build_student(plain, teacher, kind="late_interaction"),
    ):
        for one, two in zip(model.encode_query(TEXTS), wanted, strict=True):
            assert np.abs(np.asarray(one) - np.asarray(two)).max() < 1e-5


@pytest.mark.slow
def test_a_folder_of_the_order_before_loads_with_its_weights_and_can_be_put_in_order(tmp_path):
    student, teacher = student_of()
    wanted = student.encode_query(TEXTS)
    student.save_pretrained(str(tmp_path))
    assert (tmp_path / "1_Dense").is_dir()
    fresh, _ = student_of()
    for _ in range(2):  # as it was, then in the order of servers
        assert np.abs(load_student(tmp_path, teacher).encode_query(TEXTS) - wanted).max() < 1e-5
        torch.nn.init.zeros_(token_projection(fresh).linear.weight)
        load_weights(fresh, tmp_path)
        assert np.abs(fresh.encode_query(TEXTS) - wanted).max() < 1e-5
        write_standard(tmp_path)
    assert not (tmp_path / "1_Dense").exists()
    assert np.abs(SentenceTransformer(str(tmp_path)).encode_query(TEXTS) - wanted).max() < 1e-5


def test_several_poolings_are_refused_and_left_as_they_are(tmp_path):
    body = backbone(tiny_pairs.backbone())
    model = SentenceTransformer(modules=[body, Pooling(24, ("mean", "max")), Dense(48, 32), Normalize()], device="cpu")
    wanted = model.encode(TEXTS)
    model.save_pretrained(str(tmp_path))
    with pytest.raises(ValueError, match="pools by mean and max"):
        write_standard(tmp_path)
    assert np.abs(SentenceTransformer(str(tmp_path)).encode(TEXTS) - wanted).max() < 1e-6


def test_a_checkpoint_that_is_in_order_keeps_its_activation(tmp_path):
    body = backbone(tiny_pairs.backbone())
    model = SentenceTransformer(modules=[body, Pooling(24, "cls"), Dense(24, 32), Normalize()], device="cpu")
    wanted = model.encode(TEXTS)
    model.save_pretrained(str(tmp_path))
    write_standard(tmp_path)
    assert np.abs(SentenceTransformer(str(tmp_path)).encode(TEXTS) - wanted).max() < 1e-5


def test_max_pooling_is_refused_or_saved_as_it_is_with_a_warning(tmp_path, caplog):
    student, teacher = student_of("max")
    wanted = student.encode_query(TEXTS)
    with caplog.at_level(logging.WARNING):
        save_student(student, tmp_path / "max")
    assert "would misread this student: the pooling 'max' does not commute" in caplog.text
    assert np.abs(load_student(tmp_path / "max", teacher).encode_query(TEXTS) - wanted).max() < 1e-5
    with pytest.raises(ValueError, match="the pooling 'max' does not commute with a Dense layer"):
        write_standard(tmp_path / "max")
    behind = SentenceTransformer(
        modules=[student[0], Pooling(24, "max"), Dense(24, 32, activation_function=None), Normalize()], device="cpu"
    )
    before = behind.encode(TEXTS)
    with pytest.raises(ValueError, match="on the tokens: the pooling 'max' does not commute"):
        build_student(behind, teacher)
    with pytest.raises(ValueError, match="take one that pools by mean, cls or lasttoken"):
        as_late_interaction(behind)
    assert np.array_equal(behind.encode(TEXTS), before)


def test_an_activation_behind_the_first_token_goes_to_the_tokens_but_is_no_projection(caplog):
    body = backbone(tiny_pairs.backbone())
    labse = SentenceTransformer(modules=[body, Pooling(24, "cls"), Dense(24, 32), Normalize()], device="cpu")
    late = as_late_interaction(labse).encode_query(TEXTS)
    assert np.abs(np.stack([np.asarray(tokens)[0] for tokens in late]) - labse.encode(TEXTS)).max() < 1e-5
    with caplog.at_level(logging.WARNING):
        student = build_student(labse, tiny_pairs.teacher())
    assert "1 Dense layer behind the pooling (24 to 32, Tanh) belong" in caplog.text
    assert type(token_projection(student).activation_function).__name__ == "Identity"
    with pytest.raises(ValueError, match="the pooling 'mean' does not commute with the activation"):
        as_late_interaction(SentenceTransformer(modules=[body, Pooling(24), Dense(24, 32)], device="cpu"))


@pytest.mark.slow
def test_an_adapter_and_a_late_interaction_student_keep_what_they_need(tmp_path):
    late, _ = student_of(kind="late_interaction")
    save_student(late, tmp_path / "late")
    assert (tmp_path / "late" / "1_Dense").is_dir()
    student, _ = student_of()
    tiny_pairs.backbone().save_pretrained(str(tmp_path / "backbone"))
    module = backbone(student)
    module.model.name_or_path = str(tmp_path / "backbone")
    module.model = get_peft_model(module.model, LoraConfig(target_modules=["query"], init_lora_weights=False))
    save_student(student, tmp_path / "adapter")
    found = SentenceTransformer(str(tmp_path / "adapter")).encode_query(TEXTS)
    assert np.abs(found - student.encode_query(TEXTS)).max() < 1e-5
    assert (tmp_path / "adapter" / "2_Dense" / "model.safetensors").exists()


@pytest.mark.slow
def test_a_saved_student_is_known_as_one_in_either_order(tmp_path):
    student, _ = student_of()
    student.model_card_data.base_model = "owner/backbone"
    save_student(student, tmp_path / "standard")
    student.save_pretrained(str(tmp_path / "before"))
    for name in ("standard", "before"):
        assert checkpoint_behind(str(tmp_path / name)) == "owner/backbone"
    tiny_pairs.backbone().save_pretrained(str(tmp_path / "backbone"))
    assert checkpoint_behind(str(tmp_path / "backbone")) == str(tmp_path / "backbone")
