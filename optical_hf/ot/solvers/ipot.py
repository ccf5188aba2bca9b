"""The unregularised optimum by inexact proximal points (IPOT), as OPTICAL used it.

P_{t+1} <- one Sinkhorn step on P_t * exp(-C / epsilon), started from the last scaling: Xie, Wang, Wang, Zha 2018
(arXiv:1802.04307), algorithm 1 with one inner iteration. Here epsilon is the length of a proximal step and no bias: the
plan goes to the exact optimum whatever its value. (Where it is under a tenth of the range of a pair's reduced cost,
that tenth is taken: one inner iteration cannot follow a longer step, nor float32 hold it.) A pair is finished when its
marginals AND its duality gap are within the tolerance, so its cost is certified. The plan is kept as potentials,
P_t = exp(f + g - t C / epsilon), and rebuilt at every look: multiplied on in float32 alone, cells that the optimum
needs would underflow for good.
Zero mass is padding.

Shapes: B pairs, N source tokens, M target tokens. f and g are in units of epsilon, the duals in units of the cost.
"""

from typing import NamedTuple

import torch

from optical_hf.ot.solvers.state import Settings, Solution, marginal_error

LOOK_EVERY = 10
LOWEST_EXPONENT = -60.0
LONGEST_STEP = 10.0  # range of the reduced cost, in units of epsilon, that one inner iteration can follow


class _Pairs(NamedTuple):
    """The problems of the pairs still open; padding has mass 1 on its own, so that its scalings stay 1."""

    cost_BNM: torch.Tensor
    padding_BNM: torch.Tensor
    source_B1N: torch.Tensor
    target_B1M: torch.Tensor
    source_padding_B1N: torch.Tensor
    target_padding_B1M: torch.Tensor
    epsilon_B11: torch.Tensor


def solve_ipot(
    cost_BNM: torch.Tensor, source_BN: torch.Tensor, target_BM: torch.Tensor, settings: Settings
) -> Solution:
    """Optimal plan by proximal points; see `optical_hf.ot.solve` for the contract."""
    plan_BNM = torch.zeros_like(cost_BNM)
    error_B = torch.zeros_like(cost_BNM[:, 0, 0])
    iterations_B = torch.zeros_like(error_B, dtype=torch.int64)
    converged_B = ~source_BN.any(dim=1)
    f_BN1, g_B1M = torch.zeros_like(source_BN)[:, :, None], torch.zeros_like(target_BM)[:, None, :]
    everything = _pairs(cost_BNM, source_BN, target_BM, settings.epsilon)
    done = 0
    while done < settings.max_iterations and len(index := (~converged_B).nonzero()[:, 0]):
        steps = min(LOOK_EVERY, settings.max_iterations - done)
        pairs = _Pairs(*(tensor[index] for tensor in everything))
        f, g = _advance(pairs, f_BN1[index], g_B1M[index], done, steps)
        done += steps
        plan = _plan(pairs, f, g, done)
        plan_BNM[index], f_BN1[index], g_B1M[index], iterations_B[index] = plan, f, g, done
        error_B[index] = marginal_error(plan, source_BN[index], target_BM[index])
        found_B = (plan * pairs.cost_BNM).sum(dim=(1, 2))
        gap_B = (found_B - _dual_value(pairs, f * (pairs.epsilon_B11 / done))).abs()
        converged_B[index] = (error_B[index] <= settings.tolerance) & (
            gap_B <= settings.tolerance * found_B.abs() + 1e-6
        )
    return Solution(plan_BNM, error_B, iterations_B, converged_B)


def _pairs(cost_BNM: torch.Tensor, source_BN: torch.Tensor, target_BM: torch.Tensor, epsilon: float) -> _Pairs:
    source_B1N, target_B1M = source_BN[:, None, :], target_BM[:, None, :]
    empty_N, empty_M = source_B1N == 0, target_B1M == 0
    padding_N, padding_M = empty_N.to(cost_BNM.dtype), empty_M.to(cost_BNM.dtype)
    masses = (source_B1N + padding_N, target_B1M + padding_M, padding_N, padding_M)
    pairs = _Pairs(cost_BNM, empty_N.mT | empty_M, *masses, epsilon_B11=torch.full_like(cost_BNM[:, :1, :1], epsilon))
    phi_BN1, psi_B1M = _duals(pairs, torch.zeros_like(source_B1N.mT))
    range_B11 = (cost_BNM - phi_BN1 - psi_B1M).masked_fill_(pairs.padding_BNM, 0.0).amax(dim=(1, 2), keepdim=True)
    return pairs._replace(epsilon_B11=(range_B11 / LONGEST_STEP).clamp(min=epsilon))


def _advance(
    pairs: _Pairs, f_BN1: torch.Tensor, g_B1M: torch.Tensor, done: int, steps: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Take `steps` proximal steps and return the new potentials.

    The cost is reduced by a feasible dual first, C - phi - psi >= 0 with a 0 in every row and column, which changes no
    plan and keeps the scalings u and v in range.
    """
    phi_BN1, psi_B1M = _duals(pairs, f_BN1 * (pairs.epsilon_B11 / max(done, 1)))
    kernel_BNM = _plan(pairs, f_BN1, g_B1M, done)
    step_BNM = ((phi_BN1 + psi_B1M - pairs.cost_BNM) / pairs.epsilon_B11).clamp_(max=0.0).exp_()
    kernel_BMN, step_BMN = kernel_BNM.mT.contiguous(), step_BNM.mT.contiguous()
    v_B1M = torch.ones_like(pairs.target_B1M)
    growth_B1M = v_B1M  # the last inner scaling of the target side, from which the next inner problem starts
    for _ in range(steps):
        kernel_BNM *= step_BNM
        kernel_BMN *= step_BMN
        u_B1N = pairs.source_B1N / torch.baddbmm(pairs.source_padding_B1N, v_B1M * growth_B1M, kernel_BMN)
        previous_B1M = v_B1M
        v_B1M = pairs.target_B1M / torch.baddbmm(pairs.target_padding_B1M, u_B1N, kernel_BNM)
        growth_B1M = v_B1M / previous_B1M
    walked_B11 = steps / pairs.epsilon_B11
    return f_BN1 + u_B1N.log().mT + phi_BN1 * walked_B11, g_B1M + v_B1M.log() + psi_B1M * walked_B11


def _plan(pairs: _Pairs, f_BN1: torch.Tensor, g_B1M: torch.Tensor, done: int) -> torch.Tensor:
    """exp(f + g - done C / epsilon), exactly 0 at padding and below exp(LOWEST_EXPONENT)."""
    exponent_BNM = (f_BN1 + g_B1M - pairs.cost_BNM * (done / pairs.epsilon_B11)).masked_fill_(
        pairs.padding_BNM, -torch.inf
    )
    return torch.threshold_(exponent_BNM, LOWEST_EXPONENT, -torch.inf).exp_()


def _duals(pairs: _Pairs, phi_BN1: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Feasible duals near phi by two c-transforms, psi_j = min_i C_ij - phi_i and back; 0 at padding."""
    cost_BNM = pairs.cost_BNM.masked_fill(pairs.padding_BNM, torch.inf)
    psi_B1M = _finite((cost_BNM - phi_BN1).amin(dim=1, keepdim=True))
    return _finite((cost_BNM - psi_B1M).amin(dim=2, keepdim=True)), psi_B1M


def _finite(value: torch.Tensor) -> torch.Tensor:
    return torch.where(value == torch.inf, 0.0, value)


def _dual_value(pairs: _Pairs, phi_BN1: torch.Tensor) -> torch.Tensor:
    """A lower bound of the optimal cost, per pair."""
    phi_BN1, psi_B1M = _duals(pairs, phi_BN1)
    return (pairs.source_B1N * phi_BN1.mT).sum(dim=(1, 2)) + (pairs.target_B1M * psi_B1M).sum(dim=(1, 2))
