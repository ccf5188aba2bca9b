"""Where a plan leads each token: the barycentre of the target tokens, and how much it can be relied on.

Shapes: B pairs, N source tokens, M target tokens, K target width.
"""

from typing import NamedTuple

from torch import Tensor
from torch.nn.functional import normalize


class Barycentres(NamedTuple):
    """The target of each source token, (B, N, K), and its weight in a regression, (B, N)."""

    target_BNK: Tensor
    weight_BN: Tensor


def barycentres(plan_BNM: Tensor, target_BMK: Tensor) -> Barycentres:
    """The barycentre of the target tokens that each row of a plan leads to.

    An average of vectors is shorter than they are: a barycentre keeps its direction and takes their mean length. A token spread
    over many others says little about where it belongs: its weight is the largest entry of its row.

    Example:
        >>> import torch
        >>> found = barycentres(torch.tensor([[[0.5, 0.5]]]), torch.tensor([[[2.0, 0.0], [0.0, 2.0]]]))
        >>> round(found.target_BNK.square().sum().item(), 3), found.weight_BN.item()
        (4.0, 0.5)
    """
    mass_BN1 = plan_BNM.sum(dim=2, keepdim=True).clamp(min=1e-30)
    length_BN1 = plan_BNM @ target_BMK.norm(dim=-1, keepdim=True) / mass_BN1
    return Barycentres(normalize(plan_BNM @ target_BMK, dim=-1) * length_BN1, plan_BNM.amax(dim=2))
