"""The mean of each loss since it was last logged, over steps and devices.

Shapes: B pairs.
"""

from collections.abc import Mapping
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor


class TermMeans:
    """Sums kept on the device until they are logged, so that no step waits for a number."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._count = 0

    def add(self, terms: Mapping[str, Tensor]) -> None:
        """Note the losses of a batch, each (B,)."""
        for name, value_B in terms.items():
            self._sums[name] = self._sums.get(name, 0.0) + value_B.detach().mean()
        self._count += 1

    def pop(self, accelerator: Accelerator) -> dict[str, float]:
        """The means by name over all devices, which must all call this; starts over. Empty where nothing was noted."""
        means = {name: float(accelerator.reduce(total / self._count, "mean")) for name, total in self._sums.items()}
        self._sums, self._count = {}, 0
        return means


def padding(features: Mapping[str, Any], like_B: Tensor) -> Tensor:
    """The share of each text's positions that hold no token, (B,); 0 where flash attention reads the texts end to end."""
    mask_BN = features.get("attention_mask")
    return torch.zeros_like(like_B) if mask_BN is None else 1 - mask_BN.float().mean(dim=1)
