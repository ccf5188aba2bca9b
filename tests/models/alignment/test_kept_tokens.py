"""Tokens kept under `cache`: a killed fit goes on from them, and the next one reads no text again."""

import pytest
import tiny_pairs
import torch

from optical_hf.models import as_backbone, fit_alignment, token_projection
from optical_hf.models.alignment.kept_tokens import kept_tokens
from optical_hf.models.prompts import set_prompts
from optical_hf.models.teachers.teacher import EncoderTeacher
from optical_hf.models.teachers.token_cache import TeacherCache, cache_building

QUICK = {"steps": 4, "queries_per_step": 24, "negatives": 24, "held_out": 0, "progress": False}
TEXTS = ["a red dog", "two small cats", "a green house", "a blue ball and a ball"]


@pytest.mark.slow
@pytest.mark.parametrize("given", [{"documents": TEXTS}, {"method": "transport", "rounds": 1}])
def test_a_killed_fit_goes_on_from_its_tokens(tmp_path, monkeypatch, given):
    monkeypatch.setattr("optical_hf.models.alignment.kept_tokens.SHARD_BYTES", 4096)
    read, whole = [], cache_building.compute_shard

    def counted(teacher, texts, *rest):
        read.append(len(texts))
        if sum(read) > 150 and fail:
            raise KeyboardInterrupt
        return whole(teacher, texts, *rest)

    monkeypatch.setattr(cache_building, "compute_shard", counted)
    fail, (student, teacher) = True, tiny_pairs.pair(kind="late_interaction")
    options = QUICK | given | {"cache": tmp_path / "one"}
    untouched = token_projection(student).linear.weight.clone()
    with pytest.raises(KeyboardInterrupt):
        fit_alignment(student, teacher, tiny_pairs.bitext(), **options)
    assert torch.equal(token_projection(student).linear.weight, untouched)
    before, fail = sum(read[:-1]), False
    assert before > 0
    read.clear()
    fit_alignment(student, teacher, tiny_pairs.bitext(), **options)
    rest = sum(read)
    read.clear()
    again, _ = tiny_pairs.pair(kind="late_interaction")
    fit_alignment(again, teacher, tiny_pairs.bitext(), **options)
    assert not read
    fresh, _ = tiny_pairs.pair(kind="late_interaction")
    fit_alignment(fresh, teacher, tiny_pairs.bitext(), **options | {"cache": tmp_path / "other"})
    assert sum(read) == before + rest
    for other in (again, fresh):
        assert torch.equal(token_projection(student).linear.weight, token_projection(other).linear.weight)


@pytest.mark.slow
def test_what_is_kept_is_what_would_be_read(tmp_path):
    maps = []
    for cache in (None, tmp_path):
        student, teacher = tiny_pairs.pair(kind="late_interaction")
        set_prompts(teacher, query="a red ", document="two small ")
        options = QUICK | {"start": "transport", "cache": cache}
        fit_alignment(student, teacher, tiny_pairs.bitext(), documents=TEXTS, **options)
        maps.append(token_projection(student).linear.weight)
    assert torch.allclose(*maps, atol=2e-2)


def test_documents_alone_are_kept_as_they_are_read(tmp_path):
    student, teacher = tiny_pairs.pair()
    set_prompts(teacher, query="a red ", document="two small ")
    readers = (EncoderTeacher(as_backbone(student)), EncoderTeacher(teacher))
    own, english = kept_tokens(readers, tmp_path, [], TEXTS, True, batch_size=2, progress=False)
    assert len(own) == len(english) == len(TEXTS)
    (read,) = readers[1].iter_token_sets(TEXTS, task="document")
    assert torch.allclose(english.lookup(TEXTS, "document").vector_BD, read.vector_BD, atol=2e-3)
    with pytest.raises(ValueError, match="not in the token cache"):
        english.lookup(TEXTS)
    assert isinstance(english, TeacherCache)
    assert kept_tokens((own, english), tmp_path, [], TEXTS, True, batch_size=2, progress=False) == (own, english)
