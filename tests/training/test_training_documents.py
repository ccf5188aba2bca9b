"""Index documents among the training rows: how many, with which targets, alone, in a stream, on the command line."""

import json
from dataclasses import replace

import pytest
import tiny_pairs
import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformer
from test_trainer import arguments

from optical_hf.cli import main
from optical_hf.data.batches.collator import PairCollator
from optical_hf.models.alignment.contrastive_map import fit_contrastive
from optical_hf.models.alignment.index_documents import sample_documents
from optical_hf.models.prompts import set_prompts
from optical_hf.models.teachers.teacher import EncoderTeacher
from optical_hf.scenes import scenes_bitext
from optical_hf.training import OTDistillationTrainer
from optical_hf.training.trainer.index_reproduction import IndexReproduction
from optical_hf.training.trainer.teacher_side import english_side, relevant_side
from optical_hf.training.trainer.training_rows import with_texts

DEVICE = torch.device("cpu")


def texts(count: int = 60) -> list[str]:
    return list(dict.fromkeys(scenes_bitext({"de": count}, seed=5)["source"][:]))


def joined(bitext, documents, share=0.5):
    teacher = EncoderTeacher(tiny_pairs.teacher())
    mixed = {"share": share, "seed": 0, "device": DEVICE, "progress": False}
    return with_texts(bitext, documents, teacher, "document", **mixed)


def run(folder, bitext, documents, **more):
    student, teacher = tiny_pairs.pair()
    args = arguments(folder, **{"losses": "contrastive", "max_steps": 4} | more)
    made = OTDistillationTrainer(student, teacher, args, bitext, documents=documents)
    made.train()
    return made


def test_a_share_of_the_rows_are_documents_whose_target_is_their_vector():
    bitext = tiny_pairs.bitext()
    rows = joined(bitext, sample_documents(texts(), 100, 0, 32), share=0.2)
    assert len(rows) == len(bitext) + round(len(bitext) / 4)
    last = rows[-1]
    assert last["source"] == last["target"]
    assert last["language"] == "en"
    wanted = tiny_pairs.teacher().encode_document(last["source"], convert_to_tensor=True)
    assert torch.allclose(torch.tensor(last["vector"]), wanted, atol=1e-5)
    assert rows[0]["vector"] is None
    assert len(joined(bitext, sample_documents(texts(), 5, 0, 32), share=0.9)) == len(bitext) + 5


def test_the_batch_holds_given_vectors_and_nan_where_there_are_none():
    collate = PairCollator(lambda texts: {"n": len(texts)}, lambda texts: {"n": len(texts)})
    pair = {"source": "a dog", "target": "eey"}
    vectors = collate([pair | {"vector": [1.0, 2.0]}, pair | {"vector": None}, pair])["vectors"]
    assert vectors[0].tolist() == [1.0, 2.0]
    assert vectors[1:].isnan().all()
    assert "vectors" not in collate([pair])


def test_the_teacher_reads_no_row_whose_vector_is_given_where_the_losses_need_no_tokens(tmp_path):
    read: list[str] = []
    vectors = torch.randn(4, 32, generator=torch.Generator().manual_seed(0))
    rows = [
        {"source": text, "target": text, "vector": vector}
        for text, vector in zip(
            texts(), [vectors[0].tolist(), None, vectors[2].tolist(), vectors[3].tolist()], strict=False
        )
    ]
    for losses, expected in (("contrastive", texts()[1:2]), ("contrastive,transport", texts()[:4])):
        student, teacher = tiny_pairs.pair()
        made = OTDistillationTrainer(student, teacher, arguments(tmp_path, losses=losses), tiny_pairs.bitext())
        collate = made.data_collator
        read.clear()
        collate = replace(
            collate, teacher=lambda given, *rest, of=collate.teacher: read.extend(given) or of(given, *rest)
        )
        batch = collate(rows)
        assert read == expected
        found = english_side(made.teacher, batch).vector_BD
        assert torch.equal(found[[0, 2, 3]], vectors[[0, 2, 3]])
        assert torch.allclose(found[1], teacher.encode_query(texts()[1], convert_to_tensor=True), atol=1e-5)
        assert made.compute_loss(made.model, collate(rows)).isfinite()
    alone = replace(made.data_collator, needs_tokens=False)([rows[0], rows[2]])
    assert "teacher" not in alone
    assert torch.equal(english_side(made.teacher, alone).vector_BD, vectors[[0, 2]])


def test_a_vector_stands_for_the_document_that_a_row_has_not(tmp_path):
    student, teacher = tiny_pairs.pair()
    made = OTDistillationTrainer(student, teacher, arguments(tmp_path, losses="contrastive"), tiny_pairs.bitext())
    rows = [
        {"source": "a dog", "target": "eey", "relevant_document": "a red dog", "vector": None},
        {"source": "a dog", "target": "eey", "relevant_document": "a red dog", "vector": [0.5] * 32},
        {"source": "a cat", "target": "a cat", "relevant_document": None, "vector": [1.0] * 32},
    ]
    found = relevant_side(made.teacher, made.data_collator(rows))
    wanted = teacher.encode_document("a red dog", convert_to_tensor=True)
    assert torch.allclose(found, torch.stack([wanted, wanted, torch.ones(32)]), atol=1e-5)
    assert torch.equal(relevant_side(made.teacher, made.data_collator(rows[2:])), torch.ones(1, 32))
    assert relevant_side(made.teacher, made.data_collator([{"source": "a", "target": "b"}])) is None


@pytest.mark.slow
def test_documents_stand_beside_bitext_with_a_column_of_documents():
    bitext = tiny_pairs.bitext().add_column("relevant_document", tiny_pairs.bitext()["source"][:])
    for given in (bitext, bitext.to_iterable_dataset()):
        for row in joined(given, sample_documents(texts(), 9, 0, 32)):
            assert (row["relevant_document"] is None) == row["id"].startswith("document-")


def test_query_texts_are_rows_that_the_teacher_reads_as_queries_whatever_vectors_they_have():
    teacher = tiny_pairs.teacher()
    set_prompts(teacher, query="a red ", document="two small ")
    asked = sample_documents(
        Dataset.from_dict({"text": texts(), "vector": [[0.0] * 32] * len(texts())}), 100, 0, 32, "query_texts"
    )
    bitext, mixed = tiny_pairs.bitext(), {"seed": 0, "device": DEVICE, "progress": False}
    rows = with_texts(bitext, asked, EncoderTeacher(teacher), "query", share=0.25, **mixed)
    assert len(rows) == len(bitext) + round(len(bitext) / 3)
    last = rows[-1]
    assert last["source"] == last["target"]
    wanted = teacher.encode_query(last["source"], convert_to_tensor=True)
    assert torch.allclose(torch.tensor(last["vector"]), wanted, atol=1e-5)
    stream = list(
        with_texts(bitext.to_iterable_dataset(), asked, EncoderTeacher(teacher), "query", share=0.25, **mixed)
    )
    assert 0.1 < sum(row["vector"] is not None for row in stream) / len(stream) < 0.45


@pytest.mark.slow
def test_training_learns_from_query_texts_beside_bitext_and_documents(tmp_path, caplog):
    caplog.set_level("INFO", "optical_hf.training.trainer.fitted_start")
    student, teacher = tiny_pairs.pair()
    args = arguments(tmp_path, losses="contrastive", max_steps=2, alignment="contrastive", query_share=0.2)
    made = OTDistillationTrainer(
        student, teacher, args, tiny_pairs.bitext(), documents=texts()[:20], query_texts=texts()[20:]
    )
    made.train()
    kinds = [row["id"].partition("-")[0] for row in made.train_dataset if row["vector"] is not None]
    others = len(made.train_dataset) - kinds.count("query")
    assert kinds.count("document") == 20
    assert kinds.count("query") == min(len(texts()) - 20, round(others / 4))
    assert made.texts.query_texts is None


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["vector", "late_interaction"])
def test_every_kind_of_student_learns_from_query_texts(tmp_path, kind):
    student, teacher = tiny_pairs.pair(kind=kind)
    losses = "contrastive" if kind == "vector" else "contrastive_maxsim,transport"
    args = arguments(tmp_path, losses=losses, max_steps=2, alignment="ridge")
    made = OTDistillationTrainer(student, teacher, args, tiny_pairs.bitext(), query_texts=texts())
    made.train()
    assert made.state.global_step == 2
    assert made.train_dataset["id"][-1].startswith("query-")


def test_query_texts_alone_are_refused(tmp_path):
    student, teacher = tiny_pairs.pair()
    with pytest.raises(ValueError, match="query_texts stand beside train_dataset or documents"):
        OTDistillationTrainer(student, teacher, arguments(tmp_path), query_texts=texts())
    with pytest.raises(ValueError, match="query_texts: expected a Dataset with a column 'text', or a list of texts"):
        OTDistillationTrainer(student, teacher, arguments(tmp_path), tiny_pairs.bitext(), query_texts="queries.txt")


@pytest.mark.slow
def test_a_bank_holds_the_given_vectors(tmp_path):
    vectors = torch.nn.functional.normalize(
        torch.randn(len(texts()), 32, generator=torch.Generator().manual_seed(0)), dim=1
    )
    documents = Dataset.from_dict({"text": texts(), "vector": vectors.tolist()})
    made = run(tmp_path, None, documents, losses="contrastive(bank=16)", max_steps=1)
    assert len(made.bank.vectors_KD) == 16
    assert torch.allclose((made.bank.vectors_KD @ vectors.T).max(dim=1).values, torch.ones(16), atol=1e-5)


@pytest.mark.slow
def test_given_vectors_are_what_is_learnt(tmp_path):
    """Vectors of another space than the teacher's: the student goes there, from documents alone."""
    turn = torch.linalg.qr(torch.randn(32, 32, generator=torch.Generator().manual_seed(0)))[0]
    vectors = torch.as_tensor(tiny_pairs.teacher().encode_document(texts())) @ turn
    documents = Dataset.from_dict({"text": texts(), "vector": vectors.tolist()})
    made = run(tmp_path, None, documents, max_steps=30, learning_rate=2e-3, alignment="ridge")
    found = torch.as_tensor(made.student.encode_query(texts()))
    right = torch.arange(len(texts()))
    assert ((found @ vectors.T).argmax(1) == right).float().mean() > 0.3
    assert ((found @ (vectors @ turn.T).T).argmax(1) == right).float().mean() < 0.15


@pytest.mark.slow
def test_a_new_student_starts_from_the_contrastive_fit_where_there_are_documents(tmp_path, caplog):
    caplog.set_level("INFO", "optical_hf.training.trainer.fitted_start")
    run(tmp_path, tiny_pairs.bitext(), texts(), alignment=None, max_steps=1)
    assert "starts from the fit 'contrastive'" in caplog.text
    assert f"{len(texts())} documents" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("held_out", [0, 2])
def test_vectors_of_documents_that_nobody_reads_are_negatives_of_that_fit(tmp_path, monkeypatch, held_out):
    seen = []
    monkeypatch.setattr(
        "optical_hf.models.alignment.fit_alignment.fit_contrastive",
        lambda *given, **more: seen.append(given) or fit_contrastive(*given, **more),
    )
    known = Dataset.from_dict({"text": texts(), "vector": tiny_pairs.teacher().encode_document(texts())})
    evaluated = {"eval_strategy": "steps"} if held_out else {}
    made = run(tmp_path, None, known, alignment=None, max_steps=1, max_documents=20, **evaluated)
    ((_, negatives_MK, _, settings),) = seen
    assert len(negatives_MK) == len(texts()) - held_out
    assert settings.hard_negatives == 8
    assert len(made.train_dataset) == 20 - held_out


@pytest.mark.slow
def test_a_stream_is_mixed_with_documents(tmp_path):
    stream = tiny_pairs.bitext().to_iterable_dataset()
    rows = list(joined(stream, sample_documents(texts(), 100, 0, 32)))
    documents = sum(row["vector"] is not None for row in rows)
    assert 0.3 < documents / len(rows) < 0.7
    assert len(rows) - documents >= 90
    run(tmp_path, stream, texts(), max_steps=2)


@pytest.mark.slow
def test_each_evaluation_says_how_many_held_out_documents_retrieve_themselves(tmp_path):
    made = run(
        tmp_path, None, texts(), alignment=None, max_steps=2, eval_strategy="steps", eval_steps=1, save_strategy="steps",
        save_steps=1, load_best_model_at_end=True, metric_for_best_model="reproduced",
    )  # fmt: skip
    found = [entry["eval_reproduced"] for entry in made.state.log_history if "eval_reproduced" in entry]
    assert len(found) == 2
    assert all(0 < value <= 1 for value in found)
    assert made.state.best_metric == max(found)
    held_out = set(made.evaluators[-1].texts)
    assert len(held_out) == len(texts()) // 10
    assert not held_out & set(made.train_dataset["source"][:])


def test_a_student_that_reproduces_nothing_is_seen():
    rows = Dataset.from_dict(
        {"source": texts()[:8], "vector": tiny_pairs.teacher().encode_document(texts()[:8]).tolist()}
    )
    assert IndexReproduction(rows)(tiny_pairs.teacher()) == {"reproduced": 1.0}
    assert IndexReproduction(rows)(tiny_pairs.pair()[0])["reproduced"] < 0.9


def test_what_is_no_document_is_refused_before_anything_is_trained(tmp_path):
    student, teacher = tiny_pairs.pair()
    with pytest.raises(ValueError, match="3 wide, the teacher's 32"):
        OTDistillationTrainer(
            student, teacher, arguments(tmp_path), documents=Dataset.from_dict({"text": ["a"], "vector": [[1.0, 2, 3]]})
        )
    for name, value in {"document_share": 1.0, "max_documents": 0}.items():
        with pytest.raises(ValueError, match=name):
            arguments(tmp_path, **{name: value})


@pytest.mark.slow
def test_train_on_the_command_line_needs_no_bitext(tmp_path, monkeypatch, capsys):
    tiny_pairs.teacher().save_pretrained(str(tmp_path / "teacher"))
    tiny_pairs.backbone().save_pretrained(str(tmp_path / "student"))
    (tmp_path / "docs.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts()))
    words = [
        "train",
        "--teacher",
        tmp_path / "teacher",
        "--student",
        tmp_path / "student",
        "--output",
        tmp_path / "out",
    ]
    quick = ["--max_steps", 2, "--report_to", "none", "--save_strategy", "no", "--use_cpu", "True"]
    index, asked = ["--documents", tmp_path / "docs.jsonl"], ["--query-texts", tmp_path / "docs.jsonl"]
    for more, status in (([], 2), (asked, 2), ([*index, *asked], 0)):
        monkeypatch.setattr("sys.argv", ["optical-hf", *map(str, [*words, *more, *quick])])
        with pytest.raises(SystemExit, match=str(status)):
            main()
    assert "--bitext, --documents, or both" in " ".join(capsys.readouterr().err.split())
    found = SentenceTransformer(str(tmp_path / "out")).encode_query(texts())
    right = (found @ tiny_pairs.teacher().encode_document(texts()).T).argmax(axis=1) == range(len(texts()))
    assert right.mean() > 0.3
