"""Token caches in several folders that are read as one."""

from pathlib import Path

import pytest
import torch

from optical_hf.models.teachers.token_cache import TeacherCache
from optical_hf.models.teachers.token_cache.joined_cache import JoinedCache
from optical_hf.models.tiny import tiny_encoder

TEXTS = ["a dog", "two dogs and a red ball.", "a red ball", "dogs"]
MODEL = tiny_encoder(TEXTS, width=16, vocabulary_size=60)


def build(texts: list[str], folder: Path) -> TeacherCache:
    return TeacherCache.build(MODEL, texts, folder, progress=False)


def test_a_batch_from_several_parts_is_that_of_one_cache(tmp_path: Path) -> None:
    joined = JoinedCache([build(TEXTS[:2], tmp_path / "1"), build(TEXTS[1:], tmp_path / "2")])
    whole, batch = build(TEXTS, tmp_path / "whole"), [TEXTS[3], TEXTS[1], TEXTS[0], TEXTS[2], TEXTS[0]]
    for part in (batch, batch[:1], batch[1:3]):
        for mine, other in zip(joined.lookup(part), whole.lookup(part), strict=True):
            torch.testing.assert_close(mine, other)
    assert (joined.width, joined.pooling, joined.kind, joined.fingerprint) == (
        whole.width, whole.pooling, whole.kind, whole.fingerprint,
    )  # fmt: skip


def test_a_text_that_no_part_has_is_named(tmp_path: Path) -> None:
    joined = JoinedCache([build(TEXTS[:1], tmp_path / "1"), build(TEXTS[1:], tmp_path / "2")])
    with pytest.raises(ValueError, match="the first is 'a cat'"):
        joined.lookup([TEXTS[2], "a cat", TEXTS[0]])


def test_parts_of_different_encoders_are_refused(tmp_path: Path) -> None:
    other = TeacherCache.build(tiny_encoder(TEXTS, width=32, vocabulary_size=60), TEXTS, tmp_path / "2", progress=False)
    with pytest.raises(ValueError, match="of one encoder, got"):
        JoinedCache([build(TEXTS, tmp_path / "1"), other])
    with pytest.raises(ValueError, match="got none"):
        JoinedCache([])
