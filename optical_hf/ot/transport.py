"""`solve`: the transport plans of a padded batch, by any solver.

Masks, masses and dtype are settled here, once for all solvers. The solvers are the rows of `operator.SOLVERS`.

Shapes: B pairs, N source (student) tokens, M target (teacher) tokens.
"""

import math
from typing import Literal, get_args

import torch

from optical_hf.ot.operator import SOLVERS, check_and_scale, transport
from optical_hf.ot.plan import TransportPlan
from optical_hf.ot.problem import check_shapes, masked_mass, without_padding
from optical_hf.ot.solvers.partial import with_dummies
from optical_hf.settings_checks import check_choices

Solver = Literal["sinkhorn", "ipot", "unbalanced", "partial", "exact"]
Kernel = Literal["auto", "torch", "triton", "numba"]


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
    rho: float | tuple[float, float] = 1.0,
    share: float = 0.8,
    dtype: torch.dtype = torch.float32,
    kernel: Kernel = "auto",
) -> TransportPlan:
    """Find the transport plan of every pair of a padded batch, and its cost.

    `P* = argmin <P, C> + epsilon KL(P | a b')` over the plans with marginals a (source) and b (target);
    `cost = <P*, C>`, without the entropy. Its gradient is P*: the plan is held constant, as OPTICAL does. For "exact" and
    "ipot" that is the true derivative of the cost.

    Args:
        cost_BNM: (B, N, M) costs, any float dtype; anything may stand at padding.
        source_mask: (B, N) bool, True = real token; `None`: all real.
        target_mask: (B, M) bool, likewise.
        source_mass: (B, N) non-negative masses; `None`: uniform over the real tokens. Zero mass is padding. Masses are
            constants: no gradient flows into them.
        target_mass: (B, M), likewise.
        solver: "sinkhorn"; "ipot", the unregularised optimum in torch; "exact", the same by POT's network simplex on
            the CPU; "unbalanced", marginals held by `rho` KL; "partial", moves `share` of the mass.
        epsilon: weight of the entropy, in units of the cost; for "ipot" the proximal step; unused by "exact".
        tolerance: L1 marginal error, as a share of the pair's mass, at which a pair is finished; for "ipot" also its
            relative duality gap.
        max_iterations: after which a pair is returned as it is, with `converged` False.
        rho: for "unbalanced", weight of the KL that holds the marginals, one number or (source, target), in units of
            the cost; `math.inf` holds a side exactly.
        share: for "partial", share of the smaller total that is moved, in (0, 1].
        kernel: how the entropic solvers run: "triton", one program per pair on CUDA, float32, at most 128 tokens a side;
            "numba", compiled code on the CPU, float32, marginals held exactly; "torch"; "auto", a kernel where it fits
            and its library is installed, else torch.
        dtype: dtype to solve in and to answer in, float32 whatever comes in, or float64.

    Returns:
        A `TransportPlan`. A pair with an empty side has plan, cost and gradient 0, and is converged.

    Raises:
        ValueError: wrong shapes, negative masses, NaN between real tokens, totals that differ: what came and the fix.

    Source:
        docs/ot.md names the paper of every solver.

    Example:
        >>> cost = torch.tensor([[[0.0, 1.0], [1.0, 0.0]]], requires_grad=True)
        >>> solve(cost, epsilon=0.1).cost.item() < 1e-4
        True
    """
    check_shapes(cost_BNM, source_mask, target_mask, source_mass, target_mass)
    rho_source, rho_target = _relaxation(solver, rho)
    check_choices(solver=(solver, get_args(Solver)), kernel=(kernel, get_args(Kernel)))
    _check_numbers(epsilon=epsilon, tolerance=tolerance, max_iterations=max_iterations)
    if not 0 < share <= 1:
        raise ValueError(f"share: expected a share of the mass in (0, 1], got {share}.")
    if dtype not in (torch.float32, torch.float64):
        raise ValueError(
            f"dtype: expected torch.float32 or torch.float64, got {dtype}; half precision loses marginals."
        )
    if cost_BNM.numel() == 0:
        return _nothing(cost_BNM.to(dtype))
    with torch.autocast(cost_BNM.device.type, enabled=False):
        cost_BNM = cost_BNM.to(dtype)
        source_BN = masked_mass(source_mask, source_mass, cost_BNM[:, :, 0], dtype)
        target_BM = masked_mass(target_mask, target_mass, cost_BNM[:, 0, :], dtype)
        cost_BNM = without_padding(cost_BNM, source_BN, target_BM)
        held_BNM = cost_BNM.detach()
        source_BN, target_BM, total_B1 = check_and_scale(held_BNM, source_BN, target_BM, SOLVERS[solver].balanced)
        problem = (held_BNM, source_BN, target_BM)
        if solver == "partial":
            problem = with_dummies(*problem, share)
        plan_BNM, error_B, iterations_B, converged_B = transport(
            *problem, solver, epsilon, tolerance, max_iterations, rho_source, rho_target, kernel
        )
        plan_BNM = plan_BNM[:, : cost_BNM.shape[1], : cost_BNM.shape[2]] * total_B1[:, :, None]
        cost_B = (plan_BNM * cost_BNM).sum(dim=(1, 2))
    return TransportPlan(plan_BNM, cost_B, error_B, iterations_B, converged_B)


def _nothing(cost_BNM: torch.Tensor) -> TransportPlan:
    """The plan of a batch without pairs, or of pairs without a token on one side."""
    cost_B = cost_BNM.sum(dim=(1, 2))
    zeros_B = torch.zeros_like(cost_B, dtype=torch.int64)
    return TransportPlan(torch.zeros_like(cost_BNM), cost_B, torch.zeros_like(cost_B), zeros_B, zeros_B == 0)


def _relaxation(solver: str, rho: float | tuple[float, float]) -> tuple[float, float]:
    """The two rho, infinite for every solver that holds its marginals."""
    rho_source, rho_target = rho if isinstance(rho, tuple) else (rho, rho)
    if not (rho_source > 0 and rho_target > 0):
        raise ValueError(
            f"rho: expected numbers > 0, got {rho}. To fix this, start from 1.0; math.inf holds a marginal."
        )
    return (rho_source, rho_target) if solver == "unbalanced" else (math.inf, math.inf)


def _check_numbers(**numbers: float) -> None:
    for name, number in numbers.items():
        if not 0 < number < math.inf:
            raise ValueError(f"{name}: expected a number > 0, got {number}. To fix this, start from the default.")
