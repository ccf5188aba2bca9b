"""`TeacherCache`: tokens by text from disk, with no encoder in memory.

Shards are mapped, not read: every rank and every loader process shares one copy in the page cache. Each shard's
checksum is read before its first token is used.

Shapes: B texts, N tokens after padding, D width.
"""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from optical_hf.files import expand_path
from optical_hf.models.prompts import Task
from optical_hf.models.teachers.stored_teacher import StoredTeacher
from optical_hf.models.teachers.token_cache.cache_building import IDENTITY, fill
from optical_hf.models.teachers.token_cache.cache_identity import CacheIdentity, StoredDtype
from optical_hf.models.teachers.token_cache.cache_shards import (
    Shard,
    damaged,
    is_whole,
    map_shard,
    shard_files,
    text_hash,
)
from optical_hf.models.texts import Texts, texts_of
from optical_hf.models.tokens import Encoder, TokenSet
from optical_hf.tables import RELEVANT

Entry: TypeAlias = tuple[Tensor, Tensor, Tensor]


def padded(entries: Sequence[Entry]) -> TokenSet:
    """The token set of a batch of texts from what `TeacherCache.entries` gave for each."""
    tokens, contents, vectors = zip(*entries, strict=True)
    count_B = torch.tensor([len(part) for part in tokens])
    mask_BN = torch.arange(int(count_B.max())).unsqueeze(0) < count_B.unsqueeze(1)
    tokens_BND, content_BN = (pad_sequence(list(parts), batch_first=True) for parts in (tokens, contents))
    return TokenSet(tokens_BND, mask_BN, content_BN, torch.stack(vectors))


class TeacherCache(StoredTeacher):
    """The tokens of a frozen encoder on disk, looked up by text.

    Made by `build` (with the encoder) or `open` (without). It can be pickled, so loader processes and ranks read it, and
    it takes the teacher's place in a trainer and in a closed form. The frozen backbone of a student can be cached too:
    `build(as_backbone(student), texts, folder)`.

    Attributes:
        folder: where the shards lie.
        identity: what they depend on: `width`, `pooling`, `dtype`, ...

    Example:
        >>> teacher = load_teacher("sentence-transformers/all-MiniLM-L6-v2")     # doctest: +SKIP
        >>> cache = TeacherCache.build(teacher, bitext, "cache")                 # doctest: +SKIP
        >>> cache.lookup(["a red ball"]).tokens_BND.shape                        # doctest: +SKIP
        torch.Size([1, 5, 384])
    """

    def __init__(self, folder: Path, identity: CacheIdentity) -> None:
        self.folder, self.identity = folder, identity
        self.width, self.pooling, self.kind = identity.width, identity.pooling, identity.kind
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
        batch_size: int = 64,
        shard_bytes: int = 64 * 2**20,
        progress: bool = True,
    ) -> "TeacherCache":
        """A cache that holds the tokens of all `texts`: what is missing is computed, the rest is read.

        A cache that has every text is opened after its checksums were read. A build that was killed goes on with the
        shard it was killed in. Of several processes one builds and the others wait.

        Args:
            teacher: the encoder; texts are read as its queries are, prompt and length limit included.
            texts: texts, or a table of bitext, of which `source` is taken, and `relevant_document` as `documents` where it has one.
                A text that comes twice is kept once. May be empty where there are `documents`.
            folder: where caches lie, one subfolder an encoder (and prompt, length, dtype); others are left alone.
            documents: texts that the teacher reads as documents, for training with a column `relevant_document`.
            dtype: "float16", or "int8" with a float32 scale for each token, in half the space.
            batch_size: texts the teacher reads together.
            shard_bytes: size of a shard, about; a kill loses at most one.
            progress: show a progress bar, and the disk need before it.

        Returns:
            The cache.

        Raises:
            ValueError: an unknown dtype; no texts; tokens that float16 cannot hold.
            OSError: where the disk has not the room, before anything is computed, or fills up on the way. Where the folder cannot
                be written and does not hold every text.
        """
        identity = CacheIdentity.of(teacher, dtype)
        if documents is None and isinstance(texts, Dataset) and RELEVANT in texts.column_names:
            documents = texts
        wanted: dict[Task, list[str]] = {"query": texts_of(texts, "source")} if texts or documents is None else {}
        if documents is not None:
            read_as: Task = "document" if identity.document else "query"
            wanted[read_as] = [*wanted.get(read_as, []), *texts_of(documents, RELEVANT)]
        place = expand_path(folder) / identity.key
        fill(place, identity, teacher, wanted, batch_size=batch_size, shard_bytes=shard_bytes, progress=progress)
        return cls(place, identity)

    @classmethod
    def open(cls, folder: str | PathLike[str], key: str | None = None) -> "TeacherCache":
        """A cache that was built before, without its encoder.

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
            several = "has several token caches" if key is None else f"has no cache {key!r}"
            raise ValueError(
                f"{str(folder)!r} {several if found else 'has no token cache'} (found: {', '.join(found) or 'none'}): build one "
                "with TeacherCache.build(teacher, texts, folder), or pass its key"
            )
        try:
            identity = CacheIdentity.from_json(found[key].read_text(encoding="utf-8"))
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"{str(found[key])!r} does not say whose tokens the cache holds ({error}): it is cut or of another version; build "
                "with the teacher (TeacherCache.build), which writes it anew and computes only what is missing"
            ) from error
        return cls(found[key].parent, identity)

    @property
    def fingerprint(self) -> str:
        """The cache's key."""
        return self.identity.key

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, text: str) -> bool:
        return self._find([text])[0] >= 0

    def lookup(self, texts: Sequence[str], task: Task = "query") -> TokenSet:
        """The token set of a batch of texts, read as queries or as documents; padded, float32, on the CPU.

        Raises:
            ValueError: where a text is not in the cache, naming it.
            DamagedShardError: where its shard is damaged, naming the shard.
        """
        return padded(self.entries(texts, task))

    def entries(self, texts: Sequence[str], task: Task = "query") -> list[Entry]:
        """The tokens (N, D) of each text, which of them have content (N,), and its vector (D,); errors are those of `lookup`."""
        places = self._find(texts, task)
        if (places < 0).any():
            absent = [text for text, place in zip(texts, places, strict=True) if place < 0]
            raise ValueError(
                f"{len(absent)} of {len(texts)} {'documents' if task == 'document' else 'texts'} are not in the token cache "
                f"{str(self.folder)!r}, the first is {absent[0][:80]!r}: add them with TeacherCache.build(teacher, texts, folder"
                f"{', documents=documents' if task == 'document' else ''})"
            )
        found = []
        for number, row in self._place_T2[places].tolist():
            shard = self._shard(number)
            own = slice(*shard.offset_T1[row : row + 2].tolist())
            tokens_ND = shard.tokens_RD[own].float()
            if shard.tokens_RD.dtype == torch.int8:
                tokens_ND *= shard.scale_R[own].unsqueeze(1)
            found.append((tokens_ND, shard.content_R[own], shard.vector_TD[row].float()))
        return found

    def _read_index(self) -> None:
        self._paths = shard_files(self.folder)
        self._shards: dict[int, Shard] = {}
        hashes = [map_shard(path, self.identity.key).hash_T16.numpy() for path in self._paths]
        names_T = np.frombuffer(b"".join(part.tobytes() for part in hashes), dtype="S16")
        place_T2 = [np.stack([np.full(len(part), n), np.arange(len(part))], axis=1) for n, part in enumerate(hashes)]
        # Two shards may hold one text (a lock that a file system ignored): either serves, both are the same tokens.
        self._names, first_T = np.unique(names_T, return_index=True)
        self._place_T2 = np.concatenate([np.empty((0, 2), np.int64), *place_T2])[first_T]

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
            if not is_whole(path):
                raise damaged(path)
            self._shards[number] = map_shard(path, self.identity.key)
        return self._shards[number]

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "identity": self.identity}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]
