"""Sinkhorn in the log domain: slow and unbreakable, the place where the kernel form sends what it cannot hold.

Zero mass is padding. Cuturi 2013, Chizat et al. 2018: the alternation of soft c-transforms
f_i <- d (log a_i - logsumexp_j (L_ij + g_j)), then g alike, with logits L = log a + log b - C / epsilon.

A Newton step follows every look, as the pairs that come here are those on which plain iterations crawl.

Shapes: B pairs, N source tokens, M target tokens. f and g are in units of epsilon.
"""

import torch

from optical_hf.ot.solvers.newton import newton_step
from optical_hf.ot.solvers.state import Settings, Solution, entropic_logits

LOOK_EVERY = 10


def solve_log_sinkhorn(
    cost_BNM: torch.Tensor, source_BN: torch.Tensor, target_BM: torch.Tensor, settings: Settings
) -> Solution:
    """Entropic plan by log-domain Sinkhorn; see `optical_hf.ot.solve` for the contract."""
    logits_BNM = entropic_logits(cost_BNM, source_BN, target_BM, settings.epsilon)
    log_a_BN1, log_b_B1M = source_BN.log()[:, :, None], target_BM.log()[:, None, :]
    damping_f, damping_g = settings.damping(settings.rho_source), settings.damping(settings.rho_target)
    f_BN1, g_B1M = torch.zeros_like(log_a_BN1), torch.zeros_like(log_b_B1M)
    iterations_B = torch.zeros(len(cost_BNM), dtype=torch.int64, device=cost_BNM.device)
    open_B = torch.ones_like(iterations_B, dtype=torch.bool)
    for start in range(0, settings.max_iterations, LOOK_EVERY):
        steps = min(LOOK_EVERY, settings.max_iterations - start)
        for _ in range(steps):
            f_BN1 = _transform(logits_BNM + g_B1M, log_a_BN1, damping_f, dim=2)
            g_B1M = _transform(logits_BNM + f_BN1, log_b_B1M, damping_g, dim=1)
        iterations_B += steps * open_B
        plan_BNM = (logits_BNM + f_BN1 + g_B1M).exp()
        change_BN1 = _transform(logits_BNM + g_B1M, log_a_BN1, damping_f, dim=2) - f_BN1
        error_B = (change_BN1.expm1() * plan_BNM.sum(dim=2, keepdim=True)).abs().sum(dim=(1, 2))
        open_B = open_B & (error_B > settings.stop_at)
        if not open_B.any():
            break
        if settings.balanced and start + steps < settings.max_iterations:  # what comes here crawls: see newton.py
            df_BN, dg_BM = newton_step(plan_BNM, source_BN, target_BM)
            f_BN1 = f_BN1 + torch.where(open_B[:, None], df_BN, 0.0)[:, :, None]
            g_B1M = g_B1M + torch.where(open_B[:, None], dg_BM, 0.0)[:, None, :]
    return Solution(plan_BNM, error_B, iterations_B, error_B <= settings.tolerance)


def _transform(logits_BNM: torch.Tensor, log_mass: torch.Tensor, damping: float, dim: int) -> torch.Tensor:
    """Soft c-transform; 0 at padding, whose logits are -inf already."""
    total = logits_BNM.logsumexp(dim=dim, keepdim=True)
    return torch.where(log_mass == -torch.inf, 0.0, damping * (log_mass - total))
