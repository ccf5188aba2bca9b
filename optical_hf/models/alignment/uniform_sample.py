"""A uniform sample of a stream, of a fixed size: every item gets a random key, and the items with the largest keys stay.

Shapes: S items of the sample.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import torch
from torch import Tensor

Item = TypeVar("Item")


@dataclass
class UniformSample(Generic[Item]):
    """A uniform sample of a stream of items.

    Args:
        size: items kept at most.

    Example:
        >>> sample = UniformSample(2)
        >>> sample.add(1000, lambda place: place)
        >>> len(sample.items)
        2
    """

    size: int
    generator: torch.Generator = field(default_factory=lambda: torch.Generator().manual_seed(0))
    keys_S: Tensor = field(default_factory=lambda: torch.zeros(0))
    items: list[Item] = field(default_factory=list)

    def add(self, count: int, item: Callable[[int], Item]) -> None:
        """Offer `count` new items; `item(place)` makes those that enter the sample."""
        keys, before = torch.cat([self.keys_S, torch.rand(count, generator=self.generator)]), len(self.items)
        self.keys_S, places_S = keys.topk(min(self.size, len(keys)))
        self.items = [self.items[p] if p < before else item(p - before) for p in places_S.tolist()]
