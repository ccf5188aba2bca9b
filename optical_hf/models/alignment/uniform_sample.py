"""A uniform sample of a stream, of a fixed size: every item draws a random key, and the largest keys stay.

Shapes: S items of the sample.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass
class UniformSample:
    """Who is in the sample; its owner keeps the items.

    Args:
        size: items kept at most.

    Example:
        >>> sample = UniformSample(2)
        >>> sample.draw(2).sort().values
        tensor([0, 1])
        >>> len(sample.draw(1000))
        2
    """

    size: int
    generator: torch.Generator = field(default_factory=lambda: torch.Generator().manual_seed(0))
    keys_S: Tensor = field(default_factory=lambda: torch.zeros(0))

    def draw(self, count: int) -> Tensor:
        """Let `count` new items draw; returns which stay, numbered among those kept so far followed by the new ones: (S,)."""
        keys = torch.cat([self.keys_S, torch.rand(count, generator=self.generator)])
        self.keys_S, places_S = keys.topk(min(self.size, len(keys)))
        return places_S
