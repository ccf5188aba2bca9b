"""Streamed bitext as a trainer reads it: without an end, grouped by length if wanted, the same on every rank.

A stream that ends at different steps on different ranks would hang them all; one that starts over by itself does not, and
the rows before a step are the same after an interruption. One window of rows is held in memory.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
from datasets import IterableDataset
from torch.utils.data import IterableDataset as TorchIterableDataset


class EndlessStream(TorchIterableDataset[dict[str, Any]]):
    """Read a stream again and again, each time as its next epoch (a shuffled stream shuffles anew).

    Every rank reads the whole stream and takes its share of each global batch (accelerate's `IterableDatasetShard`), so that
    several ranks see the batches one would; loaders divide its shards among themselves, as `datasets` does.

    Args:
        stream: from `load_bitext(..., streaming=True)` or `interleave_languages`.
        group: rows of a global batch, to put rows of similar length into one; None keeps the order of the stream.
        window: global batches held and sorted together.
        seed: of the order of the batches of a window.
    """

    def __init__(self, stream: IterableDataset, *, group: int | None = None, window: int = 50, seed: int = 0) -> None:
        self.stream, self.group, self.window, self.seed = stream, group, window, seed

    def _rows(self) -> Iterator[dict[str, Any]]:
        epoch = 0
        while True:
            self.stream.set_epoch(epoch)
            row = None
            for row in self.stream:
                yield row
            if row is None:  # empty, or a loader for which there was no shard left
                return
            epoch += 1

    def __iter__(self) -> Iterator[dict[str, Any]]:
        if self.group is None:
            yield from self._rows()
            return
        generator = np.random.default_rng(self.seed)
        rows = self._rows()
        while window := list(islice(rows, self.group * self.window)):
            ordered = sorted(window, key=lambda row: len(row["target"]))
            batches = [ordered[start : start + self.group] for start in range(0, len(ordered), self.group)]
            for place in generator.permutation(len(batches)):
                yield from batches[place]
