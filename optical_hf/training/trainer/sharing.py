"""How the batches of an epoch are dealt out to processes: each row of an epoch once, and each process a part of every global batch.

accelerate fills the last global batch up with rows of the epoch's beginning, which then count twice.
"""

from collections.abc import Iterator
from itertools import islice
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

    # As LengthBatches: accelerate reads both.
    batch_size = None
    drop_last = False

    def __init__(
        self, batches: Batches, processes: int, process: int, *, least: int = 1, drop_last: bool = False
    ) -> None:
        self.batches, self.processes, self.process = batches, processes, process
        self.least, self.drops = least, drop_last

    def __iter__(self) -> Iterator[list[int]]:
        size = getattr(self.batches, "batch_size", None)
        batches, before = iter(self.batches), None
        while step := list(islice(batches, self.processes)):
            if len(step) == self.processes and size in (None, len(step[-1])):
                own = list(step[self.process])
            elif self.drops:
                break
            else:
                before, own = self._last(before, [row for batch in step for row in batch])
            if before is not None:
                yield before
            before = own
        if before is not None:
            yield before

    def _last(self, before: list[int] | None, rows: list[int]) -> tuple[list[int] | None, list[int]]:
        """The batch before the last and the last of this process, which takes rows of the one before where it has too few."""
        own = rows[len(rows) * self.process // self.processes : len(rows) * (self.process + 1) // self.processes]
        if before is None:
            if not own:
                raise ValueError(
                    f"the last batch has {len(rows)} pairs for {self.processes} processes and there is none before it: train on "
                    "more pairs, or with fewer processes"
                )
            return None, own
        # Alone, a process makes a whole step; with others, each of them needs a row.
        missing = max(0, (self.least if self.processes == 1 else 1) - len(own))
        kept = max(1, len(before) - missing)
        return before[:kept], before[kept:] + own or before

    def __len__(self) -> int:
        count = -(-len(self.batches) // self.processes)
        if not self.drops:
            return count
        size, sampler = getattr(self.batches, "batch_size", None), getattr(self.batches, "sampler", None)
        return len(self.batches) // self.processes if size is None else len(sampler) // (size * self.processes)
