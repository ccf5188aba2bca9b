"""Batches of pairs of about one length: by number of pairs, and by a budget of tokens after padding.

Knows nothing about models, tokenizers or processes: the lengths are given. The batches of an epoch are a function of the
order (which is one of seed and epoch) alone, so that a run that is resumed, and every rank, sees the same ones.
`LengthGroupedSampler` of transformers groups by length too, but draws from the global generator and knows no budget.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler


class EpochOrder(Protocol):
    """An order of rows that depends on the epoch, such as `ShuffledRows` or `TemperatureSampler`."""

    seed: int
    epoch: int

    def order(self, epoch: int) -> NDArray[np.int64]:
        """The rows of an epoch."""

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that is iterated next."""


class LengthBatches(Sampler[list[int]]):
    """Cut an order of rows into batches of rows of similar length.

    The order is cut into windows of `window * batch_size` rows; the rows of a window are sorted by length and cut into batches;
    the batches of the whole epoch are then shuffled. A budget does not cut a row: one longer than it is a batch alone.

    Args:
        sampler: the order of the rows.
        lengths: tokens of each row.
        batch_size: rows in a batch at most.
        tokens: tokens of a batch at most, padding included; None sets no budget.
        window: batches' worth of rows sorted together. More of them waste less, fewer of them mix better.

    Raises:
        ValueError: a size below 1.

    Example:
        >>> batches = LengthBatches(ShuffledRows(4), [3, 9, 3, 9], batch_size=2)
        >>> sorted(sorted(batch) for batch in batches)
        [[0, 2], [1, 3]]
        >>> len(LengthBatches(ShuffledRows(4), [3, 9, 3, 9], batch_size=4, tokens=12))
        3
    """

    # accelerate deals whole batches out to the ranks where the size of a batch is not fixed
    batch_size = None
    drop_last = False

    def __init__(
        self,
        sampler: EpochOrder,
        lengths: Sequence[int],
        *,
        batch_size: int,
        tokens: int | None = None,
        window: int = 50,
    ) -> None:
        if batch_size < 1 or window < 1 or (tokens is not None and tokens < 1):
            raise ValueError(
                f"expected batch_size, window and tokens of at least 1, got {batch_size}, {window} and {tokens}"
            )
        self.sampler = sampler
        self.lengths = np.asarray(lengths, dtype=np.int64)
        self.rows, self.tokens, self.window = batch_size, tokens, window
        self._count = len(self._cut(0))

    def _cut(self, epoch: int) -> list[NDArray[np.int64]]:
        order = self.sampler.order(epoch)
        batches: list[NDArray[np.int64]] = []
        for start in range(0, len(order), self.window * self.rows):
            rows = order[start : start + self.window * self.rows]
            rows = rows[np.argsort(self.lengths[rows], kind="stable")]
            lengths = self.lengths[rows].tolist()
            begin = 0
            for end, length in enumerate(lengths):
                full = end - begin == self.rows
                if end > begin and (full or (self.tokens is not None and (end - begin + 1) * length > self.tokens)):
                    batches.append(rows[begin:end])
                    begin = end
            batches.append(rows[begin:])
        shuffle = np.random.default_rng([self.sampler.seed, epoch]).permutation(len(batches))
        return [batches[place] for place in shuffle]

    def __iter__(self) -> Iterator[list[int]]:
        # As many batches as the first epoch has, whatever the draws of this one: a trainer counts steps once. What a later
        # epoch has more is left out, what it has less is taken from its beginning again.
        batches = self._cut(self.sampler.epoch)
        for place in range(self._count):
            yield batches[place % len(batches)].tolist()

    def __len__(self) -> int:
        return self._count


class ShuffledRows(Sampler[int]):
    """All rows in an order that is a function of the seed and the epoch alone.

    Args:
        count: number of rows.
        seed: with the epoch it decides the order.
    """

    def __init__(self, count: int, seed: int = 0) -> None:
        self.count, self.seed, self.epoch = count, seed, 0

    def order(self, epoch: int) -> NDArray[np.int64]:
        """The rows of an epoch."""
        return np.random.default_rng([self.seed, epoch]).permutation(self.count)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that is iterated next."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        yield from self.order(self.epoch).tolist()

    def __len__(self) -> int:
        return self.count
