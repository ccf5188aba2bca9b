"""Which solver `solver="auto"` takes: the network simplex where it is faster than Sinkhorn, measured.

Knows nothing about values: it looks at sizes, epsilon and the device only, so a compiled graph can hold the choice.
"""

import torch

EXACT_TOKENS = 180  # largest side measured; the simplex won there at small epsilon (docs/benchmarks/transport.md)
EXACT_EPSILON = 0.01


def choose_solver(shape: torch.Size, epsilon: float, device: torch.device, gradient: str) -> str:
    """Take "exact" for a small epsilon on the CPU, which makes Sinkhorn slow and asks for the optimum anyway."""
    if device.type == "cpu" and gradient == "envelope" and epsilon <= EXACT_EPSILON and max(shape[1:]) <= EXACT_TOKENS:
        return "exact"
    return "sinkhorn"
