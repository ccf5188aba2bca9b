"""One folder with the student and its teacher: each reads its side, and each comes out of it as it was."""

import numpy as np
import pytest
import tiny_pairs
import torch
from hub_server import LocalHub
from huggingface_hub import constants
from peft import LoraConfig, get_peft_model
from sentence_transformers import SentenceTransformer

from optical_hf.hub import push_student
from optical_hf.models import backbone, load_student, load_teacher, save_towers, token_projection
from optical_hf.models.prompts import prompt_of, set_prompts
from optical_hf.models.two_towers import two_towers
from optical_hf.training import save_student

TEXTS = ["ein roter Ball", "zwei Hunde"]
TOKEN = "hf_" + "RecognisableTokenThatNobodyMaySee"


@pytest.fixture
def pair():
    student, teacher = tiny_pairs.pair()
    torch.nn.init.normal_(token_projection(student).linear.bias)
    set_prompts(student, query="frage: ")
    set_prompts(teacher, query="ask: ", document="text: ")
    student.model_card_data.language = ["en", "so"]
    return student.eval(), teacher


def alike(one, two) -> bool:
    return bool(np.abs(one - two).max() < 1e-5)


def test_each_side_is_read_by_its_tower_and_comes_out_of_the_folder(pair, tmp_path):
    student, teacher = pair
    save_student(student, tmp_path / "both")  # a folder of the student alone is replaced
    save_towers(student, teacher, tmp_path / "both")
    assert not (tmp_path / "both" / "config.json").exists()
    model = SentenceTransformer(str(tmp_path / "both"))
    assert alike(model.encode_query(TEXTS), student.encode_query(TEXTS))
    assert alike(model.encode_document(TEXTS), teacher.encode_document(TEXTS))
    assert not alike(model.encode_query(TEXTS), model.encode_document(TEXTS))
    english = load_teacher(tmp_path / "both")
    assert alike(english.encode_document(TEXTS), teacher.encode_document(TEXTS))
    assert alike(english.encode_query(TEXTS), teacher.encode_query(TEXTS))
    for again in (load_student(tmp_path / "both", english), load_teacher(tmp_path / "both", role="student")):
        assert alike(again.encode_query(TEXTS), student.encode_query(TEXTS))
        assert prompt_of(again, "query") == "frage: "
        assert again.model_card_data.language == ["en", "so"]
        assert torch.equal(token_projection(again).linear.weight, token_projection(student).linear.weight)
    save_student(load_student(tmp_path / "both", teacher), tmp_path / "both")
    assert not (tmp_path / "both" / "router_config.json").exists()
    assert alike(SentenceTransformer(str(tmp_path / "both")).encode_query(TEXTS), student.encode_query(TEXTS))


def test_what_does_not_fit_into_one_folder_is_refused(pair):
    student, teacher = pair
    late, _ = tiny_pairs.pair(kind="late_interaction")
    with pytest.raises(ValueError, match="the student searches by its tokens"):
        two_towers(late, teacher)
    with pytest.raises(ValueError, match="the student's vectors are 32 wide, the teacher's 48"):
        two_towers(student, tiny_pairs.teacher(width=48))
    backbone(student).model = get_peft_model(backbone(student).model, LoraConfig(target_modules=["query"]))
    with pytest.raises(ValueError, match="merge it first"):
        two_towers(student, teacher)


def test_both_go_to_the_hub_with_a_card_that_says_how_to_call_them(pair, tmp_path, monkeypatch):
    student, teacher = pair
    save_student(student, tmp_path / "student")
    with LocalHub(TOKEN) as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        push_student(tmp_path / "student", "tester/both", token=TOKEN)
        push_student(tmp_path / "student", "tester/both", token=TOKEN, with_teacher=teacher)
        files = hub.files("tester/both")
    for name, content in files.items():
        (tmp_path / "down" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "down" / name).write_bytes(content)
    assert "config.json" not in files
    assert "2_Dense/config.json" not in files  # of the push before
    card = files["README.md"].decode()
    assert "model.encode_query(" in card
    assert "model.encode_document(" in card
    assert "AutoModel" not in card
    model = SentenceTransformer(str(tmp_path / "down"))
    assert alike(model.encode_query(TEXTS), student.encode_query(TEXTS))
    assert alike(model.encode_document(TEXTS), teacher.encode_document(TEXTS))
