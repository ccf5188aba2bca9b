"""One damped Newton step on the dual of balanced entropic transport, for the few pairs on which Sinkhorn crawls.

With potentials f, g in units of epsilon and r, c the marginals of the plan P, the step solves
    [diag(r)  P ; P'  diag(c)] [df ; dg] = [a - r ; b - c]
by the Cholesky factor of its Schur complement, and is shortened where it is too long for the quadratic model (Brauer,
Clason, Lorenz, Wirth 2017, arXiv:1710.06635). Near the optimum the error is squared at every step, where Sinkhorn only
multiplies it by a number close to 1.

Shapes: B pairs, N source tokens, M target tokens.
"""

import torch

LONGEST = 4.0  # of a step, in units of epsilon: no entry of the plan changes by more than exp(2 * LONGEST)
RIDGE = 1e-6  # relative, so that the factor exists in float32 where the plan all but falls apart into blocks


def newton_step(
    plan_BNM: torch.Tensor, source_BN: torch.Tensor, target_BM: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return df (B, N) and dg (B, M), 0 at padding and where no factor exists."""
    rows_BN, columns_BM = plan_BNM.sum(dim=2), plan_BNM.sum(dim=1)
    missing_BN, missing_BM = source_BN - rows_BN, target_BM - columns_BM
    rows_BN, columns_BM = rows_BN + (source_BN == 0), columns_BM + (target_BM == 0)  # padding reads 1 * df = 0
    ratio_BNM = plan_BNM / columns_BM[:, None, :]
    schur_BNN = torch.baddbmm(torch.diag_embed(rows_BN * (1 + RIDGE)), ratio_BNM, plan_BNM.mT, alpha=-1)
    schur_BNN += source_BN[:, :, None] * source_BN[:, None, :]  # f + t, g - t is the same plan: fix the sum
    factor_BNN, failed_B = torch.linalg.cholesky_ex(schur_BNN)
    right_BN1 = missing_BN[:, :, None] - torch.bmm(ratio_BNM, missing_BM[:, :, None])
    df_BN = torch.cholesky_solve(right_BN1, factor_BNN)[:, :, 0]
    dg_BM = (missing_BM - torch.bmm(df_BN[:, None, :], plan_BNM)[:, 0]) / columns_BM
    longest_B1 = torch.maximum(df_BN.abs().amax(dim=1), dg_BM.abs().amax(dim=1))[:, None]
    usable_B1 = (failed_B[:, None] == 0) & longest_B1.isfinite()
    length_B1 = LONGEST / longest_B1.clamp(min=LONGEST)
    return torch.where(usable_B1, df_BN * length_B1, 0.0), torch.where(usable_B1, dg_BM * length_B1, 0.0)
