"""Where a cache lies: a folder nobody can write, a limit on file sizes, a shard of another cache, a cut cache.json."""

import errno
import resource
import shutil
import signal
import subprocess

import pytest

from optical_hf.models.teachers.token_cache import DamagedShardError, TeacherCache
from optical_hf.models.teachers.token_cache import cache_building as module

SMALL = {"shard_bytes": 4000, "progress": False}


@pytest.fixture
def disk(tmp_path):
    """A file system that can be made read-only."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_complete_cache_opens_on_a_disk_nobody_can_write(teacher, captions, disk):
    TeacherCache.build(teacher, captions, disk, **SMALL)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    assert len(TeacherCache.build(teacher, captions[:20], disk, **SMALL)) == len(captions)
    with pytest.raises(
        OSError, match=r"cannot be written .*, and 1 texts are not in it \(the first: 'a new text'\)"
    ) as caught:
        TeacherCache.build(teacher, [*captions, "a new text"], disk, **SMALL)
    assert caught.value.errno == errno.EROFS


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_complete_cache_opens_in_a_folder_nobody_can_write(teacher, captions, tmp_path, monkeypatch, number):
    TeacherCache.build(teacher, captions, tmp_path, **SMALL)

    class Refused:
        def __init__(self, path):
            pass

        def acquire(self, timeout=-1):
            raise OSError(number, "no")

    monkeypatch.setattr(module, "FileLock", Refused)
    assert len(TeacherCache.build(teacher, captions, tmp_path, **SMALL)) == len(captions)
    with pytest.raises(OSError, match="cannot be written") as caught:
        TeacherCache.build(teacher, ["a new text"], tmp_path, **SMALL)
    assert caught.value.errno == number
    shard = next(tmp_path.glob("*/*.safetensors"))
    shard.write_bytes(b"damaged")
    with pytest.raises(OSError, match="cannot be written"):
        TeacherCache.build(teacher, captions, tmp_path, **SMALL)
    assert shard.exists()


def test_a_complete_cache_is_not_written_again(teacher, captions, tmp_path):
    cache = TeacherCache.build(teacher, captions, tmp_path, **SMALL)
    before = {path.name: path.stat().st_mtime_ns for path in cache.folder.iterdir() if path.name != module.LOCK}
    TeacherCache.build(teacher, captions, tmp_path, **SMALL)
    assert before == {p.name: p.stat().st_mtime_ns for p in cache.folder.iterdir() if p.name != module.LOCK}


def test_a_limit_on_the_size_of_files_is_told_with_its_remedy(teacher, captions, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, hard))
    try:
        with pytest.raises(
            OSError, match=r"no file may grow that large .* the shards before it are kept. Raise .*ulimit"
        ) as caught:
            TeacherCache.build(teacher, captions, tmp_path, **SMALL)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert caught.value.errno == errno.EFBIG
    assert len(TeacherCache.build(teacher, captions, tmp_path, **SMALL)) == len(captions)


def test_a_shard_of_another_cache_is_named(teacher, captions, tmp_path):
    other = TeacherCache.build(teacher, captions[:10], tmp_path / "other", **SMALL)
    teacher.max_seq_length = 5
    cache = TeacherCache.build(teacher, captions[:10], tmp_path / "own", **SMALL)
    foreign = next(other.folder.glob("*.safetensors"))
    shutil.copy(foreign, cache.folder)
    told = f"{foreign.name}' was written for the token cache '{other.identity.key}' and lies in '{cache.identity.key}'"
    with pytest.raises(DamagedShardError, match=told):
        TeacherCache.open(tmp_path / "own")
    with pytest.raises(DamagedShardError, match=told):
        TeacherCache.build(teacher, captions[:10], tmp_path / "own", **SMALL)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"weights": "x"}', bytes(300), b"\xff\xfe"])
def test_a_cut_cache_json_is_named_and_written_anew(teacher, captions, tmp_path, content):
    cache = TeacherCache.build(teacher, captions, tmp_path, **SMALL)
    (cache.folder / module.IDENTITY).write_bytes(content)
    with pytest.raises(
        ValueError, match=r"cache.json' does not say whose tokens the cache holds .* build with the teacher"
    ):
        TeacherCache.open(tmp_path)
    TeacherCache.build(teacher, captions, tmp_path, **SMALL)
    assert len(TeacherCache.open(tmp_path)) == len(captions)
