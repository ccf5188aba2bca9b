"""`TeacherCache`: the teacher's tokens by text, from disk, with no teacher in memory.

Shards are mapped, not read: every rank and every loader process shares one copy in the page cache. Each shard's
checksum is read before its first token is used. Knows nothing about training: a trainer's collator takes `features`,
its loss takes `teacher_tokens`.

Shapes: B texts, N tokens after padding, D width.
"""

from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from optical_hf.files import expand_path
from optical_hf.models.prompts import Task
from optical_hf.models.teachers.token_cache.cache_building import IDENTITY, fill
from optical_hf.models.teachers.token_cache.cache_identity import CacheIdentity, Mass, StoredDtype
from optical_hf.models.teachers.token_cache.cache_shards import (
    Shard,
    damaged,
    is_whole,
    map_shard,
    shard_files,
    text_hash,
)
from optical_hf.models.texts import Texts, texts_of
from optical_hf.models.tokens import Encoder, TokenSet, token_set

FEATURES = ("cached_tokens", "cached_mask", "cached_content", "cached_vector")


class CachedTokens(NamedTuple):
    """What a cache holds of a batch of texts: the token set, and each token's mass (B, N), 0 where there is none."""

    tokens: TokenSet
    mass_BN: Tensor


class TeacherCache:
    """The tokens of a frozen teacher on disk, looked up by text.

    Made by `build` (with the teacher) or `open` (without). It can be pickled, so that loader processes and ranks read
    it, and it takes the teacher's place wherever token sets are asked for: `features` in a collator, `iter_token_sets`
    in a closed form.

    Attributes:
        folder: where the shards lie.
        identity: what they depend on: `width`, `pooling`, `dtype`, `mass`, ...

    Example:
        >>> teacher = load_teacher("sentence-transformers/all-MiniLM-L6-v2")     # doctest: +SKIP
        >>> cache = TeacherCache.build(teacher, bitext, "cache")                 # doctest: +SKIP
        >>> cache.lookup(["a red ball"]).tokens.tokens_BND.shape                 # doctest: +SKIP
        torch.Size([1, 5, 384])
    """

    def __init__(self, folder: Path, identity: CacheIdentity) -> None:
        self.folder, self.identity = folder, identity
        self._read_index()

    @classmethod
    def build(
        cls,
        teacher: Encoder,
        texts: Texts,
        folder: str | PathLike[str],
        *,
        documents: Texts | None = None,
        dtype: StoredDtype = "float16",
        mass: Mass = "uniform",
        batch_size: int = 64,
        shard_bytes: int = 64 * 2**20,
        progress: bool = True,
    ) -> "TeacherCache":
        """Compute what is missing, and open the cache.

        A cache that has every text already is opened after its checksums were read. A build that was killed goes on
        with the shard it was killed in. Of several processes one builds and the others wait.

        Args:
            teacher: the teacher; texts are read as its queries are, prompt and length limit included.
            texts: texts, or a table of bitext, of which `source` is taken, and `document` as `documents` where it has one. A text
                that comes twice is kept once.
            folder: where caches lie, one subfolder a teacher (and prompt, length, dtype); others are left alone.
            documents: texts that the teacher reads as documents, for training with a column `document`.
            dtype: "float16", or "int8" with a float32 scale for each token, in half the space.
            mass: "uniform" over the content tokens, or "norm", in proportion to the length of the token vectors.
            batch_size: texts the teacher reads together.
            shard_bytes: size of a shard, about; a kill loses at most one.
            progress: show a progress bar, and the disk need before it.

        Returns:
            The cache.

        Raises:
            ValueError: an unknown dtype or mass; no texts; tokens that float16 cannot hold.
            OSError: where the disk has not the room (before anything is computed) or fills up on the way, or the folder cannot be
                written and does not hold every text.
        """
        identity = CacheIdentity.of(teacher, dtype, mass)
        if documents is None and isinstance(texts, Dataset) and "document" in texts.column_names:
            documents = texts
        wanted: dict[Task, list[str]] = {"query": texts_of(texts, "source")}
        if documents is not None:
            read_as: Task = "document" if identity.document else "query"
            wanted[read_as] = [*wanted.get(read_as, []), *texts_of(documents, "document")]
        place = expand_path(folder) / identity.key
        fill(place, identity, teacher, wanted, batch_size=batch_size, shard_bytes=shard_bytes, progress=progress)
        return cls(place, identity)

    @classmethod
    def open(cls, folder: str | PathLike[str], key: str | None = None) -> "TeacherCache":
        """Open a cache without its teacher.

        Args:
            folder: what was given to `build`.
            key: which of its caches (the name of the subfolder); needed where there are several.

        Raises:
            ValueError: where there is none, or several and no key, or its `cache.json` cannot be read.
            DamagedShardError: for a shard that cannot be read, or is one of another cache.
        """
        found = {path.parent.name: path for path in sorted(expand_path(folder).glob(f"*/{IDENTITY}"))}
        if key is None and len(found) == 1:
            key = next(iter(found))
        if key is None or key not in found:
            names = ", ".join(found) or "none"
            problem = (
                "has no token cache"
                if not found
                else "has several token caches"
                if key is None
                else f"has no cache {key!r}"
            )
            raise ValueError(
                f"{str(folder)!r} {problem} (found: {names}): build one with TeacherCache.build(teacher, texts, "
                "folder), or pass its key"
            )
        try:
            identity = CacheIdentity.from_json(found[key].read_text(encoding="utf-8"))
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"{str(found[key])!r} does not say whose tokens the cache holds ({error}): it is cut or of another version; build "
                "with the teacher (TeacherCache.build), which writes it anew and computes only what is missing"
            ) from error
        return cls(found[key].parent, identity)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, text: str) -> bool:
        return self._find([text])[0] >= 0

    def lookup(self, texts: Sequence[str], task: Task = "query") -> CachedTokens:
        """The tokens of a batch of texts, read as queries or as documents; padded, float32, on the CPU.

        Raises:
            ValueError: where a text is not in the cache, naming it.
            DamagedShardError: where its shard is damaged, naming the shard.
        """
        rows = self._find(texts, task)
        if (rows < 0).any():
            absent = [text for text, row in zip(texts, rows, strict=True) if row < 0]
            raise ValueError(
                f"{len(absent)} of {len(texts)} {'documents' if task == 'document' else 'texts'} are not in the token cache "
                f"{str(self.folder)!r}, the first is {absent[0][:80]!r}: add them with TeacherCache.build(teacher, texts, folder"
                f"{', documents=documents' if task == 'document' else ''})"
            )
        tokens, contents, masses, vectors = [], [], [], []
        for row in rows:
            shard = self._shard(int(self._shard_of[row]))
            text = int(self._row_of[row])
            begin, end = shard.offset_T1[text : text + 2].tolist()
            found_ND = shard.tokens_RD[begin:end].float()
            if shard.tokens_RD.dtype == torch.int8:
                found_ND *= shard.scale_R[begin:end].unsqueeze(1)
            tokens.append(found_ND)
            contents.append(shard.content_R[begin:end])
            masses.append(shard.mass_R[begin:end])
            vectors.append(shard.vector_TD[text].float())
        count_B = torch.tensor([len(part) for part in tokens])
        mask_BN = torch.arange(int(count_B.max())).unsqueeze(0) < count_B.unsqueeze(1)
        padded = (pad_sequence(parts, batch_first=True) for parts in (tokens, contents, masses))
        tokens_BND, content_BN, mass_BN = padded
        return CachedTokens(TokenSet(tokens_BND, mask_BN, content_BN, torch.stack(vectors)), mass_BN)

    def features(self, texts: Sequence[str], task: Task = "query") -> dict[str, Tensor]:
        """The tokens as a dict of tensors, in place of the features a tokenizer gives: what a collator wants.

        `PairCollator(student=..., teacher=cache.features)` reads the teacher's side from disk, in the loaders.
        """
        return dict(zip(FEATURES, self.lookup(texts, task).tokens, strict=True))

    def iter_token_sets(self, texts: Sequence[str], batch_size: int = 64) -> Iterator[TokenSet]:
        """Token sets a padded batch at a time, in the order of the texts, as the function of this name gives them."""
        for start in range(0, len(texts), batch_size):
            yield self.lookup(texts[start : start + batch_size]).tokens

    def _read_index(self) -> None:
        self._paths = shard_files(self.folder)
        self._shards: dict[int, Shard] = {}
        names, shard_of, row_of = [], [], []
        for number, path in enumerate(self._paths):
            hashes = map_shard(path, self.identity.key).hash_T16.numpy().tobytes()
            count = len(hashes) // 16
            names.append(np.frombuffer(hashes, dtype="S16"))
            shard_of.append(np.full(count, number, dtype=np.int32))
            row_of.append(np.arange(count, dtype=np.int32))
        # Should two shards hold one text (a lock that a file system ignored), either serves: both are the same tokens.
        names_T, first_T = np.unique(np.concatenate(names) if names else np.empty(0, "S16"), return_index=True)
        self._names = names_T
        self._shard_of = np.concatenate(shard_of)[first_T] if names else np.empty(0, np.int32)
        self._row_of = np.concatenate(row_of)[first_T] if names else np.empty(0, np.int32)

    def _find(self, texts: Sequence[str], task: Task = "query") -> np.ndarray:
        """Where each text stands in the index, -1 where it does not."""
        read_as: Task = task if self.identity.document else "query"
        wanted = np.array([text_hash(text, read_as) for text in texts], dtype="S16")
        if not len(self._names):
            return np.full(len(wanted), -1)
        places = np.minimum(np.searchsorted(self._names, wanted), len(self._names) - 1)
        return np.where(self._names[places] == wanted, places, -1)

    def _shard(self, number: int) -> Shard:
        if number not in self._shards:
            path = self._paths[number]
            if not path.exists() or not is_whole(path):
                raise damaged(path)
            self._shards[number] = map_shard(path, self.identity.key)
        return self._shards[number]

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "identity": self.identity}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]


def teacher_tokens(teacher: Encoder | TeacherCache, features: Mapping[str, Any], task: Task = "query") -> TokenSet:
    """The teacher's side of a batch: taken from features a cache gave, computed from features a tokenizer gave.

    Args:
        teacher: the teacher; not touched where the features come from a cache.
        features: from `TeacherCache.features` or `preprocess`, on the device of the trainer.
        task: what the texts were read as.

    Returns:
        The token set, without gradient.

    Raises:
        ValueError: where tokenized text comes and there is no teacher to read it.
    """
    if FEATURES[0] in features:
        return TokenSet(*(features[name] for name in FEATURES))
    if isinstance(teacher, TeacherCache):
        raise ValueError(
            "the batch holds tokenized text and the teacher is a cache: collate with teacher=cache.features"
        )
    with torch.no_grad():
        return token_set(teacher, dict(features), teacher(dict(features), task=task), task)
