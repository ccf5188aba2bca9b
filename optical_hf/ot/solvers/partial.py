"""Partial transport: move a given share of the mass and leave behind what is dearest to move.

min <P, C> - epsilon H over P 1 <= a, P' 1 <= b, 1' P 1 = m, with m = share * min(|a|, |b|). A dummy token on either
side takes what stays behind (Chapel, Alaya, Gasso 2020, prop. 1); from dummy to dummy nothing may go, so exactly m
moves, and the problem is a balanced one that Sinkhorn solves. H covers the dummies too, which smooths who stays behind.
Zero mass is padding. Shapes: B pairs, N source tokens, M target tokens.
"""

import torch


def with_dummies(
    cost_BNM: torch.Tensor, source_BN: torch.Tensor, target_BM: torch.Tensor, share: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The balanced problem on (N + 1, M + 1) tokens; its plan without the last row and column is the partial plan."""
    source_B1, target_B1 = source_BN.sum(dim=1, keepdim=True), target_BM.sum(dim=1, keepdim=True)
    moved_B1 = share * torch.minimum(source_B1, target_B1)
    to_dummy_BN1 = torch.zeros_like(cost_BNM[:, :, :1])
    from_dummy_B1M = torch.zeros_like(cost_BNM[:, :1, :])
    forbidden_B11 = torch.full_like(cost_BNM[:, :1, :1], torch.inf)
    extended_BNM = torch.cat(
        [torch.cat([cost_BNM, to_dummy_BN1], dim=2), torch.cat([from_dummy_B1M, forbidden_B11], dim=2)], dim=1
    )
    source_BN = torch.cat([source_BN, _rest(target_B1, moved_B1)], dim=1)
    target_BM = torch.cat([target_BM, _rest(source_B1, moved_B1)], dim=1)
    return extended_BNM, source_BN, target_BM


def _rest(total_B1: torch.Tensor, moved_B1: torch.Tensor) -> torch.Tensor:
    """What stays behind; nothing at all rather than a rounding error, which would take endless iterations."""
    rest_B1 = total_B1 - moved_B1
    return torch.where(rest_B1 > 1e-6 * total_B1, rest_B1, 0.0)
