"""What it costs to move one token onto another: cosine distance.

Padding is filled with 0 before any arithmetic, so that NaN or inf under a mask
ends here, in value and in gradient.

Shapes: B pairs, N source tokens, M target tokens, D width.
"""

import torch


def cosine_cost(
    source_BND: torch.Tensor,
    target_BMD: torch.Tensor,
    source_mask: torch.Tensor | None = None,
    target_mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """Cosine distance between every source and every target token of a pair.

    `C_ij = 1 - <s_i, t_j> / (|s_i| |t_j|)`; a zero vector has similarity 0.

    Args:
        source_BND: (B, N, D) source (student) tokens; bfloat16 and float16 are computed in float32.
        target_BMD: (B, M, D) target (teacher) tokens.
        source_mask: (B, N) bool, True = real token; `None`: all real.
        target_mask: (B, M) bool, likewise.

    Returns:
        (B, N, M) costs, in [0, 2] up to rounding; 0 at padding, with gradient 0 there.

    Raises:
        ValueError: shapes or dtypes that do not fit, with the argument's name and the fix.

    Source:
        Huang, Yu, Allan, WSDM 2023 (arXiv:2301.12566), section 3.

    Example:
        >>> cosine_cost(torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[0.0, 2.0], [3.0, 0.0]]]))
        tensor([[[1., 0.]]])
    """
    source_BND, target_BMD, source_mask, target_mask = _prepare(source_BND, target_BMD, source_mask, target_mask)
    with torch.autocast(source_BND.device.type, enabled=False):
        cost_BNM = 1.0 - torch.bmm(_normalise(source_BND), _normalise(target_BMD).mT)
        return torch.where(source_mask[:, :, None] & target_mask[:, None, :], cost_BNM, 0.0)


def _normalise(tokens_BND: torch.Tensor) -> torch.Tensor:
    """Unit vectors; a zero vector stays zero with gradient 0. Divided by the largest entry first: squares underflow."""
    largest_BN1 = tokens_BND.detach().abs().amax(dim=-1, keepdim=True)
    zero_BN1 = largest_BN1 == 0
    tokens_BND = tokens_BND / torch.where(zero_BN1, 1.0, largest_BN1)
    square_BN1 = torch.where(zero_BN1, 1.0, tokens_BND.square().sum(dim=-1, keepdim=True))
    return torch.where(zero_BN1, 0.0, tokens_BND * square_BN1.rsqrt())


def _prepare(
    source_BND: torch.Tensor,
    target_BMD: torch.Tensor,
    source_mask: torch.Tensor | None,
    target_mask: torch.Tensor | None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Check the shapes, widen the dtype to float32 at least, and put 0 at padding."""
    for name, tokens in (("source", source_BND), ("target", target_BMD)):
        if tokens.dim() != 3 or not tokens.is_floating_point():
            raise ValueError(
                f"{name} tokens: expected a float tensor (batch, tokens, width), got {tuple(tokens.shape)} "
                f"{tokens.dtype}. To fix this, pass token embeddings, not pooled vectors."
            )
    if source_BND.shape[0] != target_BMD.shape[0] or source_BND.shape[2] != target_BMD.shape[2]:
        raise ValueError(
            f"source tokens {tuple(source_BND.shape)} and target tokens {tuple(target_BMD.shape)} must agree in batch "
            "and width. To fix this, project the student to the teacher's width first."
        )
    dtype = torch.promote_types(torch.promote_types(source_BND.dtype, target_BMD.dtype), torch.float32)
    source_BND, source_mask = _clean(source_BND.to(dtype), source_mask, "source_mask")
    target_BMD, target_mask = _clean(target_BMD.to(dtype), target_mask, "target_mask")
    return source_BND, target_BMD, source_mask, target_mask


def _clean(tokens_BND: torch.Tensor, mask_BN: torch.Tensor | None, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    if mask_BN is None:
        return tokens_BND, torch.ones(tokens_BND.shape[:2], dtype=torch.bool, device=tokens_BND.device)
    if mask_BN.shape != tokens_BND.shape[:2]:
        raise ValueError(
            f"{name}: expected shape {tuple(tokens_BND.shape[:2])} (batch, tokens), got {tuple(mask_BN.shape)}. "
            "To fix this, pass the attention mask of the same batch."
        )
    mask_BN = mask_BN.to(torch.bool)
    return torch.where(mask_BN[:, :, None], tokens_BND, 0.0), mask_BN
