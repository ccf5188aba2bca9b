"""`load_vectors`: exported rows stand where a teacher stands, and say what they lack."""

import pickle

import numpy as np
import pytest
import torch
from datasets import Dataset
from tiny_pairs import backbone, bitext

from optical_hf import OTDistillationArguments, OTDistillationTrainer, fit_alignment, load_vectors
from optical_hf.losses import Transport
from optical_hf.models import VectorTeacher, build_student
from optical_hf.models.teachers.teacher import as_teacher
from optical_hf.models.teachers.vector_lengths import is_unit

ENGLISH = sorted(set(bitext()["source"][:]))


def rows(width=24, length=1.0, texts=ENGLISH) -> Dataset:
    vectors = np.random.default_rng(0).normal(size=(len(texts), width))
    vectors *= length / np.linalg.norm(vectors, axis=1, keepdims=True)
    return Dataset.from_dict({"text": texts, "vector": vectors.tolist()})


@pytest.fixture
def teacher(tmp_path) -> VectorTeacher:
    return load_vectors(rows(), cache_dir=tmp_path / "cache")


def test_it_gives_each_text_its_vector(teacher):
    found = teacher.lookup(ENGLISH[3:5])
    torch.testing.assert_close(found.vector_BD, torch.tensor(rows()["vector"][3:5]))
    assert found.tokens_BND.shape == (2, 1, 24)
    assert torch.equal(found.tokens_BND[:, 0], found.vector_BD)
    assert found.content_BN.all()
    assert (teacher.width, teacher.kind, teacher.pooling, teacher.encoders) == (24, "vector", "mean", ())
    assert ENGLISH[0] in teacher
    assert len(teacher) == len(ENGLISH)
    assert as_teacher(teacher) is teacher


def test_features_go_through_a_collator_and_a_pickle(teacher):
    again = pickle.loads(pickle.dumps(teacher))
    features = again.features(ENGLISH[:2], task="document")
    assert torch.equal(teacher.token_set(features).vector_BD, teacher.lookup(ENGLISH[:2]).vector_BD)
    with pytest.raises(ValueError, match=r"collate with teacher=teacher\.features"):
        teacher.token_set({"input_ids": torch.ones(1, 2)})


def test_missing_texts_are_counted_and_the_first_is_named(teacher):
    with pytest.raises(
        ValueError, match=r"2 of 3 texts are not among the .* texts with a vector, the first is 'a cow'"
    ):
        teacher.lookup([ENGLISH[0], "a cow", "a hen"])
    with pytest.raises(ValueError, match=r"1 of 2 documents .*'a cow'"):
        teacher.check_texts([ENGLISH[0], "a cow"], "documents")
    table = Dataset.from_dict({"source": ["a cow", ENGLISH[1]], "target": ["eine Kuh", "x"]})
    assert teacher.with_vectors(table)["target"][:] == ["x"]
    with pytest.raises(ValueError, match="1 of 1 texts in 'source'"):
        teacher.with_vectors(table.select([0]))


def test_a_text_is_compared_and_not_its_hash_alone(teacher, monkeypatch):
    monkeypatch.setattr(type(teacher._index), "rows", lambda self, texts: np.zeros(len(texts), np.int64))
    with pytest.raises(ValueError, match="'a cow'"):
        teacher.lookup(["a cow"])


def test_the_fingerprint_is_that_of_the_rows(tmp_path, teacher):
    def of(table, **options):
        return VectorTeacher(load_vectors(table, cache_dir=tmp_path, **options).documents, **options).fingerprint

    assert of(rows()) == teacher.fingerprint
    other = [of(rows(length=2.0), normalize=True), of(rows(length=2.0), normalize=False), of(rows(texts=ENGLISH[::-1]))]
    assert len({teacher.fingerprint, *other}) == 4


def test_lengths_are_said_or_an_error(tmp_path):
    long = rows(length=3.0)
    with pytest.raises(
        ValueError, match=r"not of unit length, lengths of 3 to 3, median 3\. .*normalize=True.*normalize=False"
    ):
        load_vectors(long, cache_dir=tmp_path)
    unit, raw = (load_vectors(long, normalize=n, cache_dir=tmp_path) for n in (True, False))
    assert (unit.unit_length, unit.similarity_fn_name, raw.similarity_fn_name) == (True, "cosine", "dot")
    for teacher, length in ((unit, 1.0), (raw, 3.0)):
        torch.testing.assert_close(teacher.lookup(ENGLISH[:5]).vector_BD.norm(dim=1), torch.full((5,), length))


def test_a_mix_of_normalised_and_other_vectors_is_said():
    with pytest.raises(ValueError, match=r"3 of them are of unit length and 2 have lengths of 5 to 7, .*were mixed"):
        is_unit(np.array([1.0, 1.0, 0.999, 5.0, 7.0]), None)
    assert is_unit(np.array([0.995, 1.004]), None)


def test_texts_without_vectors_are_no_teacher(tmp_path):
    with pytest.raises(ValueError, match="texts and no vectors"):
        load_vectors(["a dog", "a cat"], cache_dir=tmp_path)


def test_plans_need_tokens(teacher):
    student = build_student(backbone(), teacher)
    for options in ({"method": "transport"}, {"method": "contrastive", "start": "transport"}):
        with pytest.raises(
            ValueError, match="moves tokens onto the teacher's tokens, and the teacher is vectors alone"
        ):
            fit_alignment(student, teacher, bitext(), **options)
    with pytest.raises(ValueError, match="searched token by token would have nothing to learn from"):
        build_student(backbone(), teacher, kind="late_interaction")


@pytest.mark.parametrize("losses", ["transport", "contrastive_maxsim", "contrastive=1.0,kl_maxsim=0.5"])
def test_losses_on_tokens_are_refused(teacher, tmp_path, losses):
    args = OTDistillationArguments(output_dir=tmp_path, losses=losses, report_to="none")
    with pytest.raises(ValueError, match="compares tokens, and the teacher is vectors alone"):
        OTDistillationTrainer(build_student(backbone(), teacher), teacher, args, bitext())
    assert Transport.needs_tokens


def test_missing_english_sides_are_said_before_anything_is_fitted(tmp_path):
    teacher = load_vectors(rows(texts=ENGLISH[1:]), cache_dir=tmp_path)
    student = build_student(backbone(), teacher)
    before = [parameter.clone() for parameter in student.parameters()]
    count = bitext()["source"][:].count(ENGLISH[0])
    with pytest.raises(ValueError, match=f"{count} of 96 English sides of the bitext are not among"):
        fit_alignment(student, teacher, bitext(), method="ridge")
    assert all(torch.equal(one, other) for one, other in zip(before, student.parameters(), strict=True))
    args = OTDistillationArguments(output_dir=tmp_path, report_to="none", use_cpu=True, max_steps=1)
    with pytest.raises(ValueError, match=f"{count} of 96 English sides"):
        OTDistillationTrainer(student, teacher, args, bitext()).train()
