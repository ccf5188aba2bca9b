"""What to read off a plan: where each source token lands, and which word is whose translation.

Shapes: B pairs, N source tokens, M target tokens, D width.
"""

from typing import Literal

import torch


def barycentric_map(plan_BNM: torch.Tensor, target_BMD: torch.Tensor) -> torch.Tensor:
    """Send each source token to the mean of the target tokens, weighted by the plan.

    `z_i = sum_j P_ij t_j / sum_j P_ij`, 0 where a source token moves nothing.

    Args:
        plan_BNM: (B, N, M) plan of `solve`.
        target_BMD: (B, M, D) target tokens; those that receive nothing (padding) may hold anything.

    Returns:
        (B, N, D) images of the source tokens, in the dtype of the plan.

    Source:
        Ferradans et al. 2014 (arXiv:1307.5551), section 2.

    Example:
        >>> barycentric_map(torch.tensor([[[0.25, 0.75], [0.0, 0.0]]]), torch.tensor([[[4.0], [8.0]]]))[0]
        tensor([[7.],
                [0.]])
    """
    used_BM1 = (plan_BNM.sum(dim=1) > 0)[:, :, None]
    target_BMD = torch.where(used_BM1, target_BMD.to(plan_BNM.dtype), 0.0)
    moved_BN1 = plan_BNM.sum(dim=2, keepdim=True)
    return torch.bmm(plan_BNM, target_BMD) / torch.where(moved_BN1 > 0, moved_BN1, 1.0)


def hard_alignment(
    plan_BNM: torch.Tensor,
    method: Literal["intersection", "union", "source", "target"] = "intersection",
) -> torch.Tensor:
    """Turn a plan into word alignment links.

    A source token links to the target token that gets most of its mass ("source"), a target token to the source token
    that gives it most ("target"); "intersection" keeps the links both sides choose, "union" all of them.

    Args:
        plan_BNM: (B, N, M) plan of `solve`.
        method: which links to keep.

    Returns:
        (B, N, M) bool links; none at padding.

    Raises:
        ValueError: an unknown method.

    Source:
        Och and Ney 2003 for the symmetrisation.

    Example:
        >>> hard_alignment(torch.tensor([[[0.4, 0.1], [0.3, 0.2]]]))[0]
        tensor([[ True, False],
                [False, False]])
    """
    by_source, by_target = _best(plan_BNM, 2), _best(plan_BNM, 1)
    links = {
        "intersection": by_source & by_target,
        "union": by_source | by_target,
        "source": by_source,
        "target": by_target,
    }
    if method not in links:
        raise ValueError(f"method: expected one of {', '.join(links)}, got {method!r}.")
    return links[method]


def _best(plan_BNM: torch.Tensor, dim: int) -> torch.Tensor:
    """The one largest cell of every row (dim 2) or column (dim 1) that moves anything."""
    best = torch.zeros_like(plan_BNM, dtype=torch.bool)
    best.scatter_(dim, plan_BNM.argmax(dim=dim, keepdim=True), True)
    return best & (plan_BNM > 0)
