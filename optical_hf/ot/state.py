"""What goes into a solver and what comes out of it, as data.

Every solver is a function (cost, source mass, target mass, `Settings`) -> `Solution`. It gets a finite float32 (or
float64) cost, masses that sum to 1 per pair, or to 0 on both sides for an empty pair, and reads zero mass as padding.

Shapes: B pairs, N source tokens, M target tokens.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch


@dataclass(frozen=True)
class Settings:
    """How to solve; see `optical_hf.ot.solve` for the meaning of each."""

    epsilon: float = 0.05
    tolerance: float = 1e-3
    max_iterations: int = 1000


class Solution(NamedTuple):
    """Plan (B, N, M), L1 marginal error (B,), iterations (B,) and converged (B,), for masses that sum to 1."""

    plan_BNM: torch.Tensor
    error_B: torch.Tensor
    iterations_B: torch.Tensor
    converged_B: torch.Tensor


def marginal_error(plan_BNM: torch.Tensor, source_BN: torch.Tensor, target_BM: torch.Tensor) -> torch.Tensor:
    """L1 distance of both marginals of a plan from the masses, per pair: (B,)."""
    rows_B = (plan_BNM.sum(dim=2) - source_BN).abs().sum(dim=1)
    columns_B = (plan_BNM.sum(dim=1) - target_BM).abs().sum(dim=1)
    return rows_B + columns_B
