"""Pairs with a document to be found in place of the English side: what is compared, where it is read, what is refused."""

import pytest
import tiny_pairs
import torch
from test_trainer import arguments, losses
from torch.nn.functional import cross_entropy, normalize

from optical_hf.models import preprocess_queries, token_set
from optical_hf.models.teachers.teacher import EncoderTeacher
from optical_hf.models.teachers.token_cache import TeacherCache
from optical_hf.training import OTDistillationTrainer


def with_documents(rows=None):
    """Each English side answers the pair at the same place from the end; the texts are those of the bitext."""
    rows = tiny_pairs.bitext() if rows is None else rows
    return rows.add_column("relevant_document", rows["source"][::-1])


def trainer(folder, dataset, teacher=None, **kwargs):
    student, own = tiny_pairs.pair()
    given = {"losses": "contrastive", "max_steps": 1} | kwargs
    return OTDistillationTrainer(student, teacher or own, arguments(folder, **given), dataset)


def vectors(model, texts):
    features = preprocess_queries(model, texts)
    with torch.no_grad():
        return normalize(token_set(model, features, model(dict(features), task="query")).vector_BD, dim=-1)


def test_the_student_is_to_find_the_document(tmp_path):
    rows = with_documents(tiny_pairs.bitext().select([0, 40, 80]))
    assert len({*rows["source"]}) == 3
    run = trainer(tmp_path, rows)
    run.model.eval()
    scores = vectors(run.model, rows["target"][:]) @ vectors(run.teacher.model, rows["relevant_document"][:]).T
    expected = cross_entropy(scores / 0.05, torch.arange(3))
    assert run.evaluate(rows)["eval_loss"] == pytest.approx(float(expected), rel=1e-4)
    plain = rows.remove_columns("relevant_document")
    assert run.evaluate(plain)["eval_loss"] != pytest.approx(float(expected), rel=1e-2)


@pytest.mark.slow
def test_losses_that_do_not_search_read_the_english_side(tmp_path):
    losses_of = {}
    for name, rows in (("with", with_documents()), ("without", tiny_pairs.bitext())):
        run = trainer(tmp_path / name, rows, losses="transport=1.0,pooled_mse=1.0", max_steps=2)
        run.train()
        losses_of[name] = losses(run)
    assert losses_of["with"] == losses_of["without"]


@pytest.mark.slow
def test_documents_are_read_for_losses_that_search_alone(tmp_path, monkeypatch):
    reads = []
    read = EncoderTeacher.token_set
    monkeypatch.setattr(EncoderTeacher, "token_set", lambda *given: reads.append(1) or read(*given))
    for loss, expected in (("pooled_mse", 1), ("kl_dot", 2)):
        reads.clear()
        trainer(tmp_path / loss, with_documents(), losses=loss).train()
        assert len(reads) == expected


def test_the_bank_holds_documents(tmp_path):
    rows = tiny_pairs.bitext()
    rows = rows.add_column("relevant_document", [f"{text} and a donkey" for text in rows["source"]])
    run = trainer(tmp_path, rows, losses="contrastive(bank=40)")
    run.train()
    cosines = (
        normalize(run.bank.vectors_KD, dim=-1) @ vectors(run.teacher.model, sorted({*rows["relevant_document"]})).T
    )
    assert cosines.max(dim=1).values.min() > 1 - 1e-5


@pytest.mark.slow
def test_a_cache_has_them_as_the_teacher_reads_them(tmp_path):
    rows, teacher = with_documents(), tiny_pairs.pair()[1]
    plain = trainer(tmp_path / "plain", rows, losses="contrastive=1.0,kl_dot=1.0")
    plain.train()
    texts = [*rows["source"], *rows["relevant_document"]]
    kept = TeacherCache.build(teacher, texts, tmp_path / "tokens", progress=False)
    run = trainer(tmp_path / "kept", rows, kept, losses="contrastive=1.0,kl_dot=1.0")
    run.train()
    assert losses(run) == pytest.approx(losses(plain), rel=1e-2)


def test_maxsim_has_no_tokens_of_documents_and_says_so(tmp_path):
    run = trainer(tmp_path, with_documents(), losses="contrastive_maxsim")
    with pytest.raises(ValueError, match="the losses contrastive_maxsim compare tokens of the English sides: take"):
        run.train()


@pytest.mark.parametrize(("every", "told"), [(4, "24 of 96"), (1, "96 of 96")])
def test_pairs_without_a_document_are_counted(tmp_path, every, told):
    rows = tiny_pairs.bitext()
    texts = [text if place % every else None for place, text in enumerate(rows["source"])]
    run = trainer(tmp_path, rows.add_column("relevant_document", texts), per_device_train_batch_size=96)
    with pytest.raises(
        ValueError, match=f"{told} pairs of a batch have nothing in 'relevant_document': expected a text in each"
    ):
        run.train()
