"""How much each token weighs in the transport: uniform over the real tokens of its sequence.

Knows nothing about costs or solvers. Every function returns rows that sum to 1, or to 0 where no token is left.

Shapes: B pairs, N tokens.
"""

import torch


def uniform_mass(mask_BN: torch.Tensor, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Give every real token of a sequence the same mass, as OPTICAL does.

    `mass_i = mask_i / sum_k mask_k`

    Args:
        mask_BN: (B, N) bool, True = real token.
        dtype: dtype of the masses.

    Returns:
        (B, N) masses; each row sums to 1, a row without real tokens is all 0.

    Example:
        >>> uniform_mass(torch.tensor([[True, True, False], [False, False, False]]))
        tensor([[0.5000, 0.5000, 0.0000],
                [0.0000, 0.0000, 0.0000]])
    """
    return normalise_mass(torch.ones(mask_BN.shape, dtype=dtype, device=mask_BN.device), mask_BN)


def normalise_mass(weight_BN: torch.Tensor, mask_BN: torch.Tensor) -> torch.Tensor:
    """Scale non-negative token weights so that the real tokens of each sequence sum to 1.

    Args:
        weight_BN: (B, N) non-negative weights; whatever stands at padding is ignored, NaN included.
        mask_BN: (B, N) bool, True = real token.

    Returns:
        (B, N) masses; a row whose real weights are all 0 falls back to uniform over its real tokens.

    Example:
        >>> normalise_mass(torch.tensor([[1.0, 3.0, 9.0]]), torch.tensor([[True, True, False]]))
        tensor([[0.2500, 0.7500, 0.0000]])
    """
    weight_BN = torch.where(mask_BN, weight_BN, 0.0)
    total_B1 = weight_BN.sum(dim=1, keepdim=True)
    weight_BN = torch.where(total_B1 > 0, weight_BN, mask_BN.to(weight_BN.dtype))
    total_B1 = weight_BN.sum(dim=1, keepdim=True)
    return weight_BN / torch.where(total_B1 > 0, total_B1, 1.0)
