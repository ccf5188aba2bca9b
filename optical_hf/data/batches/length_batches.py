"""Batches of pairs of about one length: by number of pairs, and by a budget of tokens after padding.

Lengths are given, or counted as they are needed. The batches of an epoch are a function of the order alone, and the order is
one of seed and epoch. So a run that is resumed, and every rank, sees the same ones.
`LengthGroupedSampler` of transformers groups by length too, but takes its order from the global random generator and has no budget.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler


class EpochOrder(Sampler[int]):
    """An order of rows that is a function of a seed and the epoch alone.

    Args:
        count: rows of an epoch.
        seed: with the epoch it decides the order.
    """

    def __init__(self, count: int, seed: int = 0) -> None:
        self.count, self.seed = count, seed
        self.epoch, self.start = 0, 0

    def order(self, epoch: int) -> NDArray[np.int64]:
        """The row numbers of an epoch."""
        raise NotImplementedError

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """Choose the epoch that is iterated next.

        Args:
            epoch: its number.
            start: rows to leave out at its beginning, to go on exactly where a run stopped. `Trainer` leaves batches out by
                itself when it resumes and needs no start.
        """
        self.epoch, self.start = epoch, start

    def __iter__(self) -> Iterator[int]:
        yield from self.order(self.epoch)[self.start :].tolist()

    def __len__(self) -> int:
        return self.count - self.start


class ShuffledRows(EpochOrder):
    """All rows, shuffled."""

    def order(self, epoch: int) -> NDArray[np.int64]:
        """The row numbers of an epoch."""
        return np.random.default_rng([self.seed, epoch]).permutation(self.count)


class LengthBatches(Sampler[list[int]]):
    """Cut an order of rows into batches of rows of similar length.

    The order is cut into windows of `window * batch_size` rows; the rows of a window are sorted by length and cut into batches;
    the batches of about `together` rows are then shuffled. No more lengths than those are needed before the first batch. A
    budget does not cut a row: one longer than it is a batch alone.

    Without a budget every row is in one batch of an epoch. With one, the number of batches of an epoch is that of the first
    `together` rows, scaled up: of more rows than those, up to about one in a hundred may be left out of an epoch, or be
    taken twice. Which ones changes with the epoch.

    Args:
        sampler: the order of the rows.
        lengths: tokens of each row; or an object that counts them when it is indexed by an array of row numbers.
        batch_size: rows in a batch at most.
        tokens: tokens of a batch at most, padding included; None sets no budget.
        window: batches' worth of rows sorted together. More of them waste less, fewer of them mix better.
        together: rows whose batches are shuffled together.

    Raises:
        ValueError: a size below 1, or a budget so small that most batches are of one row.

    Example:
        >>> batches = LengthBatches(ShuffledRows(4), [3, 9, 3, 9], batch_size=2)
        >>> sorted(sorted(batch) for batch in batches)
        [[0, 2], [1, 3]]
        >>> len(LengthBatches(ShuffledRows(4), [3, 9, 3, 9], batch_size=4, tokens=18))
        2
    """

    # accelerate deals whole batches out to the ranks where the size of a batch is not fixed
    batch_size = None
    drop_last = False

    def __init__(
        self,
        sampler: EpochOrder,
        lengths: Any,
        *,
        batch_size: int,
        tokens: int | None = None,
        window: int = 50,
        together: int = 20_000,
    ) -> None:
        if batch_size < 1 or window < 1 or together < 1 or (tokens is not None and tokens < 1):
            raise ValueError(
                f"expected batch_size, window, together and tokens of at least 1, got {batch_size}, {window}, {together} "
                f"and {tokens}"
            )
        self.sampler = sampler
        self.lengths = np.asarray(lengths) if isinstance(lengths, Sequence) else lengths
        self.rows, self.tokens = batch_size, tokens
        self._window = window * batch_size
        self._block = max(1, together // self._window) * self._window
        self._count = self._expected()

    def _expected(self) -> int:
        """Batches of an epoch: those of its first block, and as many of every other row."""
        order = self.sampler.order(0)
        if self.tokens is None:
            windows, rest = divmod(len(order), self._window)
            return windows * (self._window // self.rows) + -(-rest // self.rows)
        first = order[: self._block]
        batches = self._cut(first)
        alone = sum(len(batch) == 1 for batch in batches)
        if 2 * alone > len(batches) and min(self.rows, len(first)) > 1:
            usual = int(np.median(self.lengths[first]))
            raise ValueError(
                f"a budget of {self.tokens} tokens a batch (tokens_per_batch) leaves {alone} of {len(batches)} batches with one "
                f"row: a row has {usual} tokens (the median). To fix this, give it a batch's worth, {usual * self.rows} tokens for "
                f"{self.rows} such rows"
            )
        return round(len(batches) * len(order) / max(1, len(first)))

    def _cut(self, block: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """The batches of a block of rows, window by window."""
        batches: list[NDArray[np.int64]] = []
        lengths_of = self.lengths[block]
        for start in range(0, len(block), self._window):
            order = np.argsort(lengths_of[start : start + self._window], kind="stable") + start
            rows, lengths = block[order], lengths_of[order].tolist()
            begin = 0
            for end, length in enumerate(lengths):
                full = end - begin == self.rows
                if end > begin and (full or (self.tokens is not None and (end - begin + 1) * length > self.tokens)):
                    batches.append(rows[begin:end])
                    begin = end
            batches.append(rows[begin:])
        return batches

    def _batches(self, epoch: int) -> Iterator[list[int]]:
        order, shuffle = self.sampler.order(epoch), np.random.default_rng([self.sampler.seed, epoch])
        for start in range(0, len(order), self._block):
            batches = self._cut(order[start : start + self._block])
            for place in shuffle.permutation(len(batches)):
                yield batches[place].tolist()

    def __iter__(self) -> Iterator[list[int]]:
        # As many batches in every epoch, as a trainer counts steps once. What an epoch has more is left out, what it has less
        # is taken from its beginning again.
        again = itertools.chain.from_iterable(self._batches(self.sampler.epoch) for _ in itertools.count())
        return itertools.islice(again, self._count)

    def __len__(self) -> int:
        return self._count
