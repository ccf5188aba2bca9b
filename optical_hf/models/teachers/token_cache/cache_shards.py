"""One shard of a token cache: a safetensors file named by the checksum of its bytes.

A shard is written beside its place, flushed, and renamed: whatever has a shard's name is whole, or was damaged later,
which its name tells. Reading maps the file into memory.

Shapes: T texts, R tokens of all texts together, D width.
"""

import errno
import hashlib
import math
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from optical_hf.files import write_whole
from optical_hf.models.prompts import Task

SUFFIX = ".safetensors"
UNFINISHED = ".*.partial"
FLOAT16_MAX = 65504.0
FULL = {
    errno.ENOSPC: ("the disk of {} is full", "Free some space"),
    errno.EDQUOT: ("the disk quota of {} is used up", "Free some space"),
    errno.EFBIG: ("no file may grow that large in {}", "Raise the limit (ulimit -f), or make shard_bytes smaller"),
}
"""What a shard that does not fit says, and what to do."""
NOT_NUMBERS = (
    "the teacher's tokens contain NaN or infinity: nothing could be learnt from them; check its weights and its dtype"
)


class DamagedShardError(ValueError):
    """A shard whose bytes are not those that were written."""


class Shard(NamedTuple):
    """The texts of one shard, laid end to end.

    Attributes:
        hash_T16: the first 16 bytes of the SHA-256 of each text.
        offset_T1: where each text's tokens begin, and where the last one's end.
        tokens_RD: float16, or int8 to be multiplied by `scale_R`.
        scale_R: one number a token; empty where tokens are float16.
        content_R: True where a token carries content.
        vector_TD: the one vector of each text, float16.
    """

    hash_T16: Tensor
    offset_T1: Tensor
    tokens_RD: Tensor
    scale_R: Tensor
    content_R: Tensor
    vector_TD: Tensor


def text_hash(text: str, task: Task = "query") -> bytes:
    """The name of a text in a cache: the first 16 bytes of its SHA-256, and another one where it was read as a document."""
    marker = b"" if task == "query" else f"\0{task}\0".encode()
    return hashlib.sha256(marker + text.encode("utf-8", "surrogatepass")).digest()[:16]


def pack_float16(tokens_RD: Tensor) -> Tensor:
    """Store as float16.

    Raises:
        ValueError: where a number does not fit, which would come back as infinity.
    """
    largest = float(tokens_RD.abs().max()) if tokens_RD.numel() else 0.0
    if math.isnan(largest):
        raise ValueError(NOT_NUMBERS)
    if largest > FLOAT16_MAX:
        raise ValueError(
            f"the teacher's tokens reach {largest:g}, float16 ends at {FLOAT16_MAX:g}: they would be cached as "
            'infinity. Build the cache with dtype="int8", which keeps a float32 scale for each token'
        )
    return tokens_RD.half()


def pack_int8(tokens_RD: Tensor) -> tuple[Tensor, Tensor]:
    """Store as int8 with a scale for each token: `x = scale q`, `scale = max|x| / 127`, so the error is `scale / 2`."""
    tokens_RD = tokens_RD.float()
    scale_R = tokens_RD.abs().amax(dim=1) / 127
    if not bool(torch.isfinite(scale_R).all()):
        raise ValueError(NOT_NUMBERS)
    scale_R = torch.where(scale_R > 0, scale_R, 1.0)
    return (tokens_RD / scale_R.unsqueeze(1)).round().to(torch.int8), scale_R


def write_shard(folder: Path, shard: Shard, key: str) -> Path:
    """Write a shard, whole or not at all; returns its path.

    Raises:
        OSError: where the disk is full, saying what was kept; and for any other failure to write.
    """
    data = save({name: tensor.contiguous() for name, tensor in shard._asdict().items()}, metadata={"key": key})
    place = folder / f"{hashlib.sha256(data).hexdigest()}{SUFFIX}"
    try:
        write_whole(place, lambda beside: beside.write_bytes(data))
    except OSError as error:
        if error.errno not in FULL:
            raise
        what, fix = FULL[error.errno]
        raise OSError(
            error.errno,
            f"{what.format(repr(str(folder)))}: a shard of {len(data):,} bytes does not fit; the shards before it are kept. "
            f"{fix} and build again, it goes on from there",
        ) from error
    return place


def shard_files(folder: Path) -> list[Path]:
    """The shards of a cache, in the order of their names."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def remove_unfinished(folder: Path) -> None:
    """Delete what a killed process left behind; only while holding the cache's lock."""
    for path in folder.glob(UNFINISHED):
        path.unlink(missing_ok=True)


def is_whole(path: Path) -> bool:
    """Whether a shard is there and its bytes still are those its name was made from."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == path.name.removesuffix(SUFFIX)
    except OSError:
        return False


def map_shard(path: Path, key: str) -> Shard:
    """Map a shard into memory; its checksum is not looked at.

    Args:
        path: the shard.
        key: of the cache it is in.

    Raises:
        DamagedShardError: where it cannot be read as a shard at all, or is one of another cache.
    """
    try:
        with safe_open(path, "pt") as file:
            own = (file.metadata() or {}).get("key")
        tensors = load_file(path)
        tensors.pop("mass_R", None)  # older shards held the mass of each token
        shard = Shard(**tensors)
    except (SafetensorError, TypeError, OSError, ValueError) as error:
        raise damaged(path) from error
    if own != key:
        raise DamagedShardError(
            f"the shard {str(path)!r} was written for the token cache {own!r} and lies in {key!r}: its tokens are those of another "
            "teacher, prompt or length; move it out of the folder"
        )
    return shard


def damaged(path: Path) -> DamagedShardError:
    """The error that names a damaged shard."""
    return DamagedShardError(
        f"the shard {str(path)!r} of the token cache is damaged: its bytes do not match its checksum, and a student "
        "would learn from them. Build the cache again with the teacher (TeacherCache.build): its texts are computed"
    )
