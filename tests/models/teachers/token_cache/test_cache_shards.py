"""Shards: numbers packed and back, whole files or none."""

import errno
from pathlib import Path

import pytest
import torch

from optical_hf.models.teachers.token_cache.cache_shards import (
    DamagedShardError,
    Shard,
    is_whole,
    map_shard,
    pack_float16,
    pack_int8,
    shard_files,
    text_hash,
    write_shard,
)


@pytest.fixture
def shard() -> Shard:
    generator = torch.Generator().manual_seed(0)
    return Shard(
        torch.randint(0, 256, (2, 16), generator=generator, dtype=torch.uint8),
        torch.tensor([0, 3, 5]),
        torch.randn(5, 4, generator=generator).half(),
        torch.ones(0),
        torch.tensor([False, True, False, True, True]),
        torch.randn(2, 4, generator=generator).half(),
    )


def test_int8_errs_by_half_a_step_at_most():
    tokens = torch.randn(50, 32) * torch.logspace(-3, 6, 50).unsqueeze(1)
    tokens[3] = 0
    packed, scale = pack_int8(tokens)
    error = (packed.float() * scale.unsqueeze(1) - tokens).abs().amax(dim=1)
    assert packed.dtype == torch.int8
    assert (error <= scale * 0.5001).all()
    assert (packed[3] == 0).all()


def test_what_float16_cannot_hold_is_refused():
    with pytest.raises(ValueError, match=r"cached as infinity.*int8"):
        pack_float16(torch.tensor([[1e5]]))
    with pytest.raises(ValueError, match="NaN or infinity"):
        pack_float16(torch.tensor([[float("nan")]]))
    with pytest.raises(ValueError, match="NaN or infinity"):
        pack_int8(torch.tensor([[float("inf")]]))


def test_a_shard_comes_back_from_a_mapped_file(shard, tmp_path):
    path = write_shard(tmp_path, shard, "key")
    mapped = map_shard(path, "key")
    assert is_whole(path)
    for name, tensor in mapped._asdict().items():
        assert torch.equal(tensor, getattr(shard, name)), name
    assert path.name in Path("/proc/self/maps").read_text()


@pytest.mark.parametrize("where", [3, 400, -1])
def test_a_changed_byte_is_noticed(shard, tmp_path, where):
    path = write_shard(tmp_path, shard, "key")
    data = bytearray(path.read_bytes())
    data[where] ^= 1
    path.write_bytes(data)
    assert not is_whole(path)


def test_a_cut_shard_is_named(shard, tmp_path):
    path = write_shard(tmp_path, shard, "key")
    path.write_bytes(path.read_bytes()[:100])
    assert not is_whole(path)
    with pytest.raises(DamagedShardError, match=path.name):
        map_shard(path, "key")


def test_a_failed_write_leaves_nothing(shard, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match=r"is full: a shard of .* does not fit"):
        write_shard(tmp_path, shard, "key")
    assert list(tmp_path.iterdir()) == []
    assert shard_files(tmp_path) == []


def test_texts_of_any_kind_have_their_own_names():
    assert len({text_hash(t) for t in ["", " ", "a", "A", "ä", "a\u0308", "\ud800"]}) == 7
