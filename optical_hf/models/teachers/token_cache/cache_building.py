"""Fill a token cache: find what is missing, say what it will take, compute it shard by shard.

One process builds at a time, held by a lock that a kill releases; the others wait and then find the work done. Where a
file system does not honour the lock, shards are written twice, which does no harm: each is renamed into place whole. A
kill loses the shard being written and nothing else.

Shapes: T texts, R tokens of all texts together, D width, B texts of a batch, N its tokens after padding.
"""

import errno
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from optical_hf.bars import bars_shown
from optical_hf.files import write_text
from optical_hf.models.prompts import Task
from optical_hf.models.teachers.token_cache.cache_identity import CacheIdentity
from optical_hf.models.teachers.token_cache.cache_shards import (
    Shard,
    is_whole,
    map_shard,
    pack_float16,
    pack_int8,
    remove_unfinished,
    shard_files,
    text_hash,
    write_shard,
)
from optical_hf.models.tokens import Encoder, iter_token_sets, preprocess

logger = logging.getLogger(__name__)

IDENTITY = "cache.json"
LOCK = "cache.lock"
READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)
Texts = Mapping[Task, Sequence[str]]


def fill(
    folder: Path,
    identity: CacheIdentity,
    teacher: Encoder,
    texts: Texts,
    *,
    batch_size: int,
    shard_bytes: int,
    progress: bool,
) -> None:
    """Bring every text into the cache at `folder`, by how it is read; see `TeacherCache.build`."""
    lock = FileLock(folder / LOCK)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        logger.warning("another process is building the token cache at %s: waiting for it", folder)
        lock.acquire()
    except OSError as error:
        if error.errno not in READ_ONLY:
            raise
        missing = [text for part in _missing(folder, identity, texts, mend=False).values() for text in part]
        if missing:
            raise OSError(
                error.errno,
                f"the token cache at {str(folder)!r} cannot be written ({error.strerror}), and {len(missing):,} texts are not in "
                f"it (the first: {missing[0][:80]!r}): build it in a folder that can be written",
            ) from error
        return
    try:
        remove_unfinished(folder)
        text = identity.to_json()
        if not (folder / IDENTITY).exists() or (folder / IDENTITY).read_bytes() != text.encode():
            write_text(folder / IDENTITY, text)
        for task, missing in _missing(folder, identity, texts).items():
            if missing:
                _write(folder, identity, teacher, missing, task, batch_size, shard_bytes, bars_shown(progress))
    finally:
        lock.release()


def _write(
    folder: Path,
    identity: CacheIdentity,
    teacher: Encoder,
    missing: list[str],
    task: Task,
    batch_size: int,
    shard_bytes: int,
    progress: bool,
) -> None:
    batches = (missing[start : start + batch_size] for start in range(0, len(missing), batch_size))
    lengths = [n for batch in batches for n in preprocess(teacher, batch, task)["attention_mask"].sum(dim=1).tolist()]
    need = check_disk(folder, identity, len(missing), sum(lengths))
    message = f"token cache: {len(missing):,} texts, {sum(lengths):,} tokens, {need:,} bytes to write at {folder}"
    logger.info(message)
    if progress:
        tqdm.write(message)
    with tqdm(total=len(missing), desc="Caching tokens", disable=not progress) as bar:
        for part in _parts(missing, lengths, identity, shard_bytes):
            write_shard(folder, compute_shard(teacher, part, identity, batch_size, task), identity.key)
            bar.update(len(part))


def check_disk(folder: Path, identity: CacheIdentity, texts: int, tokens: int) -> int:
    """Compare what the work will write with what is free.

    Returns:
        The bytes needed.

    Raises:
        OSError: (ENOSPC) where they are not free, before anything is computed.
    """
    need, free = identity.bytes_needed(texts, tokens), shutil.disk_usage(folder).free
    if need > free:
        small = replace(identity, dtype="int8").bytes_needed(texts, tokens)
        advice = f', or build with dtype="int8" ({small:,} bytes)' if small < need and small <= free else ""
        raise OSError(
            errno.ENOSPC,
            f"the token cache of {texts:,} texts ({tokens:,} tokens) needs {need:,} bytes, the disk of {str(folder)!r} "
            f"has {free:,} free: nothing was computed. Free some space, choose another folder{advice}",
        )
    return need


def compute_shard(
    teacher: Encoder, texts: Sequence[str], identity: CacheIdentity, batch_size: int, task: Task = "query"
) -> Shard:
    """Run the teacher on the texts of a shard and lay its tokens end to end, padding left out."""
    columns = []
    for batch in iter_token_sets(teacher, texts, batch_size=batch_size, task=task):
        flat_RD = batch.tokens_BND[batch.mask_BN].cpu()
        packed = pack_int8(flat_RD) if identity.dtype == "int8" else (pack_float16(flat_RD), torch.ones(0))
        content_R, vector_BD = batch.content_BN[batch.mask_BN].cpu(), pack_float16(batch.vector_BD.cpu())
        columns.append((batch.mask_BN.sum(dim=1).cpu(), *packed, content_R, vector_BD))
    count_T, *rest = (torch.cat(column) for column in zip(*columns, strict=True))
    hashes = bytearray(b"".join(text_hash(text, task) for text in texts))
    hash_T16 = torch.frombuffer(hashes, dtype=torch.uint8).reshape(-1, 16)
    return Shard(hash_T16, torch.cat([torch.zeros(1, dtype=torch.long), count_T.cumsum(0)]), *rest)


def _missing(folder: Path, identity: CacheIdentity, texts: Texts, mend: bool = True) -> dict[Task, list[str]]:
    """The texts that are not in the cache, each once; damaged shards are named, deleted where `mend`, and count as missing."""
    present: set[bytes] = set()
    for path in shard_files(folder):
        if is_whole(path):
            hashes = map_shard(path, identity.key).hash_T16.numpy().tobytes()
            present.update(hashes[i : i + 16] for i in range(0, len(hashes), 16))
        elif mend:
            logger.warning(
                "the shard %s is damaged (its bytes do not match its checksum): its texts are computed again", path
            )
            path.unlink()
    return {
        task: [text for text in dict.fromkeys(wanted) if text_hash(text, task) not in present]
        for task, wanted in texts.items()
    }


def _parts(texts: list[str], lengths: list[int], identity: CacheIdentity, shard_bytes: int) -> Iterator[list[str]]:
    """Texts of like length together, the longest first: a batch too big for the device fails at once."""
    part: list[str] = []
    used = 0
    for index in sorted(range(len(texts)), key=lengths.__getitem__, reverse=True):
        size = identity.bytes_needed(1, lengths[index])
        if part and used + size > shard_bytes:
            yield part
            part, used = [], 0
        part.append(texts[index])
        used += size
    if part:
        yield part
