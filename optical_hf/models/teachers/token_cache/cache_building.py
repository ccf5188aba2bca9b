"""Fill a token cache: find what is missing, tell what it will take, compute it shard by shard.

One process builds at a time, held by a lock that a kill releases; the others wait and then find the work done. Should a
file system not honour the lock, shards written twice do no harm, since each is renamed into place whole. A kill loses
the shard of the moment and nothing else. Knows nothing about reading for training.

Shapes: T texts, R tokens of all texts together, D width, B texts of a batch, N its tokens after padding.
"""

import errno
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
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
from optical_hf.models.tokens import Encoder, TokenSet, iter_token_sets, preprocess
from optical_hf.ot.masses import normalise_mass, uniform_mass

logger = logging.getLogger(__name__)

IDENTITY = "cache.json"
LOCK = "cache.lock"
READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)


def fill(
    folder: Path,
    identity: CacheIdentity,
    teacher: Encoder,
    texts: Mapping[Task, Sequence[str]],
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
        _check_complete(folder, identity, texts, error)
        return
    try:
        remove_unfinished(folder)
        told = identity.to_json()
        if not (folder / IDENTITY).exists() or (folder / IDENTITY).read_bytes() != told.encode():
            write_text(folder / IDENTITY, told)
        present = _present(folder, identity)
        for task, wanted in texts.items():
            missing = _missing(present, wanted, task)
            if missing:
                _write(folder, identity, teacher, missing, task, batch_size, shard_bytes, bars_shown(progress))
    finally:
        lock.release()


def _check_complete(folder: Path, identity: CacheIdentity, texts: Mapping[Task, Sequence[str]], error: OSError) -> None:
    """Make sure that a cache nobody can write to has every text."""
    present = _present(folder, identity, mend=False)
    missing = [text for task, wanted in texts.items() for text in _missing(present, wanted, task)]
    if missing:
        raise OSError(
            error.errno,
            f"the token cache at {str(folder)!r} cannot be written ({error.strerror}), and {len(missing):,} texts are not in it "
            f"(the first: {missing[0][:80]!r}): build it in a folder that can be written",
        ) from error


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
    lengths = _token_counts(teacher, missing, batch_size, task)
    need = check_disk(folder, identity, len(missing), sum(lengths))
    told = f"token cache: {len(missing):,} texts, {sum(lengths):,} tokens, {need:,} bytes to write at {folder}"
    logger.info(told)
    if progress:
        tqdm.write(told)
    with tqdm(total=len(missing), desc="Caching teacher tokens", disable=not progress) as bar:
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
        small = identity.stored_as("int8").bytes_needed(texts, tokens)
        advice = f', or build with dtype="int8" ({small:,} bytes)' if identity.dtype != "int8" and small <= free else ""
        raise OSError(
            errno.ENOSPC,
            f"the token cache of {texts:,} texts ({tokens:,} tokens) needs {need:,} bytes, the disk of {str(folder)!r} "
            f"has {free:,} free: nothing was computed. Free some space, choose another folder{advice}",
        )
    return need


@torch.no_grad()
def compute_shard(
    teacher: Encoder, texts: Sequence[str], identity: CacheIdentity, batch_size: int, task: Task = "query"
) -> Shard:
    """Run the teacher on the texts of a shard and lay its tokens end to end, padding left out."""
    tokens, scales, contents, masses, vectors, counts = [], [], [], [], [], []
    for batch in iter_token_sets(teacher, texts, batch_size=batch_size, task=task):
        flat_RD = batch.tokens_BND[batch.mask_BN].cpu()
        if identity.dtype == "int8":
            packed_RD, scale_R = pack_int8(flat_RD)
        else:
            packed_RD, scale_R = pack_float16(flat_RD), torch.ones(0)
        tokens.append(packed_RD)
        scales.append(scale_R)
        contents.append(batch.content_BN[batch.mask_BN].cpu())
        masses.append(_mass(batch, identity)[batch.mask_BN].cpu())
        vectors.append(pack_float16(batch.vector_BD.cpu()))
        counts.append(batch.mask_BN.sum(dim=1).cpu())
    offset_T1 = torch.cat([torch.zeros(1, dtype=torch.long), torch.cat(counts).cumsum(0)])
    hashes = torch.frombuffer(bytearray(b"".join(text_hash(text, task) for text in texts)), dtype=torch.uint8).reshape(
        -1, 16
    )
    return Shard(
        hashes,
        offset_T1,
        torch.cat(tokens),
        torch.cat(scales),
        torch.cat(contents),
        torch.cat(masses),
        torch.cat(vectors),
    )


def _mass(batch: TokenSet, identity: CacheIdentity) -> torch.Tensor:
    if identity.mass == "norm":
        return normalise_mass(batch.tokens_BND.float().norm(dim=-1), batch.content_BN)
    return uniform_mass(batch.content_BN)


def _present(folder: Path, identity: CacheIdentity, mend: bool = True) -> set[bytes]:
    """The names of the texts in the cache; damaged shards are named, deleted where `mend`, and count as missing."""
    present: set[bytes] = set()
    for path in shard_files(folder):
        try:
            whole = is_whole(path)
        except OSError:
            whole = False
        hashes = map_shard(path, identity.key).hash_T16.numpy().tobytes() if whole else b""
        if not whole and mend:
            logger.warning(
                "the shard %s is damaged (its bytes do not match its checksum): its texts are computed again", path
            )
            path.unlink()
        present.update(hashes[i : i + 16] for i in range(0, len(hashes), 16))
    return present


def _missing(present: set[bytes], texts: Sequence[str], task: Task) -> list[str]:
    """The texts that are not there, each once."""
    missing: dict[bytes, str] = {}
    for text in texts:
        name = text_hash(text, task)
        if name not in present:
            missing.setdefault(name, text)
    return list(missing.values())


def _token_counts(teacher: Encoder, texts: Sequence[str], batch_size: int, task: Task) -> list[int]:
    counts: list[int] = []
    for start in range(0, len(texts), batch_size):
        features = preprocess(teacher, texts[start : start + batch_size], task)
        counts += features["attention_mask"].sum(dim=1).tolist()
    return counts


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
