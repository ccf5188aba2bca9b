"""`solve`: one door to every solver, with the masks, the checks, the dtype and the gradient settled once.

Knows nothing about how a plan is found: that is the row of `SOLVERS` that was asked for.

Shapes: B pairs, N source (student) tokens, M target (teacher) tokens.
"""

from collections.abc import Callable
from typing import Literal, get_args

import torch

from optical_hf.ot.exact import solve_exact
from optical_hf.ot.plan import TransportPlan
from optical_hf.ot.problem import check_shapes, check_values, masked_mass, scale_masses
from optical_hf.ot.sinkhorn import solve_sinkhorn
from optical_hf.ot.state import Settings, Solution

Solver = Literal["sinkhorn", "exact"]
Gradient = Literal["envelope"]

SOLVERS: dict[str, Callable[[torch.Tensor, torch.Tensor, torch.Tensor, Settings], Solution]] = {
    "sinkhorn": solve_sinkhorn,
    "exact": solve_exact,
}


def solve(
    cost_BNM: torch.Tensor,
    source_mask: torch.Tensor | None = None,
    target_mask: torch.Tensor | None = None,
    *,
    source_mass: torch.Tensor | None = None,
    target_mass: torch.Tensor | None = None,
    solver: Solver = "sinkhorn",
    epsilon: float = 0.05,
    tolerance: float = 1e-3,
    max_iterations: int = 1000,
    gradient: Gradient = "envelope",
) -> TransportPlan:
    """Find the transport plan of every pair of a padded batch, and its cost.

    `P* = argmin <P, C> - epsilon H(P)` over the plans with marginals a (source) and b (target); cost = `<P*, C>`.

    Args:
        cost_BNM: (B, N, M) costs, any float dtype; anything may stand at padding.
        source_mask: (B, N) bool, True = real token; `None`: all real.
        target_mask: (B, M) bool, likewise.
        source_mass: (B, N) non-negative masses; `None`: uniform over the real tokens. Zero mass is padding.
        target_mass: (B, M), likewise.
        solver: "sinkhorn" or "exact" (network simplex).
        epsilon: weight of the entropy, in units of the cost.
        tolerance: L1 marginal error at which a pair is finished.
        max_iterations: after which a pair is returned as it is, with `converged` False.
        gradient: "envelope": d cost / d C = P, the plan held constant.

    Returns:
        A `TransportPlan` in float32 whatever the input dtype. Pairs with an empty side have plan, cost and gradient 0.

    Raises:
        ValueError: wrong shapes, negative masses, NaN between real tokens, totals that differ: what came and the fix.

    Example:
        >>> solve(torch.tensor([[[0.0, 1.0], [1.0, 0.0]]]), solver="exact").plan
        tensor([[[0.5000, 0.0000],
                 [0.0000, 0.5000]]])
    """
    check_shapes(cost_BNM, source_mask, target_mask, source_mass, target_mass)
    _check_options(solver, epsilon, tolerance, max_iterations, gradient)
    settings = Settings(epsilon, tolerance, max_iterations)
    with torch.autocast(cost_BNM.device.type, enabled=False):
        cost_BNM = cost_BNM.to(torch.float32)
        source_BN = masked_mass(source_mask, source_mass, cost_BNM[:, :, 0], cost_BNM.dtype)
        target_BM = masked_mass(target_mask, target_mass, cost_BNM[:, 0, :], cost_BNM.dtype)
        check_values(cost_BNM.detach(), source_BN, target_BM, balanced=True)
        masses = scale_masses(source_BN, target_BM)
        valid_BNM = (masses.source_BN > 0)[:, :, None] & (masses.target_BM > 0)[:, None, :]
        cost_BNM = torch.where(valid_BNM, cost_BNM, 0.0)
        with torch.no_grad():
            solution = SOLVERS[solver](cost_BNM, masses.source_BN, masses.target_BM, settings)
            plan_BNM = solution.plan_BNM * masses.source_total_B1[:, :, None]
        cost_B = (plan_BNM * cost_BNM).sum(dim=(1, 2))
    return TransportPlan(plan_BNM, cost_B, solution.error_B, solution.iterations_B, solution.converged_B)


def _check_options(solver: str, epsilon: float, tolerance: float, max_iterations: int, gradient: str) -> None:
    for name, value, choices in (("solver", solver, get_args(Solver)), ("gradient", gradient, get_args(Gradient))):
        if value not in choices:
            raise ValueError(f"{name}: expected one of {', '.join(choices)}, got {value!r}.")
    for name, number in (("epsilon", epsilon), ("tolerance", tolerance), ("max_iterations", max_iterations)):
        if not number > 0:
            raise ValueError(f"{name}: expected a number > 0, got {number}. To fix this, start from the default.")
