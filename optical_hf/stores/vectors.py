"""Vectors of texts or images, one each or one a token, in memory or on disk, checked before anything is searched.

A `VectorSet` fits in memory. A `VectorStore` is a row of such sets, some of them files that are read when their turn comes:
a search needs memory for one piece, not for the collection.

Shapes: N items, T tokens (of all items, one after the other), D width.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from optical_hf.tensor_files import load_tensors, save_tensors


@dataclass(frozen=True)
class VectorSet:
    """Vectors of N items: (N, D) with `lengths` None, or the tokens of all items (T, D) with `lengths` (N,), the tokens of each.

    Example:
        >>> tokens = VectorSet.of([torch.eye(2), torch.eye(2)[:1]])
        >>> len(tokens), tokens.width, tokens.lengths.tolist()
        (2, 2, [2, 1])
    """

    vectors: Tensor
    lengths: Tensor | None = None

    @classmethod
    def of(cls, values: "Tensor | np.ndarray | Sequence[Tensor | np.ndarray] | VectorSet") -> "VectorSet":
        """Take what encoders return: a matrix (N, D) of one vector each, or a list of token matrices (T_i, D)."""
        if isinstance(values, VectorSet):
            return values
        if isinstance(values, Tensor | np.ndarray):
            matrix = torch.as_tensor(values).detach().to("cpu", torch.float32)
            if matrix.ndim != 2:
                raise ValueError(f"expected one vector an item as (items, width), got the shape {tuple(matrix.shape)}")
            return cls(matrix.contiguous())
        items = [torch.as_tensor(value).detach().to("cpu", torch.float32) for value in values]
        if not items:
            raise ValueError("expected vectors, got an empty list: nothing could be found")
        widths = {tuple(item.shape[1:]) for item in items}
        if len(widths) != 1 or len(next(iter(widths))) != 1:
            raise ValueError(
                f"expected token matrices (tokens, width) of one width, got the shapes {sorted(widths)[:5]}"
            )
        return cls(torch.cat(items), torch.tensor([len(item) for item in items]))

    def __len__(self) -> int:
        return len(self.vectors) if self.lengths is None else len(self.lengths)

    @property
    def width(self) -> int:
        """Numbers in one vector."""
        return self.vectors.shape[1]

    def items(self, start: int, stop: int) -> "VectorSet":
        """The items from `start` up to `stop`; the tensors are views."""
        if self.lengths is None:
            return VectorSet(self.vectors[start:stop])
        first = int(self.lengths[:start].sum())
        lengths = self.lengths[start:stop]
        return VectorSet(self.vectors[first : first + int(lengths.sum())], lengths)

    def pick(self, rows: Tensor) -> "VectorSet":
        """The items at `rows`, in that order."""
        if self.lengths is None:
            return VectorSet(self.vectors[rows])
        tokens = self.vectors.split(self.lengths.tolist())
        return VectorSet(torch.cat([tokens[row] for row in rows.tolist()]), self.lengths[rows])

    @staticmethod
    def join(sets: "Sequence[VectorSet]") -> "VectorSet":
        """One set of all items, in order."""
        if len(sets) == 1:
            return sets[0]
        lengths = [s.lengths for s in sets if s.lengths is not None]
        return VectorSet(torch.cat([s.vectors for s in sets]), torch.cat(lengths) if lengths else None)

    def check(self, what: str) -> "VectorSet":
        """Raise ValueError for NaN, infinity, or an item without a token; return the set itself.

        Args:
            what: whose vectors they are, for the message.
        """
        broken = int((~torch.isfinite(self.vectors).all(dim=1)).sum())
        if broken:
            raise ValueError(
                f"{broken} of {len(self.vectors)} vectors of {what} hold NaN or infinity: they would compare as "
                "neither near nor far and their rank would be chance; encode in float32 or try an earlier checkpoint"
            )
        if self.lengths is not None and (empty := int((self.lengths == 0).sum())):
            raise ValueError(
                f"{empty} of {len(self)} items of {what} have no token vector (first: item "
                f"{int((self.lengths == 0).nonzero()[0])}): MaxSim over nothing is undefined; leave out the empty texts"
            )
        return self

    def save(self, path: Path) -> None:
        """Write to a safetensors file with a checksum, whole or not at all."""
        save_tensors(path, {"vectors": self.vectors} | ({} if self.lengths is None else {"lengths": self.lengths}))

    @classmethod
    def load(cls, path: Path) -> "VectorSet":
        """Read what `save` wrote.

        Raises:
            DamagedTensorsError: (a ValueError) the file was cut or changed since.
        """
        tensors = load_tensors(path)
        return cls(tensors["vectors"], tensors.get("lengths"))


@dataclass(frozen=True)
class VectorStore:
    """Vectors of a collection in pieces, each in memory or a file, and the position of the first item of each.

    A process that shares the work with others holds its own pieces only; `starts` are positions in the whole.
    """

    pieces: tuple[VectorSet | Path, ...]
    starts: tuple[int, ...]
    total: int

    @classmethod
    def of(cls, values: "Tensor | np.ndarray | Sequence[Tensor | np.ndarray] | VectorSet") -> "VectorStore":
        """One piece in memory, from anything `VectorSet.of` takes."""
        vectors = VectorSet.of(values)
        return cls((vectors,), (0,), len(vectors))

    def __len__(self) -> int:
        return self.total

    def __iter__(self) -> Iterator[tuple[int, VectorSet]]:
        for start, piece in zip(self.starts, self.pieces, strict=True):
            yield start, VectorSet.load(piece) if isinstance(piece, Path) else piece
