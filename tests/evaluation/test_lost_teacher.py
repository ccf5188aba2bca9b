"""A model of 1,536 dimensions is lost and its index is kept: a student is fitted, trained, saved, loaded and evaluated."""

import numpy as np
import pytest
import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformer
from tiny_pairs import backbone, bitext

from optical_hf import (
    OTDistillationArguments,
    OTDistillationTrainer,
    RetrievalCollection,
    evaluate_retrieval,
    fit_alignment,
    load_student,
    load_vectors,
)
from optical_hf.evaluation import RetrievalEvaluator
from optical_hf.models.tiny import tiny_encoder

WIDTH = 1536


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """Texts and vectors in files; the model that made them is gone."""
    folder = tmp_path_factory.mktemp("index")
    texts = sorted(set(bitext()["source"][:]))
    model = tiny_encoder(texts, width=WIDTH, layers=1, heads=4, vocabulary_size=200)
    np.save(folder / "docs.npy", model.encode(texts).astype(np.float16))
    (folder / "docs.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    return folder / "docs.txt"


@pytest.fixture(scope="module")
def teacher(index):
    return load_vectors(index, cache_dir=index.parent / "cache")


@pytest.fixture(scope="module")
def collection():
    rows = bitext().filter(lambda row: row["language"] == "de")
    pairs = {row["source"]: row["target"] for row in rows}
    return RetrievalCollection.from_lines("scenes", {"de": (list(pairs.values()), list(pairs))}, list(pairs))


@pytest.fixture(scope="module")
def student(index, teacher):
    backbone().save(str(index.parent / "backbone"))
    return load_student(index.parent / "backbone", teacher)


def recall(student, teacher, collection, systems=("student",), **options):
    report = evaluate_retrieval(student, teacher, collection, systems=list(systems), progress=False, **options)
    return {name: system.languages["de"].recall_at_1.value for name, system in report.systems.items()}


@pytest.mark.slow
@pytest.mark.parametrize("method", ["ridge", "contrastive"])
def test_a_student_of_a_lost_teacher(tmp_path, student, teacher, collection, method):
    assert student.get_embedding_dimension() == WIDTH
    fit_alignment(
        student, teacher, bitext(), method=method, regularisation=1e-3, steps=100, queries_per_step=64, progress=False
    )
    fitted = recall(student, teacher, collection, systems=["student", "teacher_english"])
    assert fitted["teacher_english"] == 1.0
    assert fitted["student"] > 0.3

    args = OTDistillationArguments(
        tmp_path / "run", losses="contrastive(bank=16)=1.0,pooled_mse=0.5,pooled_cosine=0.1,kl_dot=0.1", max_steps=2,
        per_device_train_batch_size=8, learning_rate=1e-4, report_to="none", save_strategy="no", use_cpu=True,
    )  # fmt: skip
    before = {name: value.clone() for name, value in student.state_dict().items()}
    evaluator = RetrievalEvaluator(collection, teacher)
    trainer = OTDistillationTrainer(student, teacher, args, bitext(), evaluators=evaluator)
    trainer.train()
    assert any(not torch.equal(value, before[name]) for name, value in student.state_dict().items())
    trainer.save_model(tmp_path / "student")

    alone = SentenceTransformer(str(tmp_path / "student"))
    assert alone.encode(["ein Hund"]).shape == (1, WIDTH)
    trained = recall(alone, teacher, collection)["student"]
    assert trained == recall(student, teacher, collection)["student"] > 0.3
    assert evaluator(alone)["R@1/de"] == pytest.approx(trained)


@pytest.mark.slow
def test_a_new_student_starts_from_the_contrastive_map(tmp_path, index, teacher, caplog):
    caplog.set_level("INFO")
    new = load_student(index.parent / "backbone", teacher)
    args = OTDistillationArguments(tmp_path, max_steps=1, report_to="none", save_strategy="no", use_cpu=True)
    OTDistillationTrainer(new, teacher, args, bitext()).train()
    assert "starts from the fit 'contrastive': it is new" in caplog.text


@pytest.mark.slow
def test_without_bitext(index, teacher, collection):
    new = load_student(index.parent / "backbone", teacher)
    before = recall(new, teacher, collection)["student"]
    fit_alignment(new, teacher, None, documents=teacher.documents, method="contrastive", steps=20, progress=False)
    english = recall(new, teacher, collection, systems=["student_english"])["student_english"]
    assert english > 5 * max(before, 1 / len(collection.documents))


@pytest.mark.slow
def test_documents_and_english_queries_without_a_vector_are_counted(student, teacher, collection):
    more = RetrievalCollection.from_lines("more", {"de": (["eine Kuh"], ["a cow"])}, ["a cow that nobody encoded"])
    assert more.queries["english"][:] == ["a cow"]
    with pytest.raises(ValueError, match=r"1 of 1 documents of more are not among .*'a cow that nobody encoded'"):
        recall(student, teacher, more)
    with pytest.raises(ValueError, match=r"1 of 1 queries of more read by teacher_english are not among .*'a cow'"):
        recall(student, teacher, more, systems=["teacher_english"])
    with pytest.raises(ValueError, match="queries of scenes read by teacher are not among"):
        recall(student, teacher, collection, systems=["teacher"])
    with pytest.raises(ValueError, match="MaxSim compares tokens: take search='vector'"):
        recall(student, teacher, collection, search="maxsim")


@pytest.mark.slow
def test_kept_pieces_are_those_of_these_vectors(tmp_path, student, index, teacher, collection):
    first = recall(student, teacher, collection, folder=tmp_path / "kept")
    moved = teacher.documents.map(lambda row: {"vector": row["vector"][::-1]})
    other = load_vectors(Dataset.from_dict(moved[:]), cache_dir=tmp_path)
    assert recall(student, other, collection, folder=tmp_path / "kept") != first or first["student"] < 0.1
    assert len(list((tmp_path / "kept").iterdir())) == 3  # the queries once, the documents of each teacher
