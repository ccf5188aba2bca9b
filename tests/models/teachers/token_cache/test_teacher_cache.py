"""The cache as a trainer sees it: the online teacher's tokens, from disk, or a clear refusal."""

import copy
import hashlib
import json
import pickle
from functools import partial

import pytest
import torch
from datasets import Dataset
from safetensors.torch import load_file, save
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.base.modules import Normalize
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
from torch.utils.data import DataLoader

from optical_hf.data.batches.collator import PairCollator
from optical_hf.losses import PairTensors, Transport
from optical_hf.models import (
    as_backbone,
    as_late_interaction,
    build_student,
    fit_alignment,
    iter_token_sets,
    preprocess_queries,
    token_set,
)
from optical_hf.models.teachers.teacher import EncoderTeacher, Teacher
from optical_hf.models.teachers.token_cache import TeacherCache
from optical_hf.models.teachers.token_cache.cache_shards import shard_files
from optical_hf.models.tiny import tiny_encoder

FLOAT16 = {"rtol": 2**-11, "atol": 2e-6}  # half of float16's step, and what padding changes in float32


def online(teacher, texts):
    return next(iter(iter_token_sets(teacher, texts, batch_size=len(texts))))


@pytest.mark.parametrize("view", [lambda t: t, as_late_interaction], ids=["vector", "late_interaction"])
def test_float16_tokens_are_the_online_teachers(teacher, captions, tmp_path, view):
    teacher = view(teacher)
    cache = TeacherCache.build(teacher, captions, tmp_path, shard_bytes=5000, progress=False)
    assert len(list(cache.folder.glob("*.safetensors"))) > 3
    texts = [captions[i] for i in (7, 80, 3, 3, 55)]
    found, expected = cache.lookup(texts), online(teacher, texts)
    assert torch.equal(found.mask_BN, expected.mask_BN)
    assert torch.equal(found.content_BN, expected.content_BN)
    mask = expected.mask_BN
    torch.testing.assert_close(found.tokens_BND[mask], expected.tokens_BND[mask], **FLOAT16)
    torch.testing.assert_close(found.vector_BD, expected.vector_BD, **FLOAT16)
    assert (found.tokens_BND[~mask] == 0).all()


def test_int8_tokens_are_within_half_a_step_of_the_tokens_scale(teacher, captions, tmp_path):
    cache = TeacherCache.build(teacher, captions, tmp_path, dtype="int8", progress=False)
    found, expected = cache.lookup(captions[:9]), online(teacher, captions[:9])
    mask = expected.mask_BN
    error = (found.tokens_BND - expected.tokens_BND)[mask].abs().amax(dim=1)
    assert (error <= expected.tokens_BND[mask].abs().amax(dim=1) / 127 * 0.501).all()
    assert error.max() > 0


def test_int8_takes_about_half_the_room(captions, tmp_path):
    teacher = tiny_encoder(captions, width=128, vocabulary_size=120)
    size = {}
    for dtype in ("float16", "int8"):
        cache = TeacherCache.build(teacher, captions, tmp_path, dtype=dtype, progress=False)
        size[dtype] = sum(path.stat().st_size for path in cache.folder.glob("*.safetensors"))
    assert 0.5 < size["int8"] / size["float16"] < 0.65


def test_a_cache_of_before_is_read_and_added_to(teacher, captions, tmp_path):
    """It has a mass for each token and does not say how its teacher searches."""
    cache = TeacherCache.build(teacher, captions[:9], tmp_path, progress=False)
    expected = cache.lookup(captions[:9])
    (path,) = shard_files(cache.folder)
    old = load_file(path) | {"mass_R": torch.ones(len(load_file(path)["content_R"]))}
    data = save(old, metadata={"key": cache.fingerprint})
    path.unlink()
    (cache.folder / f"{hashlib.sha256(data).hexdigest()}.safetensors").write_bytes(data)
    told = json.loads((cache.folder / "cache.json").read_text())
    told.pop("kind")
    (cache.folder / "cache.json").write_text(json.dumps(told))
    opened = TeacherCache.open(tmp_path)
    assert opened.kind is None
    for one, other in zip(opened.lookup(captions[:9]), expected, strict=True):
        assert torch.equal(one, other)
    again = TeacherCache.build(teacher, captions[:12], tmp_path, progress=False)
    assert (again.folder, again.kind, len(again), len(shard_files(again.folder))) == (cache.folder, "vector", 12, 2)


@pytest.mark.slow
def test_a_students_frozen_backbone_is_cached_whatever_its_projection(teacher, captions, tmp_path):
    student = build_student(tiny_encoder(captions, width=24, vocabulary_size=90, seed=5), teacher)
    rows = Dataset.from_dict({"source": captions, "target": captions[::-1]})
    cache = TeacherCache.build(as_backbone(student), captions, tmp_path, progress=False)
    other = copy.deepcopy(student)
    fit_alignment(student, teacher, rows, method="transport", progress=False)
    assert TeacherCache.build(as_backbone(student), captions, tmp_path, progress=False).folder == cache.folder
    fit_alignment(other, teacher, rows, method="transport", student_tokens=cache, progress=False)
    one, two = (model.encode(captions[:9]) for model in (student, other))
    assert abs(one - two).max() < 0.02


def test_a_table_of_bitext_is_read_by_its_english_side(teacher, captions, tmp_path):
    table = Dataset.from_dict({"source": captions + captions[:10], "target": ["x"] * (len(captions) + 10)})
    cache = TeacherCache.build(teacher, table, tmp_path, progress=False)
    assert len(cache) == len(captions)
    assert captions[3] in cache
    assert "x" not in cache


def test_the_prompt_and_the_length_limit_are_the_teachers(teacher, captions, tmp_path):
    teacher.prompts = {"query": "a man looks at "}
    teacher.max_seq_length = 9
    cache = TeacherCache.build(teacher, captions, tmp_path, progress=False)
    found, expected = cache.lookup(captions[:5]), online(teacher, captions[:5])
    assert found.tokens_BND.shape == expected.tokens_BND.shape == (5, 9, 16)
    torch.testing.assert_close(found.tokens_BND, expected.tokens_BND, **FLOAT16)


def test_a_changed_teacher_does_not_read_the_old_tokens(teacher, captions, tmp_path):
    old = TeacherCache.build(teacher, captions[:20], tmp_path, progress=False)
    with torch.no_grad():
        next(teacher.parameters()).mul_(1.5)
    new = TeacherCache.build(teacher, captions[:20], tmp_path, progress=False)
    assert new.folder != old.folder
    expected = online(teacher, captions[:3])
    torch.testing.assert_close(new.lookup(captions[:3]).vector_BD, expected.vector_BD, **FLOAT16)
    with pytest.raises(ValueError, match="several token caches"):
        TeacherCache.open(tmp_path)
    assert TeacherCache.open(tmp_path, key=old.fingerprint).folder == old.folder


def test_it_opens_without_a_teacher_and_says_what_the_teacher_was(teacher, captions, tmp_path):
    built = TeacherCache.build(teacher, captions, tmp_path, progress=False)
    opened = TeacherCache.open(tmp_path)
    assert (opened.identity.width, opened.identity.pooling, len(opened)) == (16, "mean", len(captions))
    for one, other in zip(opened.lookup(captions[:4]), built.lookup(captions[:4]), strict=True):
        assert torch.equal(one, other)
    batches = list(opened.iter_token_sets(captions[:10], batch_size=4))
    assert [len(b.vector_BD) for b in batches] == [4, 4, 2]


def test_what_cannot_be_answered_is_refused(teacher, captions, tmp_path):
    with pytest.raises(ValueError, match="has no token cache"):
        TeacherCache.open(tmp_path)
    with pytest.raises(ValueError, match="no texts"):
        TeacherCache.build(teacher, [], tmp_path, progress=False)
    with pytest.raises(ValueError, match="one string"):
        TeacherCache.build(teacher, "a man", tmp_path, progress=False)
    cache = TeacherCache.build(teacher, captions[:5], tmp_path, progress=False)
    with pytest.raises(ValueError, match=r"1 of 2 texts are not in the token cache .*'never seen'"):
        cache.lookup([captions[0], "never seen"])
    with pytest.raises(ValueError, match="has no cache 'beef'"):
        TeacherCache.open(tmp_path, key="beef")


def test_loader_processes_read_it(teacher, captions, tmp_path):
    cache = pickle.loads(pickle.dumps(TeacherCache.build(teacher, captions, tmp_path, progress=False)))
    rows = [{"source": text, "target": text} for text in captions[:12]]
    collator = PairCollator(partial(preprocess_queries, teacher), cache.features)
    batches = list(DataLoader(rows, batch_size=6, collate_fn=collator, num_workers=1))
    expected = online(teacher, captions[6:12])
    found = cache.token_set(batches[1]["teacher"])
    torch.testing.assert_close(found.tokens_BND[found.mask_BN], expected.tokens_BND[expected.mask_BN], **FLOAT16)
    with pytest.raises(ValueError, match=r"collate with teacher=teacher\.features"):
        cache.token_set(preprocess_queries(teacher, captions[:2]))


@pytest.mark.slow
def test_training_from_the_cache_retraces_the_online_loss_curve(teacher, captions, tmp_path):
    cache = TeacherCache.build(teacher, captions, tmp_path, progress=False)

    def curve(taught: Teacher) -> list[float]:
        torch.manual_seed(0)
        student = build_student(tiny_encoder(captions, width=24, vocabulary_size=90, seed=5), teacher)
        optimizer = torch.optim.SGD(student.parameters(), lr=0.05, momentum=0.9)
        losses = []
        for step in range(12):
            texts = captions[step * 8 : step * 8 + 8]
            inputs = preprocess_queries(student, texts)
            own = token_set(student, inputs, student(dict(inputs)))
            their = taught.token_set(taught.features(texts))
            pairs = PairTensors(
                *(own.tokens_BND, own.mask_BN, own.content_BN),
                *(their.tokens_BND, their.mask_BN, their.content_BN),
                *(own.vector_BD, their.vector_BD),
            )
            loss = Transport()(pairs).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
        return losses

    from_cache, from_teacher = curve(cache), curve(EncoderTeacher(teacher))
    assert from_teacher[-1] < from_teacher[0] - 0.02
    assert from_cache == pytest.approx(from_teacher, rel=2e-3)
    assert from_cache != from_teacher


def test_a_late_interaction_teacher_is_read_as_its_queries_are(teacher, captions, tmp_path):
    """Words that a ColBERT skips are skipped in documents alone."""
    pieces = teacher.tokenizer.tokenize(captions[0])
    modules = [teacher[0], MultiVectorMask(skiplist_words=pieces), Normalize(module_input_name="token_embeddings")]
    colbert = MultiVectorEncoder(modules=modules, device="cpu")
    cache = TeacherCache.build(colbert, captions[:5], tmp_path, progress=False)
    (expected,) = colbert.encode_query(captions[:1])
    found = cache.lookup(captions[:1])
    assert found.tokens_BND.shape[1] == len(expected) == len(pieces) + 2
    torch.testing.assert_close(found.tokens_BND[0], torch.as_tensor(expected), **FLOAT16)
    own = EncoderTeacher(colbert)
    computed = own.token_set(own.features(captions[:1]))
    torch.testing.assert_close(computed.tokens_BND[0], torch.as_tensor(expected))
