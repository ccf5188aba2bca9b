"""How the batches of an epoch are dealt out to processes: each row of an epoch once, and each process a part of every global batch.

accelerate fills the last global batch up with rows of the epoch's beginning, which then count twice. Knows nothing about models.
"""

from collections.abc import Iterable, Iterator
from typing import Protocol

from torch.utils.data import Sampler


class Batches(Protocol):
    """A batch sampler: lists of rows, the same on every process."""

    def __iter__(self) -> Iterator[list[int]]: ...

    def __len__(self) -> int: ...


class SharedBatches(Sampler[list[int]]):
    """The batches of one process: of every `processes` batches its own, and of the last, fewer or shorter ones, its part.

    A process for which no row is left keeps one of its batch before, so all of them take the same number of steps. In batches
    of one row, it has that row twice.

    Args:
        batches: of all processes.
        processes: how many there are.
        process: which one this is.
        least: rows that a step must have at least, 2 for losses that compare the pairs of a batch.
        drop_last: leave the last global batch out where it is not full.

    Raises:
        ValueError: where there are fewer rows than processes.

    Example:
        >>> [list(SharedBatches([[5, 2], [0, 4], [3]], 2, process)) for process in (0, 1)]
        [[[5], [2]], [[0, 4], [3]]]
    """

    # As LengthBatches: accelerate asks for both.
    batch_size = None
    drop_last = False

    def __init__(
        self, batches: Batches, processes: int, process: int, *, least: int = 1, drop_last: bool = False
    ) -> None:
        self.batches, self.processes, self.process = batches, processes, process
        self.least, self.drops = least, drop_last

    def __iter__(self) -> Iterator[list[int]]:
        size = getattr(self.batches, "batch_size", None)
        before: list[int] | None = None
        for round_ in _in_rounds(self.batches, self.processes):
            if len(round_) == self.processes and (size is None or len(round_[-1]) == size):
                if before is not None:
                    yield before
                before = list(round_[self.process])
                continue
            if not self.drops:
                yield from self._last(before, [row for batch in round_ for row in batch])
            elif before is not None:
                yield before
            return
        if before is not None:
            yield before

    def _last(self, before: list[int] | None, rows: list[int]) -> Iterator[list[int]]:
        own = rows[self._start(rows, self.process) : self._start(rows, self.process + 1)]
        # Alone, a process makes a whole step; with others, each of them needs a row.
        missing = max(0, (self.least if self.processes == 1 else 1) - len(own))
        if before is None:
            if not own:
                raise ValueError(
                    f"the last batch has {len(rows)} pairs for {self.processes} processes and there is none before it: train on "
                    "more pairs, or with fewer processes"
                )
            yield own
            return
        kept = max(1, len(before) - missing)
        yield before[:kept]
        yield before[kept:] + own or before

    def _start(self, rows: list[int], process: int) -> int:
        return len(rows) * process // self.processes

    def __len__(self) -> int:
        count = -(-len(self.batches) // self.processes)
        if not self.drops:
            return count
        size, sampler = getattr(self.batches, "batch_size", None), getattr(self.batches, "sampler", None)
        return len(self.batches) // self.processes if size is None else len(sampler) // (size * self.processes)


def _in_rounds(batches: Iterable[list[int]], count: int) -> Iterator[list[list[int]]]:
    round_: list[list[int]] = []
    for batch in batches:
        round_.append(batch)
        if len(round_) == count:
            yield round_
            round_ = []
    if round_:
        yield round_
