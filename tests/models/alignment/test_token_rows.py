"""Late-interaction students fitted by contrast: what is packed, what is searched, and what the fit leaves in the student."""

import pytest
import tiny_pairs
import torch
from datasets import Dataset
from torch.nn.functional import normalize

from optical_hf.models import as_backbone, fit_alignment, iter_token_sets, token_projection
from optical_hf.models.alignment.index_documents import DocumentVectors
from optical_hf.models.alignment.packed_tokens import PackedTokens, spread
from optical_hf.models.alignment.pair_tokens import PairTokenReader
from optical_hf.models.alignment.token_rows import DocumentTokens, PackedPairs, read_document_tokens, token_rows
from optical_hf.models.teachers.teacher import EncoderTeacher
from optical_hf.models.teachers.token_cache import TeacherCache
from optical_hf.training import save_student

SHORT = {"steps": 20, "queries_per_step": 24, "negatives": 24, "learning_rate": 5e-3, "held_out": 0, "progress": False}


def packed(*numbers: float) -> PackedTokens:
    """A text of one token for each number."""
    return PackedTokens.of([torch.full((1, 2), number) for number in numbers])


def pairs() -> PackedPairs:
    """Four pairs of three English texts."""
    found = PackedPairs(8)
    for foreign, english, texts in (((1, 2), (11, 12), (7, 8)), ((3, 4), (11, 13), (7, 9))):
        found.foreign.append(packed(*foreign))
        found.english.append(packed(*english))
        found.targets.append(packed(*(100 + text for text in texts)))
        found.texts.append(torch.tensor(texts))
    return found


def numbers(tokens: PackedTokens) -> list[float]:
    return tokens.tokens_TD[:, 0].tolist()


def test_each_english_text_is_searched_once_and_read_once():
    (foreign, english), documents = token_rows(pairs(), None, 0.5)
    assert numbers(documents) == [107, 108, 109]
    assert numbers(foreign.sources) == [1, 2, 3, 4]
    assert foreign.own_N.tolist() == [0, 1, 0, 2]
    assert numbers(english.sources) == [11, 12, 13]
    assert english.own_N.tolist() == [0, 1, 2]
    assert foreign.share == english.share == 0.5


def test_documents_take_their_share_and_stand_for_their_text():
    vectors = DocumentVectors(torch.eye(2), torch.eye(2), torch.tensor([5, 8]))
    index = DocumentTokens(vectors, packed(21, 22), packed(205, 208))
    (own, foreign, english), documents = token_rows(pairs(), index, 0.5)
    assert numbers(documents) == [205, 208, 107, 109]
    assert (own.own_N.tolist(), foreign.own_N.tolist()) == ([0, 1], [2, 1, 2, 3])
    assert [kind.share for kind in (own, foreign, english)] == [0.5, 0.25, 0.25]
    (alone,), documents = token_rows(PackedPairs(8), index, 0.5)
    assert alone.share == 1.0
    assert numbers(documents) == [205, 208]
    with pytest.raises(ValueError, match="pass at least one pair"):
        token_rows(PackedPairs(8), None, 0.5)


def test_documents_are_read_in_their_order_and_split():
    texts = ["a much longer text than the others", "a ball", "two red dogs"]
    student, teacher = EncoderTeacher(tiny_pairs.backbone()), EncoderTeacher(tiny_pairs.teacher())
    found = read_document_tokens(texts, student, teacher, 5, 2, torch.device("cpu"))
    (tokens,) = iter_token_sets(student.model, texts)
    assert found.sources.length_N.tolist() == tokens.content_BN.sum(1).clamp(max=5).tolist()
    last_ND = spread(tokens.tokens_BND[2][tokens.content_BN[2]], 5)
    assert torch.allclose(found.sources.rows(torch.tensor([2]))[0], last_ND, atol=1e-2)
    kept, unseen = found.split(1)
    assert len(kept.sources) == len(kept.targets) == len(kept.vectors.text_N) == 2
    assert torch.equal(unseen.source_ND, found.vectors.source_ND[2:])


@pytest.mark.parametrize("start", [None, "ridge", "transport"])
def test_a_late_interaction_student_is_fitted_by_maxsim(start):
    student, teacher = tiny_pairs.pair(kind="late_interaction")
    report = fit_alignment(
        student, teacher, tiny_pairs.bitext(), method="contrastive", start=start, regularisation=1e-3, **SHORT
    )
    assert report.loss[-1] < report.loss[0]
    assert bool(report.transport_cost) == (start == "transport")  # relay plans are the default, and have no rounds
    assert (report.pooled_weight is None) == (start == "ridge")


def test_what_is_fitted_is_what_the_saved_student_computes(tmp_path):
    student, teacher = tiny_pairs.pair(kind="late_interaction")
    fit_alignment(student, teacher, tiny_pairs.bitext(), method="contrastive", regularisation=1e-3, **SHORT)
    linear = token_projection(student).linear
    save_student(student, tmp_path / "student")
    text = tiny_pairs.bitext()["target"][0]
    (tokens,) = iter_token_sets(as_backbone(student), [text])
    mapped = normalize(torch.nn.functional.linear(tokens.tokens_BND[0], linear.weight, linear.bias), dim=-1)
    loaded = type(student)(str(tmp_path / "student"), device="cpu")
    assert torch.allclose(torch.as_tensor(loaded.encode_query([text])[0]), mapped[tokens.mask_BN[0]], atol=1e-5)


def test_documents_alone_and_beside_bitext(caplog):
    bitext = tiny_pairs.bitext()
    documents = sorted(set(bitext["source"][:]))
    with_vectors = Dataset.from_dict({"text": documents, "vector": [[1.0] * 32] * len(documents)})
    for rows, given in ((None, with_vectors), (bitext, documents)):
        caplog.clear()
        student, teacher = tiny_pairs.pair(kind="late_interaction")
        report = fit_alignment(
            student, teacher, rows, documents=given, method="contrastive", regularisation=1e-3,
            **SHORT | {"held_out": 4 if rows is None else 0},
        )  # fmt: skip
        assert report.loss[-1] < report.loss[0]
        assert report.documents == len(documents) - (4 if rows is None else 0)
        assert (report.reproduced is None) == (rows is not None)
        assert ("given vectors of documents are not used" in caplog.text) == (rows is None)


def test_relay_plans_fit_a_student_of_one_vector_too():
    student, teacher = tiny_pairs.pair()
    report = fit_alignment(
        student, teacher, tiny_pairs.bitext(), method="transport", plans="relay", regularisation=1e-3, progress=False
    )
    assert report.transport_cost == []
    assert report.pooled_weight == 2
    linear = token_projection(student).linear
    pairs = PairTokenReader(
        EncoderTeacher(as_backbone(student)), EncoderTeacher(teacher), tiny_pairs.bitext(), progress=False
    )
    mapped = torch.cat([normalize(linear(pair.student.vector_BD), dim=1) for pair in pairs])
    targets = torch.cat([normalize(pair.teacher.vector_BD, dim=1) for pair in pairs])
    assert float((mapped * targets).sum(1).mean().detach()) > 0.8


def test_relay_plans_need_the_teacher_and_english(tmp_path):
    student, teacher = tiny_pairs.pair()
    bitext = tiny_pairs.bitext()
    cache = TeacherCache.build(teacher, bitext, tmp_path, progress=False)
    with pytest.raises(ValueError, match="a relay plan needs the teacher itself"):
        fit_alignment(student, cache, bitext, method="transport", plans="relay", progress=False)
    with pytest.raises(ValueError, match="leave also_english=True"):
        fit_alignment(student, teacher, bitext, method="transport", plans="relay", also_english=False, progress=False)
    with pytest.raises(ValueError, match="unknown plans 'over'"):
        fit_alignment(student, teacher, bitext, method="transport", plans="over", progress=False)
    with pytest.raises(ValueError, match="tokens_per_text is 0"):
        fit_alignment(student, teacher, bitext, method="transport", tokens_per_text=0, progress=False)
