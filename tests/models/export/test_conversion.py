"""`convert_student` and `optical-hf convert`: every layout gives the vectors of the student that it was made from."""

import json

import numpy as np
import pytest
import tiny_pairs
import torch
from sentence_transformers import SentenceTransformer

from optical_hf.cli import main
from optical_hf.models import load_student, token_projection
from optical_hf.models.export.conversion import convert_student
from optical_hf.training import save_student

TEXTS = ["ein roter Ball", "zwei Hunde"]


@pytest.fixture
def saved(tmp_path):
    student, _ = tiny_pairs.pair()
    torch.nn.init.normal_(token_projection(student).linear.bias)
    student.model_card_data.language = ["en", "so"]
    save_student(student, tmp_path / "student")
    return student.eval()


def modules(folder):
    return [module["path"] for module in json.loads((folder / "modules.json").read_text())]


def test_to_the_projection_on_tokens_and_back(saved, tmp_path):
    wanted = saved.encode(TEXTS)
    assert convert_student(tmp_path / "student", tmp_path / "tokens", "tokens") == tmp_path / "tokens"
    assert modules(tmp_path / "tokens") == ["", "1_Dense", "2_Pooling", "3_Normalize"]
    convert_student(tmp_path / "tokens", tmp_path / "standard")
    assert (
        modules(tmp_path / "standard") == modules(tmp_path / "student") == ["", "1_Pooling", "2_Dense", "3_Normalize"]
    )
    for name in ("tokens", "standard"):
        again = load_student(tmp_path / name, tiny_pairs.teacher())
        for model in (SentenceTransformer(str(tmp_path / name)), again):
            assert np.abs(model.encode(TEXTS) - wanted).max() < 1e-5
        assert again.model_card_data.language == ["en", "so"]
    assert not list(tmp_path.glob(".saving-*"))


def test_to_the_tokens_by_the_verb(saved, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        "sys.argv", ["optical-hf", "convert", str(tmp_path / "student"), str(tmp_path / "p"), "--to", "tokens"]
    )
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0
    assert f"The student is in {tmp_path / 'p'}" in capsys.readouterr().out.replace("\n", "")
    assert modules(tmp_path / "p") == ["", "1_Dense", "2_Pooling", "3_Normalize"]


def test_what_cannot_be_meant_is_refused(saved, tmp_path):
    with pytest.raises(ValueError, match=r"layout: expected one of standard, tokens, onnx, got 'onx'"):
        convert_student(tmp_path / "student", tmp_path / "new", "onx")
    with pytest.raises(ValueError, match="not an empty folder"):
        convert_student(tmp_path / "student", tmp_path / "student")
    tiny_pairs.backbone().save_pretrained(str(tmp_path / "backbone"))
    with pytest.raises(ValueError, match="it is made of Transformer, Pooling, Normalize"):
        convert_student(tmp_path / "backbone", tmp_path / "new")
    assert not (tmp_path / "new").exists()
