"""What goes into a solver and what comes out of it, as data.

Every solver is a function (cost, source mass, target mass, `Settings`) -> `Solution`. It gets a cost that is finite
wherever mass can move, source masses that sum to 1 per pair (to 0 for an empty pair), and reads zero mass as padding.

Shapes: B pairs, N source tokens, M target tokens.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch


@dataclass(frozen=True)
class Settings:
    """How to solve; see `optical_hf.ot.solve` for the meaning of each."""

    epsilon: float = 0.05
    tolerance: float = 1e-3
    max_iterations: int = 1000
    rho_source: float = math.inf
    rho_target: float = math.inf
    kernel: str = "auto"

    def damping(self, rho: float) -> float:
        """Exponent of a Sinkhorn update whose marginal is held by rho KL: 1 where it is held exactly."""
        return 1.0 if math.isinf(rho) else rho / (rho + self.epsilon)

    @property
    def stop_at(self) -> float:
        """Error at which Sinkhorn leaves a pair: a fifth of the tolerance, where float32 can hold that.

        An error e of the marginals moves <P, C> by about e times the spread of the potentials; the fifth brings it
        within 1e-4 at tolerance 1e-3, and costs a tenth of the time, as the last iterations converge fast.
        """
        return min(self.tolerance, max(self.tolerance / 5, 2e-5))

    @property
    def balanced(self) -> bool:
        """Both marginals are held exactly."""
        return math.isinf(self.rho_source) and math.isinf(self.rho_target)


class Solution(NamedTuple):
    """Plan (B, N, M), L1 marginal error, iterations and converged (B,), for masses scaled to a source total of 1."""

    plan_BNM: torch.Tensor
    error_B: torch.Tensor
    iterations_B: torch.Tensor
    converged_B: torch.Tensor


def marginal_error(plan_BNM: torch.Tensor, source_BN: torch.Tensor, target_BM: torch.Tensor) -> torch.Tensor:
    """L1 distance of both marginals of a plan from the masses, per pair: (B,)."""
    rows_B = (plan_BNM.sum(dim=2) - source_BN).abs().sum(dim=1)
    columns_B = (plan_BNM.sum(dim=1) - target_BM).abs().sum(dim=1)
    return rows_B + columns_B


def entropic_logits(
    cost_BNM: torch.Tensor, source_BN: torch.Tensor, target_BM: torch.Tensor, epsilon: float
) -> torch.Tensor:
    """log a_i + log b_j - C_ij / epsilon: the plan before any marginal is asked for; -inf at zero mass."""
    return (source_BN.log()[:, :, None] + target_BM.log()[:, None, :]).sub_(cost_BNM, alpha=1 / epsilon)
