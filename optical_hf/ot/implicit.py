"""The true derivative of an entropic plan with respect to its cost, by the implicit function theorem.

At the optimum P = exp((alpha + beta - C) / epsilon) entry by entry, with marginals held by rho KL. For an upstream
gradient G on the plan, `dC = -P * (G - alpha_i - beta_j) / epsilon`, where alpha and beta solve
    (1 + epsilon / rho_s) r_i alpha_i + (P beta)_i = (P * G) 1
    (P' alpha)_j + (1 + epsilon / rho_t) c_j beta_j = (P * G)' 1
with r and c the marginals of P; rho is infinite for a marginal that is held. One Cholesky of the Schur complement of a
pair, in float64, because it is all but singular where P is all but a permutation.
Knows nothing about masks: empty rows and columns of P get derivative 0. Cuturi, Teboul, Niles-Weed, Vert 2020, sec. 3.

Shapes: B pairs, N source tokens, M target tokens.
"""

import math

import torch

RIDGE = 1e-10  # of the Schur complement, relative to the marginal: for plans that fall apart into blocks


def cost_gradient(
    plan_BNM: torch.Tensor, upstream_BNM: torch.Tensor, epsilon: float, rho_source: float, rho_target: float
) -> torch.Tensor:
    """Pull an upstream gradient on the plan back to the cost: (B, N, M)."""
    plan, upstream = plan_BNM.double(), upstream_BNM.double()
    weighted = plan * upstream
    rows_BN, columns_BM = _at_least_one(plan.sum(dim=2)), _at_least_one(plan.sum(dim=1))
    stiffness_source, stiffness_target = (0.0 if math.isinf(rho) else epsilon / rho for rho in (rho_source, rho_target))
    rows_held_BN, columns_held_BM = rows_BN * (1 + stiffness_source), columns_BM * (1 + stiffness_target)
    ratio_BNM = plan / columns_held_BM[:, None, :]
    schur_BNN = torch.diag_embed(rows_held_BN * (1 + RIDGE)) - ratio_BNM @ plan.mT
    if stiffness_source == stiffness_target == 0.0:
        schur_BNN = schur_BNN + rows_BN[:, :, None] * rows_BN[:, None, :]  # alpha + t, beta - t is the same: fix sum 0
    right_BN1 = weighted.sum(dim=2, keepdim=True) - ratio_BNM @ weighted.sum(dim=1)[:, :, None]
    alpha_BN1 = torch.cholesky_solve(right_BN1, torch.linalg.cholesky(schur_BNN))
    beta_BM1 = (weighted.sum(dim=1)[:, :, None] - plan.mT @ alpha_BN1) / columns_held_BM[:, :, None]
    gradient_BNM = plan * (upstream - alpha_BN1 - beta_BM1.mT) / -epsilon
    return gradient_BNM.to(plan_BNM.dtype)


def _at_least_one(marginal: torch.Tensor) -> torch.Tensor:
    """1 where there is no mass: the row then reads alpha = 0."""
    return torch.where(marginal > 0, marginal, 1.0)
