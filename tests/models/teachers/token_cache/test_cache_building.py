"""Faults while a cache is built, each of them caused: kills, damage, two builders, a full disk."""

import contextlib
import errno
import logging
import multiprocessing
import os
import signal
import subprocess
from pathlib import Path

import pytest
import torch

from optical_hf.models.teachers.token_cache import DamagedShardError, TeacherCache
from optical_hf.models.teachers.token_cache import cache_building as building
from optical_hf.models.teachers.token_cache import cache_shards as shards
from optical_hf.models.teachers.token_cache.cache_shards import shard_files

fork = multiprocessing.get_context("fork")
SMALL = {"shard_bytes": 4000, "progress": False}


def counting(monkeypatch) -> list[int]:
    """Note how many texts each shard computed has."""
    computed: list[int] = []
    compute = building.compute_shard

    def count(teacher, texts, *rest):
        computed.append(len(texts))
        return compute(teacher, texts, *rest)

    monkeypatch.setattr(building, "compute_shard", count)
    return computed


def build_and_die(teacher, texts, folder, fault: str, shard: int) -> None:
    """Build in this process, and be killed at a moment of the given shard."""
    seen = 0
    rename, sync, compute = Path.replace, os.fsync, building.compute_shard

    def at(moment: str):
        nonlocal seen
        if moment == fault:
            seen += 1
            if seen == shard:
                os.kill(os.getpid(), signal.SIGKILL)

    def dying_rename(self, target):
        if self.name.endswith(f".safetensors.{os.getpid()}.partial"):
            at("before the rename")
        result = rename(self, target)
        if self.name.endswith(f".safetensors.{os.getpid()}.partial"):
            at("after the rename")
        return result

    def dying_sync(descriptor):
        at("before the flush")
        return sync(descriptor)

    def dying_compute(*args):
        at("while computing")
        return compute(*args)

    Path.replace, os.fsync, building.compute_shard = dying_rename, dying_sync, dying_compute
    TeacherCache.build(teacher, texts, folder, **SMALL)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["while computing", "before the flush", "before the rename", "after the rename"])
def test_a_killed_build_goes_on_where_it_was(teacher, captions, tmp_path, monkeypatch, fault):
    child = fork.Process(target=build_and_die, args=(teacher, captions, tmp_path, fault, 3))
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    (folder,) = tmp_path.iterdir()
    done = len(shard_files(folder))
    assert 0 < done < 5

    computed = counting(monkeypatch)
    cache = TeacherCache.build(teacher, captions, tmp_path, **SMALL)
    assert len(cache) == len(captions)
    assert 0 < sum(computed) < len(captions)
    assert len(shard_files(folder)) == done + len(computed)
    assert not list(folder.glob(shards.UNFINISHED))
    fresh = TeacherCache.build(teacher, captions, tmp_path / "fresh", **SMALL)
    for one, other in zip(cache.lookup(captions[::7]), fresh.lookup(captions[::7]), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


def test_a_complete_cache_computes_nothing_and_new_texts_are_added(teacher, captions, tmp_path, monkeypatch):
    TeacherCache.build(teacher, captions[:60], tmp_path, **SMALL)
    computed = counting(monkeypatch)
    TeacherCache.build(teacher, captions[:60], tmp_path, **SMALL)
    assert computed == []
    assert len(TeacherCache.build(teacher, captions[40:], tmp_path, **SMALL)) == len(captions)
    assert sum(computed) == len(captions) - 60


@pytest.mark.parametrize("damage", ["flipped", "cut", "emptied"])
def test_a_damaged_shard_is_named_and_computed_again(teacher, captions, tmp_path, monkeypatch, caplog, damage):
    cache = TeacherCache.build(teacher, captions, tmp_path, **SMALL)
    expected = cache.lookup(captions)
    path = shard_files(cache.folder)[1]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes({"flipped": data, "cut": data[:-7], "emptied": b""}[damage])

    with pytest.raises(DamagedShardError, match=path.name):
        TeacherCache.open(tmp_path).lookup(captions)
    computed = counting(monkeypatch)
    with caplog.at_level(logging.WARNING):
        repaired = TeacherCache.build(teacher, captions, tmp_path, **SMALL)
    assert path.name in caplog.text
    assert len(computed) == 1
    torch.testing.assert_close(repaired.lookup(captions).tokens_BND, expected.tokens_BND, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_two_processes_build_one_cache(teacher, captions, tmp_path):
    def build() -> None:
        TeacherCache.build(teacher, captions, tmp_path, batch_size=2, **SMALL)

    children = [fork.Process(target=build) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0, 0]
    cache = TeacherCache.open(tmp_path)
    held = sum(len(shards.map_shard(path, cache.identity.key).hash_T16) for path in shard_files(cache.folder))
    assert held == len(cache) == len(captions)
    assert cache.lookup(captions).tokens_BND.isfinite().all()


def test_a_file_system_without_locks_does_no_harm(teacher, captions, tmp_path):
    """Both compute everything: texts are held twice, and read once."""
    cache = TeacherCache.build(teacher, captions, tmp_path / "a", **SMALL)
    other = TeacherCache.build(teacher, captions, tmp_path / "b", shard_bytes=9000, progress=False)
    for path in shard_files(other.folder):
        path.rename(cache.folder / path.name)
    assert len(TeacherCache.open(tmp_path / "a")) == len(captions)
    torch.testing.assert_close(
        TeacherCache.open(tmp_path / "a").lookup(captions).tokens_BND,
        cache.lookup(captions).tokens_BND,
        rtol=1e-3,
        atol=1e-5,
    )


def test_the_need_is_told_before_the_work(teacher, captions, tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        cache = TeacherCache.build(teacher, captions, tmp_path, progress=False)
    told = next(r.getMessage() for r in caplog.records if "bytes to write" in r.getMessage())
    need = int(told.split(" bytes to write")[0].split()[-1].replace(",", ""))
    written = sum(path.stat().st_size for path in shard_files(cache.folder))
    assert need <= written <= need + 2000 * len(shard_files(cache.folder))


def fill_up(place: Path) -> None:
    with place.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 1024)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_disk_too_small_is_told_before_anything_is_computed(teacher, captions, small_disk, monkeypatch):
    computed = counting(monkeypatch)
    (small_disk / "other").write_bytes(b"x" * 230_000)
    with pytest.raises(OSError, match=r"needs .* bytes, the disk of .* free: nothing was computed") as caught:
        TeacherCache.build(teacher, captions, small_disk, **SMALL)
    assert caught.value.errno == errno.ENOSPC
    assert computed == []


def test_a_disk_that_fills_on_the_way_keeps_what_was_done(teacher, captions, small_disk, monkeypatch):
    compute, filler = building.compute_shard, small_disk / "other"

    def fill_the_disk(*args):
        if len(list(small_disk.glob("*/*.safetensors"))) == 2:
            fill_up(filler)
        return compute(*args)

    monkeypatch.setattr(building, "compute_shard", fill_the_disk)
    texts = captions[:40]
    with pytest.raises(OSError, match=r"is full: a shard of .* does not fit; the shards before it are kept") as caught:
        TeacherCache.build(teacher, texts, small_disk, **SMALL)
    assert caught.value.errno == errno.ENOSPC
    assert len(list(small_disk.glob("*/*.safetensors"))) == 2
    assert not list(small_disk.glob(f"*/{shards.UNFINISHED}"))
    filler.unlink()
    monkeypatch.setattr(building, "compute_shard", compute)
    computed = counting(monkeypatch)
    assert len(TeacherCache.build(teacher, texts, small_disk, **SMALL)) == len(texts)
    assert sum(computed) < len(texts)
