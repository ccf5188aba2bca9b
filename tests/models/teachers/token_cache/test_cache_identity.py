"""The key of a cache: the same for the same teacher, another for any change that moves its tokens."""

import pytest
import torch
from sentence_transformers import SentenceTransformer

from optical_hf.models import as_late_interaction
from optical_hf.models.teachers.token_cache.cache_identity import CacheIdentity
from optical_hf.models.tiny import tiny_encoder


def key(teacher, **kwargs) -> str:
    return CacheIdentity.of(teacher, **kwargs).key


def test_the_key_outlives_saving_and_loading_elsewhere(teacher, tmp_path):
    teacher.save_pretrained(str(tmp_path / "here"))
    loaded = SentenceTransformer(str(tmp_path / "here"))
    loaded.save_pretrained(str(tmp_path / "there"))
    assert key(loaded) == key(SentenceTransformer(str(tmp_path / "there")))


def test_reading_texts_does_not_change_the_key(teacher):
    before = key(teacher)
    teacher.encode(["a man", "two dogs run past the sea and the old woman"])
    assert key(teacher) == before


def test_every_determinant_changes_the_key(teacher, captions):
    keys = {"as it is": key(teacher), "int8": key(teacher, dtype="int8")}
    teacher.max_seq_length = 5
    keys["length"] = key(teacher)
    teacher.max_seq_length = 64
    teacher.prompts = {"query": "query: "}
    keys["prompt"] = key(teacher)
    teacher.prompts = {}
    assert key(teacher) == keys["as it is"]
    keys["kind"] = key(as_late_interaction(teacher))
    keys["tokenizer"] = key(tiny_encoder(captions, width=16, vocabulary_size=119))
    with torch.no_grad():
        next(teacher.parameters()).view(-1)[7] += 1e-3
    keys["one weight"] = key(teacher)
    keys["half"] = key(teacher.half())
    assert len(set(keys.values())) == len(keys), keys


def test_an_unknown_way_to_store_is_refused(teacher):
    with pytest.raises(ValueError, match="expected one of float16, int8"):
        CacheIdentity.of(teacher, dtype="int4")


def test_it_reads_back_what_it_wrote(teacher):
    identity = CacheIdentity.of(teacher)
    assert CacheIdentity.from_json(identity.to_json()) == identity
