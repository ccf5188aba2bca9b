"""Checks and scales what the caller gives (costs, masks, masses) into what a solver needs.

Masks become zero mass, costs that cannot matter become 0, masses are scaled to 1.

Shapes: B pairs, N source tokens, M target tokens.
"""

import math

import torch

from optical_hf.ot.masses import uniform_mass

TOTALS_DIFFER_ABOVE = 1e-3  # relative difference of the two total masses that is no longer rounding


def check_shapes(
    cost_BNM: torch.Tensor,
    source_mask: torch.Tensor | None,
    target_mask: torch.Tensor | None,
    source_mass: torch.Tensor | None,
    target_mass: torch.Tensor | None,
) -> None:
    """Raise ValueError for anything that is wrong by shape or dtype alone (no value is read)."""
    if cost_BNM.dim() != 3 or not cost_BNM.is_floating_point():
        raise ValueError(
            f"cost_BNM: expected a float tensor with 3 dimensions (batch, source, target), got {tuple(cost_BNM.shape)} "
            f"{cost_BNM.dtype}. To fix this, add the batch dimension with cost[None] for one pair."
        )
    batch, rows, columns = cost_BNM.shape
    for name, tensor, size in (
        ("source_mask", source_mask, rows),
        ("target_mask", target_mask, columns),
        ("source_mass", source_mass, rows),
        ("target_mass", target_mass, columns),
    ):
        if tensor is not None and tuple(tensor.shape) != (batch, size):
            raise ValueError(
                f"{name}: expected shape {(batch, size)} to fit cost_BNM {tuple(cost_BNM.shape)}, got "
                f"{tuple(tensor.shape)}. To fix this, pass source_* for dimension 1 of the cost and target_* for 2."
            )
        if name.endswith("mass") and tensor is not None and not tensor.is_floating_point():
            raise ValueError(f"{name}: expected a float tensor, got {tensor.dtype}. To fix this, pass {name}.float().")


def masked_mass(
    mask: torch.Tensor | None, mass: torch.Tensor | None, like_BK: torch.Tensor, dtype: torch.dtype
) -> torch.Tensor:
    """The masses as given, 0 at padding; uniform over the real tokens where none are given."""
    mask_BK = torch.ones_like(like_BK, dtype=torch.bool) if mask is None else mask.to(torch.bool)
    if mass is None:
        return uniform_mass(mask_BK, dtype)
    return torch.where(mask_BK, mass.detach().to(dtype), 0.0)


def without_padding(cost_BNM: torch.Tensor, source_BN: torch.Tensor, target_BM: torch.Tensor) -> torch.Tensor:
    """The cost, 0 wherever a side has no mass."""
    # The outer product of 0 and 1 as floats takes a third of the time of & on masks that are spread over a batch.
    real_BN, real_BM = (source_BN > 0).to(cost_BNM.dtype), (target_BM > 0).to(cost_BNM.dtype)
    return torch.where((real_BN[:, :, None] * real_BM[:, None, :]) > 0, cost_BNM, 0.0)


def check_values(cost_BNM: torch.Tensor, source_BN: torch.Tensor, target_BM: torch.Tensor, *, balanced: bool) -> None:
    """Raise ValueError for values no solver can use, in costs that are 0 at padding. One host synchronisation if all is well."""
    source_B, target_B = source_BN.sum(dim=1), target_BM.sum(dim=1)
    lesser_B = torch.minimum(source_B, target_B)
    apart_B = ((source_B - target_B).abs() > TOTALS_DIFFER_ABOVE * lesser_B) & (lesser_B > 0)
    # A sum is finite where every term is, and cheaper than asking each.
    totals = [source_B.sum(), target_B.sum(), cost_BNM.sum(), source_BN.amin(), target_BM.amin(), apart_B.sum()]
    *sums, least_source, least_target, apart = torch.stack([total.to(cost_BNM.dtype) for total in totals]).tolist()
    if all(map(math.isfinite, sums)) and min(least_source, least_target) >= 0 and not (apart and balanced):
        return
    bad_source, bad_target = (~((x >= 0) & x.isfinite()) for x in (source_BN, target_BM))
    for name, bad, mass in (("source_mass", bad_source, source_BN), ("target_mass", bad_target, target_BM)):
        if bad.any():
            pair, token = bad.nonzero()[0].tolist()
            raise ValueError(
                f"{name}: expected finite masses >= 0, got {mass[pair, token].item()} at pair {pair}, token {token}. "
                "To fix this, clamp the weights at 0, or mask the token."
            )
    bad_cell_BNM = ~cost_BNM.isfinite()
    if bad_cell_BNM.any():
        pair, row, column = bad_cell_BNM.nonzero()[0].tolist()
        raise ValueError(
            f"cost_BNM: expected finite costs between real tokens, got {cost_BNM[pair, row, column].item()} at pair "
            f"{pair}, cell ({row}, {column}); the loss would be NaN. To fix this, mask the padding with source_mask "
            "and target_mask, and look for a NaN in the embeddings."
        )
    if not (apart and balanced):  # finite costs whose sum is not: enormous, but no error
        return
    pair = int(apart_B.nonzero()[0])
    raise ValueError(
        f"source_mass and target_mass: a balanced solver needs equal totals, got {source_B[pair].item():.6g} and "
        f"{target_B[pair].item():.6g} at pair {pair}; a part of the mass would have nowhere to go. To fix this, "
        'normalise both with optical_hf.ot.normalise_mass, or use solver="unbalanced" or solver="partial".'
    )


def scale_masses(
    source_BN: torch.Tensor, target_BM: torch.Tensor, *, balanced: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Scale to a source total of 1, and return that total (B, 1); a pair with an empty side is empty on both.

    A balanced target is divided by its own total, which may differ by rounding; others keep their ratio to the source.
    """
    source_total_B1, target_total_B1 = source_BN.sum(dim=1, keepdim=True), target_BM.sum(dim=1, keepdim=True)
    alive_B1 = torch.minimum(source_total_B1, target_total_B1) > 0
    source_BN = torch.where(alive_B1, source_BN / source_total_B1, 0.0)
    target_BM = torch.where(alive_B1, target_BM / (target_total_B1 if balanced else source_total_B1), 0.0)
    return source_BN, target_BM, source_total_B1
