"""Sinkhorn in the log domain: slow and unbreakable, the place where the kernel form sends what it cannot hold.

Knows nothing about masks (zero mass is padding). Cuturi 2013; the alternation of soft c-transforms
f_i <- f_i + eps (log a_i - logsumexp_j (f_i + g_j - C_ij) / eps), then g alike.

Shapes: B pairs, N source tokens, M target tokens. All potentials here are in units of epsilon.
"""

import torch

from optical_hf.ot.state import Settings, Solution, marginal_error

CHECK_EVERY = 20


def solve_log_sinkhorn(
    cost_BNM: torch.Tensor, source_BN: torch.Tensor, target_BM: torch.Tensor, settings: Settings
) -> Solution:
    """Entropic plan by log-domain Sinkhorn; see `optical_hf.ot.solve` for the contract."""
    logits_BNM = cost_BNM / -settings.epsilon
    log_a_BN1, log_b_B1M = source_BN.log()[:, :, None], target_BM.log()[:, None, :]
    f_BN1 = torch.where(source_BN[:, :, None] > 0, 0.0, log_a_BN1)  # -inf at zero mass: its row of the plan is 0
    g_B1M = torch.where(target_BM[:, None, :] > 0, 0.0, log_b_B1M)
    iterations_B = torch.zeros(len(cost_BNM), dtype=torch.int64, device=cost_BNM.device)
    open_B = torch.ones_like(iterations_B, dtype=torch.bool)
    for start in range(0, settings.max_iterations, CHECK_EVERY):
        steps = min(CHECK_EVERY, settings.max_iterations - start)
        for _ in range(steps):
            f_BN1 = _transform(logits_BNM + g_B1M, log_a_BN1, dim=2)
            g_B1M = _transform(logits_BNM + f_BN1, log_b_B1M, dim=1)
        iterations_B += steps * open_B
        plan_BNM = (logits_BNM + f_BN1 + g_B1M).exp()
        error_B = marginal_error(plan_BNM, source_BN, target_BM)
        open_B = open_B & (error_B > settings.tolerance)
        if not open_B.any():
            break
    return Solution(plan_BNM, error_B, iterations_B, error_B <= settings.tolerance)


def _transform(logits_BNM: torch.Tensor, log_mass: torch.Tensor, dim: int) -> torch.Tensor:
    """Soft c-transform; an empty pair has nothing to sum, and its potential stays -inf instead of NaN."""
    total = logits_BNM.logsumexp(dim=dim, keepdim=True)
    return torch.where(log_mass == -torch.inf, -torch.inf, log_mass - total)
