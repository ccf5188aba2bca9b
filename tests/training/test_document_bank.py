"""A bank of English texts: what is in it for each kind of teacher, what it changes in training, and what is refused."""

import pytest
import tiny_pairs
import torch
from test_trainer import arguments, losses
from torch.nn.functional import normalize

from optical_hf.models import preprocess_queries, token_set
from optical_hf.models.teachers.token_cache import TeacherCache
from optical_hf.training import OTDistillationTrainer

CONTRASTIVE = {"losses": "contrastive(bank=70)"}


def trainer(folder, teacher=None, dataset=None, **kwargs):
    student, own = tiny_pairs.pair()
    dataset = tiny_pairs.bitext() if dataset is None else dataset
    return OTDistillationTrainer(student, teacher or own, arguments(folder, **(CONTRASTIVE | kwargs)), dataset)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    run = trainer(tmp_path_factory.mktemp("trained"), save_strategy="steps", save_steps=1)
    run.train()
    return run


def test_it_holds_the_teachers_vectors_of_texts_of_the_bitext(trained):
    bank_KD, _ = trained.bank
    english = sorted(set(trained.train_dataset["source"]))
    features = preprocess_queries(trained.teacher.model, english)
    with torch.no_grad():
        vectors = token_set(trained.teacher.model, features, trained.teacher.model(dict(features))).vector_BD
    assert len(bank_KD) == 70
    cosines = normalize(bank_KD, dim=-1) @ normalize(vectors, dim=-1).T
    assert cosines.max(dim=1).values.min() > 1 - 1e-5
    assert not bank_KD.requires_grad


def test_another_english_side_of_a_text_is_no_wrong_answer_in_training(tmp_path):
    """One text, every English sentence one of its right answers: nothing is wrong, and nothing costs."""
    rows = tiny_pairs.bitext()
    one = rows.remove_columns("target").add_column("target", [rows["target"][0]] * len(rows))
    run = trainer(tmp_path, dataset=one, max_steps=1)
    run.train()
    assert losses(run) == [0.0]


def test_a_collator_that_numbers_no_texts_trains_as_before(trained, tmp_path):
    run = trainer(tmp_path)
    collate = run.data_collator
    run.data_collator = lambda rows: {name: value for name, value in collate(rows).items() if name != "targets"}
    run.train()
    assert run.bank.target_K is None
    assert losses(run) == pytest.approx(losses(trained), rel=1e-5)  # no target of these rows stands twice


def test_a_batch_is_harder_with_it(trained, tmp_path):
    without = trainer(tmp_path, losses="contrastive")
    without.train()
    assert losses(trained)[0] > losses(without)[0] + 0.5


def test_evaluation_does_without_it(trained, tmp_path):
    few = tiny_pairs.bitext().select(range(16))
    plain = trainer(tmp_path, losses="contrastive")
    plain.model.load_state_dict(trained.model.state_dict())
    assert trained.evaluate(few)["eval_loss"] == pytest.approx(plain.evaluate(few)["eval_loss"], rel=1e-5)


@pytest.mark.slow
def test_a_resumed_run_has_the_same(trained, tmp_path):
    rest = trainer(tmp_path)
    rest.train(resume_from_checkpoint=f"{trained.args.output_dir}/checkpoint-1")
    assert torch.equal(rest.bank.vectors_KD, trained.bank.vectors_KD)
    for one, two in zip(trained.model.parameters(), rest.model.parameters(), strict=True):
        assert torch.equal(one, two)


def test_a_cache_fills_it_as_its_teacher_does(trained, tmp_path):
    rows = tiny_pairs.bitext()
    cached = trainer(
        tmp_path / "run", TeacherCache.build(tiny_pairs.pair()[1], rows, tmp_path / "tokens", progress=False)
    )
    cached.train()
    assert torch.allclose(cached.bank.vectors_KD, trained.bank.vectors_KD, atol=2e-3)


def test_of_a_stream_it_holds_the_first(tmp_path):
    run = trainer(tmp_path, dataset=tiny_pairs.bitext().to_iterable_dataset(), max_steps=1)
    run.train()
    assert len(run.bank.vectors_KD) == 70


def test_with_it_a_batch_may_be_one_pair(tmp_path):
    run = trainer(tmp_path, per_device_train_batch_size=1, max_steps=1)
    run.train()
    assert losses(run)[0] > 0.1


def test_a_text_without_a_finite_vector_is_named_before_the_first_step(tmp_path):
    run = trainer(tmp_path)
    ids = run.teacher.tokenizer(run.train_dataset["source"][0], add_special_tokens=False)["input_ids"]
    run.teacher.model[0].model.get_input_embeddings().weight.data[ids[-1]] = float("nan")
    with pytest.raises(ValueError, match="of 70 English texts of the bank are not finite"):
        run.train()
    assert run.state.global_step == 0


def test_the_largest_bank_that_a_loss_searches_is_made(tmp_path):
    run = trainer(tmp_path, losses="contrastive(bank=20),kl_dot(bank=50)", max_steps=1)
    run.train()
    assert len(run.bank.vectors_KD) == 50
