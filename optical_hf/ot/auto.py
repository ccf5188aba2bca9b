"""Which solver `solver="auto"` takes: the network simplex where it is faster than Sinkhorn, measured.

Knows nothing about values: it looks at sizes, epsilon, dtype, the device and what is installed, so a compiled graph can
hold the choice.
"""

from importlib.util import find_spec

import torch

EXACT_TOKENS = 180  # largest side measured; the simplex won there at small epsilon (docs/benchmarks/transport.md)
EXACT_EPSILON = 0.01  # against Sinkhorn in torch
EXACT_EPSILON_NUMBA = 0.001  # against the Numba kernel
HAS_NUMBA = find_spec("numba") is not None  # asked here, as a graph that is being compiled cannot ask


def choose_solver(
    shape: torch.Size, epsilon: float, device: torch.device, dtype: torch.dtype, kernel: str, gradient: str
) -> str:
    """Take "exact" for a small epsilon on the CPU, which makes Sinkhorn slow and asks for the optimum anyway."""
    fast = HAS_NUMBA and dtype == torch.float32 and kernel in ("auto", "numba")
    small = epsilon <= (EXACT_EPSILON_NUMBA if fast else EXACT_EPSILON)
    if device.type == "cpu" and gradient == "envelope" and small and max(shape[1:]) <= EXACT_TOKENS:
        return "exact"
    return "sinkhorn"
