"""Index documents in the fit: with bitext and without, with given vectors, held out; a killed fit goes on; bad input."""

from functools import cache

import pytest
import tiny_pairs
import torch
from datasets import Dataset

from optical_hf.models import build_student, fit_alignment, token_projection
from optical_hf.models.alignment.contrastive_map import fit_contrastive
from optical_hf.models.alignment.index_documents import DocumentVectors, sample_documents
from optical_hf.models.alignment.map_descent import ContrastiveMap
from optical_hf.models.alignment.pooled_texts import PooledTexts
from optical_hf.models.teachers.teacher import EncoderTeacher
from optical_hf.models.tiny import tiny_encoder
from optical_hf.scenes import scenes_bitext

QUICK = {"method": "contrastive", "steps": 60, "queries_per_step": 64, "regularisation": 1e-3, "progress": False}


@cache
def texts() -> list[str]:
    return list(dict.fromkeys(scenes_bitext({"de": 120}, seed=5)["source"][:]))


def with_vectors(teacher, documents: list[str]) -> Dataset:
    vectors = teacher.encode_document(documents, convert_to_numpy=True)
    return Dataset.from_dict({"text": documents, "vector": vectors.tolist()})


def test_without_bitext_the_student_learns_to_reproduce_the_index():
    student, teacher = tiny_pairs.pair()
    fresh = DocumentVectors(
        torch.as_tensor(student.encode_query(texts())),
        torch.as_tensor(teacher.encode_document(texts())),
        torch.arange(0),
    )
    before = float((fresh.source_ND @ fresh.target_NK.T).argmax(1).eq(torch.arange(len(texts()))).float().mean())
    report = fit_alignment(student, teacher, documents=texts(), **QUICK)
    found = student.encode_query(texts()) @ teacher.encode_document(texts()).T
    assert (found.argmax(1) == torch.arange(len(texts())).numpy()).mean() > before + 0.3
    assert (report.pairs, report.documents) == (0, len(texts()))
    assert report.loss[-1] < report.loss[0]
    assert f"{len(texts())} documents" in str(report)


@pytest.mark.parametrize(("given", "bitext", "steps"), [(None, False, 5), (9, False, 9), (None, True, 600)])
def test_few_documents_are_read_twenty_times_unless_steps_are_given_or_there_is_bitext(
    given, bitext, steps, monkeypatch
):
    seen = {}

    def no_fit(rows, negatives, start, settings, *, progress):
        seen["steps"] = settings.steps
        return ContrastiveMap(start[0].detach(), start[1], [0.0])

    monkeypatch.setattr("optical_hf.models.alignment.fit_alignment.fit_contrastive", no_fit)
    student, teacher = tiny_pairs.pair()
    pairs = tiny_pairs.bitext() if bitext else None
    fit_alignment(student, teacher, pairs, documents=texts(), steps=given, regularisation=1e-3, progress=False)
    assert seen["steps"] == steps
    assert -(-20 * len(texts()) // 512) == 5


@pytest.mark.parametrize("method", ["ridge", "contrastive"])
def test_given_vectors_are_what_the_teacher_would_give(method):
    maps = []
    for documents in (texts(), with_vectors(tiny_pairs.teacher(), texts())):
        student, teacher = tiny_pairs.pair()
        fit_alignment(student, teacher, tiny_pairs.bitext(), documents=documents, **QUICK | {"method": method})
        maps.append(token_projection(student).linear.weight.detach())
    # Given vectors are of unit length and pooled ones of any, which a regression sees.
    assert torch.nn.functional.cosine_similarity(*(m.flatten() for m in maps), dim=0) > 0.99


@pytest.mark.slow
def test_documents_change_the_map_and_their_share_and_shift_do_too():
    maps = {}
    for name, more in {
        "none": {"documents": None},
        "half": {},
        "few": {"document_share": 0.1},
        "still": {"pseudo_foreign": 0.0},
        "again": {},
    }.items():
        student, teacher = tiny_pairs.pair()
        fit_alignment(student, teacher, tiny_pairs.bitext(), **QUICK | {"documents": texts()} | more)
        maps[name] = token_projection(student).linear.weight.detach()
    assert torch.equal(maps["half"], maps["again"])
    for name in ("none", "few", "still"):
        assert not torch.allclose(maps["half"], maps[name], atol=1e-4)


def test_held_out_documents_are_measured_and_not_read_by_the_fit():
    student, teacher = tiny_pairs.pair()
    report = fit_alignment(student, teacher, documents=texts(), held_out=8, **QUICK)
    assert report.documents == len(texts()) - 8
    assert 0 <= report.reproduced <= 1
    assert "held-out documents" in str(report)
    assert fit_alignment(student, teacher, documents=texts(), **QUICK).reproduced is None


def test_a_map_that_fits_reproduces_and_one_that_does_not_does_not():
    rows = DocumentVectors(torch.eye(4), torch.eye(4), torch.arange(4))
    assert rows.reproduced(torch.eye(4), None) == 1.0
    assert rows.reproduced(torch.eye(4).roll(1, 0), torch.zeros(4)) == 0.0


def test_the_penalty_is_chosen_by_documents_where_there_is_no_bitext():
    student, teacher = tiny_pairs.pair()
    options = QUICK | {"method": "ridge", "regularisation": "held_out_pairs"}
    assert fit_alignment(student, teacher, documents=texts(), **options).regularisation <= 1e-2


def test_a_killed_fit_goes_on_from_its_vectors(tmp_path, monkeypatch):
    monkeypatch.setattr("optical_hf.models.alignment.pooled_texts.CHUNK", 16)
    read = []
    whole = EncoderTeacher.iter_token_sets

    def counted(self, texts, *arguments):
        read.append(len(texts))
        if sum(read) > 100 and fail:
            raise KeyboardInterrupt
        return whole(self, texts, *arguments)

    monkeypatch.setattr(EncoderTeacher, "iter_token_sets", counted)
    fail, (student, teacher) = True, tiny_pairs.pair()
    with pytest.raises(KeyboardInterrupt):
        fit_alignment(student, teacher, tiny_pairs.bitext(), cache=tmp_path, **QUICK)
    before, fail = sum(read[:-1]), False
    read.clear()
    fit_alignment(student, teacher, tiny_pairs.bitext(), cache=tmp_path, **QUICK)
    fresh, _ = tiny_pairs.pair()
    rest = sum(read)
    read.clear()
    fit_alignment(fresh, teacher, tiny_pairs.bitext(), **QUICK)
    assert sum(read) == before + rest
    assert torch.equal(token_projection(student).linear.weight, token_projection(fresh).linear.weight)


def test_damaged_vectors_are_read_again(tmp_path, caplog):
    teacher = EncoderTeacher(tiny_pairs.teacher())
    first = PooledTexts(teacher, "mean", "teacher", folder=tmp_path)(texts())
    (file,) = tmp_path.glob("*.safetensors")
    data = bytearray(file.read_bytes())
    data[-5] ^= 255
    file.write_bytes(data)
    assert torch.equal(first, PooledTexts(teacher, "mean", "teacher", folder=tmp_path)(texts()))
    assert "damaged" in caplog.text
    other = EncoderTeacher(tiny_encoder(texts(), width=32, vocabulary_size=60, seed=3))
    assert not torch.allclose(first, PooledTexts(other, "mean", "teacher", folder=tmp_path)(texts()))


def test_queries_and_documents_are_read_with_their_prompts():
    model = tiny_pairs.teacher()
    model.prompts = {"query": "a dog ", "document": "a red cat "}
    read = PooledTexts(EncoderTeacher(model), "mean", "teacher")
    query, document = read(texts()), read(texts(), task="document")
    assert not torch.allclose(query, document, atol=1e-3)
    wanted = torch.as_tensor(model.encode_document(texts()))
    assert torch.allclose(torch.nn.functional.normalize(document, dim=1), wanted, atol=1e-4)


def test_a_sample_is_seeded_and_has_each_text_once():
    some = sample_documents(
        Dataset.from_dict({"text": [*texts(), *texts()], "other": [0] * 2 * len(texts())}), 50, 1, 32
    )
    assert some.column_names == ["text"]
    assert len(set(some["text"][:])) == len(some) <= 50
    assert some["text"][:] == sample_documents([*texts(), *texts()], 50, 1, 32)["text"][:]
    assert some["text"][:] != sample_documents([*texts(), *texts()], 50, 2, 32)["text"][:]


def test_query_texts_are_read_as_queries_and_take_their_share(monkeypatch):
    student, teacher = tiny_pairs.pair()
    teacher.prompts = {"query": "a dog ", "document": "a red cat "}
    rows = {}

    def kept(kinds, *more, **options):
        rows["kinds"] = kinds
        return fit_contrastive(kinds, *more, **options)

    monkeypatch.setattr("optical_hf.models.alignment.fit_alignment.fit_contrastive", kept)
    queries = ["which dog is red?", "who sleeps?", "who runs?"]
    report = fit_alignment(
        student, teacher, tiny_pairs.bitext(), documents=texts(), query_texts=queries, query_share=0.2, **QUICK
    )
    bitext, documents, asked = rows["kinds"]
    assert [round(kind.share, 3) for kind in (bitext, documents, asked)] == [0.4, 0.4, 0.2]
    read = PooledTexts(EncoderTeacher(teacher), "mean", "teacher")(queries)
    assert sorted(asked.target_NK.norm(dim=1).tolist()) == pytest.approx(sorted(read.norm(dim=1).tolist()), rel=1e-4)
    assert asked.shift_PD is None
    assert report.documents == len(texts())


def test_sentences_are_queries_whose_target_is_their_document(monkeypatch):
    pytest.importorskip("nltk")
    student, teacher = tiny_pairs.pair()
    rows = {}
    monkeypatch.setattr(
        "optical_hf.models.alignment.fit_alignment.fit_contrastive",
        lambda kinds, *more, **options: rows.update(kinds=kinds) or fit_contrastive(kinds, *more, **options),
    )
    long = [f"{one} {other}" for one, other in zip(texts()[::2], texts()[1::2], strict=False)]
    fit_alignment(student, teacher, tiny_pairs.bitext(), documents=long, document_sentences=True, held_out=5, **QUICK)
    _, documents, sentences = rows["kinds"]
    assert (documents.share, sentences.share) == (0.25, 0.25)
    assert len(sentences.source_ND) > len(documents.source_ND)
    found = (sentences.target_NK.unsqueeze(1) == documents.target_NK).all(-1)
    assert (found.sum(1) == 1).all()  # none of a document that is held out
    assert set(found.int().argmax(1).tolist()) == set(range(len(documents.target_NK)))
    assert torch.equal(sentences.shift_PD, documents.shift_PD)
    with pytest.raises(ValueError, match="document_sentences and relevance_pairs are for students of one vector"):
        fit_alignment(
            student,
            teacher,
            tiny_pairs.bitext(),
            documents=long,
            document_sentences=True,
            **QUICK | {"start": "transport"},
        )


def test_query_texts_without_pairs_or_with_plans():
    student, teacher = tiny_pairs.pair()
    fit_alignment(student, teacher, documents=texts(), query_texts=["who sleeps?"], **QUICK)
    for given in ({"start": "transport"}, {"method": "transport"}):
        with pytest.raises(
            ValueError, match="query_texts, document_sentences and relevance_pairs are for students of one vector"
        ):
            fit_alignment(student, teacher, tiny_pairs.bitext(), query_texts=["who sleeps?"], **QUICK | given)
    with pytest.raises(ValueError, match="query_texts: 1 of 2 texts are empty"):
        fit_alignment(student, teacher, tiny_pairs.bitext(), query_texts=["who?", ""], **QUICK)
    with pytest.raises(ValueError, match="nothing to fit on"):
        fit_alignment(student, teacher, query_texts=["who?"], **QUICK)
    with pytest.raises(ValueError, match="query_share is 1"):
        fit_alignment(student, teacher, tiny_pairs.bitext(), query_texts=["who?"], query_share=1, **QUICK)


def test_what_cannot_be_read_is_refused_and_the_student_stays():
    student, teacher = tiny_pairs.pair()
    before = token_projection(student).linear.weight.detach().clone()
    vectors = with_vectors(teacher, texts())
    nan = [[float("nan")] * 32, *vectors["vector"][1:]]
    for match, given in {
        "nothing to fit on": {},
        "1 of .* texts are empty": {"documents": ["a dog", " "]},
        "there are none": {"documents": []},
        "expected a Dataset": {"documents": "docs.txt"},
        "no column 'text'": {"documents": Dataset.from_dict({"body": ["a"]})},
        "are 3 wide, the teacher's 32": {"documents": Dataset.from_dict({"text": ["a"], "vector": [[1.0, 2, 3]]})},
        "1 of .* vectors are NaN": {"documents": Dataset.from_dict({"text": vectors["text"], "vector": nan})},
        "not for method='transport'": {"documents": texts(), "bitext": tiny_pairs.bitext(), "method": "transport"},
        "plans need bitext": {"documents": texts(), "start": "transport"},
        "document_share is 1": {"documents": texts(), "document_share": 1},
        "pseudo_foreign is 1.5": {"documents": texts(), "pseudo_foreign": 1.5},
        "max_documents is 0": {"documents": texts(), "max_documents": 0},
        "one English text": {"documents": ["a dog"]},
    }.items():
        with pytest.raises(ValueError, match=match):
            fit_alignment(student, teacher, **QUICK | given)
    assert build_student(tiny_pairs.backbone(), teacher) is not None
    if not torch.equal(before, token_projection(student).linear.weight):
        raise AssertionError("a refused fit moved the projection")
