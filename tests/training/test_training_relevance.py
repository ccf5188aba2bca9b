"""Relevance pairs among the training rows."""

import json

import pytest
import tiny_pairs
import torch
from datasets import Dataset
from test_trainer import arguments

from optical_hf.cli import main
from optical_hf.models.prompts import set_prompts
from optical_hf.models.teachers.teacher import EncoderTeacher
from optical_hf.training import OTDistillationTrainer
from optical_hf.training.trainer.training_rows import english_rows

TEXTS = ["a red dog", "two small cats", "a green house", "a blue ball"]


def pairs(**columns):
    return Dataset.from_dict({"query": [f"who sees {text}" for text in TEXTS], "document": TEXTS} | columns)


def run(folder, bitext=None, given=None, **more):
    student, teacher = tiny_pairs.pair()
    args = arguments(folder, **{"losses": "contrastive(bank=8)", "max_steps": 2, "alignment": "ridge"} | more)
    rows = tiny_pairs.bitext() if bitext is None else bitext
    return OTDistillationTrainer(student, teacher, args, rows, relevance_pairs=pairs() if given is None else given)


def test_the_target_of_a_query_is_the_vector_of_its_document():
    teacher = tiny_pairs.teacher()
    set_prompts(teacher, query="a red ", document="two small ")
    rows = english_rows(pairs(), EncoderTeacher(teacher), "relevance", torch.device("cpu"), False)
    assert rows["source"][:] == rows["target"][:] == pairs()["query"][:]
    read = teacher.encode_document(TEXTS, convert_to_tensor=True)
    assert torch.allclose(torch.tensor(rows["vector"][:]), read, atol=1e-5)
    given = pairs(vector=torch.eye(4).tolist())
    rows = english_rows(given, EncoderTeacher(teacher), "relevance", torch.device("cpu"), False)
    assert torch.equal(torch.tensor(rows["vector"][:]), torch.eye(4))


@pytest.mark.slow
def test_training_learns_from_them_beside_query_texts(tmp_path):
    student, teacher = tiny_pairs.pair()
    args = arguments(tmp_path, losses="contrastive(bank=8)", max_steps=2, alignment="contrastive", query_share=0.04)
    made = OTDistillationTrainer(
        student, teacher, args, tiny_pairs.bitext(), query_texts=TEXTS, relevance_pairs=pairs(), documents=TEXTS
    )
    made.train()
    kinds = [row["id"].partition("-")[0] for row in made.train_dataset if row["vector"] is not None]
    assert kinds.count("query") == kinds.count("relevance") == 2  # 2 % each of 100
    assert made.texts.relevance_pairs is None


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"losses": "contrastive,pooled_mse"}, "relevance_pairs teach a query to find its document, and pooled_mse would not"),
        ({"given": Dataset.from_dict({"query": ["who?"]})}, "no column 'document'"),
        ({"given": pairs(vector=[[1.0]] * 4)}, "their vectors are 1 wide, the teacher's 32"),
    ],
)  # fmt: skip
def test_what_cannot_be_learnt_is_refused(tmp_path, given, told):
    with pytest.raises(ValueError, match=told):
        run(tmp_path, **given)


def test_they_do_not_stand_alone(tmp_path):
    student, teacher = tiny_pairs.pair()
    with pytest.raises(ValueError, match="relevance_pairs stand beside train_dataset or documents"):
        OTDistillationTrainer(student, teacher, arguments(tmp_path, losses="contrastive"), relevance_pairs=pairs())


@pytest.mark.slow
def test_train_reads_them_from_a_file(tmp_path, monkeypatch):
    tiny_pairs.teacher().save_pretrained(str(tmp_path / "teacher"))
    tiny_pairs.backbone().save_pretrained(str(tmp_path / "student"))
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in pairs()))
    (tmp_path / "docs.txt").write_text("\n".join(TEXTS * 2))
    command = [
        "train", "--teacher", tmp_path / "teacher", "--student", tmp_path / "student", "--output", tmp_path / "out",
        "--documents", tmp_path / "docs.txt", "--relevance", tmp_path / "pairs.jsonl", "--losses", "contrastive(bank=8)",
        "--max_steps", "1", "--report_to", "none", "--save_strategy", "no",
    ]  # fmt: skip
    monkeypatch.setattr("sys.argv", ["optical-hf", *map(str, command)])
    with pytest.raises(SystemExit, match="0"):
        main()
    assert (tmp_path / "out" / "modules.json").exists()
