"""How much each token weighs in the transport: uniform, by rarity in a corpus, or by weights of your own.

Every mass is 0 at padding and sums to 1 over the tokens of its mask, or to 0
where no token is left. `content_mask` makes the mask: real tokens without the special ones.
Masses are constants of the problem; none carries a gradient.

Shapes: B pairs, N tokens, V vocabulary.
"""

from collections.abc import Iterable

import torch


def content_mask(
    input_ids_BN: torch.Tensor,
    attention_mask_BN: torch.Tensor,
    special_ids: Iterable[int],
) -> torch.Tensor:
    """Say which tokens take part in the transport: the real ones that are not special.

    A student's [CLS] has no counterpart among the words of the teacher, and would pull mass away from them.

    Args:
        input_ids_BN: (B, N) token ids.
        attention_mask_BN: (B, N) 1 or True = real token.
        special_ids: ids left out, e.g. those of [CLS] and [SEP]. A tokenizer's `all_special_ids` also holds its
            unknown token: leave that id out of the list to keep unknown words.

    Returns:
        (B, N) bool mask for `cosine_cost`, `solve` and the masses.

    Example:
        >>> content_mask(torch.tensor([[101, 7, 102, 0]]), torch.tensor([[1, 1, 1, 0]]), [101, 102])
        tensor([[False,  True, False, False]])
    """
    mask_BN = attention_mask_BN.to(torch.bool)
    ids = torch.tensor(sorted(special_ids), dtype=input_ids_BN.dtype, device=input_ids_BN.device)
    return mask_BN & ~torch.isin(input_ids_BN, ids)


def uniform_mass(mask_BN: torch.Tensor, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Give every token the same mass, as OPTICAL does.

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
    mask_BN = mask_BN.to(torch.bool)
    return mask_BN.to(dtype) / mask_BN.sum(dim=1, keepdim=True).clamp(min=1).to(dtype)


def normalise_mass(weight_BN: torch.Tensor, mask_BN: torch.Tensor) -> torch.Tensor:
    """Scale non-negative token weights of your own so that the tokens of each mask sum to 1.

    Args:
        weight_BN: (B, N) non-negative weights; whatever stands at padding is ignored, NaN included.
        mask_BN: (B, N) bool, True = real token.

    Returns:
        (B, N) masses; a row whose real weights are all 0 falls back to uniform over its real tokens.

    Raises:
        ValueError: negative or non-finite weights of real tokens.

    Example:
        >>> normalise_mass(torch.tensor([[1.0, 3.0, 9.0]]), torch.tensor([[True, True, False]]))
        tensor([[0.2500, 0.7500, 0.0000]])
    """
    mask_BN = mask_BN.to(torch.bool)
    weight_BN = torch.where(mask_BN, weight_BN.detach().to(torch.promote_types(weight_BN.dtype, torch.float32)), 0.0)
    if not ((weight_BN >= 0) & weight_BN.isfinite()).all():
        raise ValueError(
            f"weight_BN: expected finite weights >= 0, got {weight_BN.min().item():.4g} to {weight_BN.max().item():.4g}"
            "; mass cannot be negative. To fix this, clamp the weights at 0."
        )
    total_BN1 = weight_BN.sum(dim=1, keepdim=True)
    return torch.where(total_BN1 > 0, weight_BN / total_BN1, uniform_mass(mask_BN, weight_BN.dtype))


def idf_table(corpus: Iterable[Iterable[int]], vocabulary_size: int) -> torch.Tensor:
    """Count a corpus once and say how rare each token is.

    `idf_v = ln((1 + documents) / (1 + documents with v)) + 1`, at least 1 and largest for a token never seen.

    Args:
        corpus: token ids of every document.
        vocabulary_size: V.

    Returns:
        (V,) float32 table for `idf_mass`.

    Source:
        Sparck Jones 1972, smoothed as in scikit-learn's TfidfTransformer.

    Example:
        >>> idf_table([[0, 1], [0, 0]], vocabulary_size=3)
        tensor([1.0000, 1.4055, 2.0986])
    """
    seen_V = torch.zeros(vocabulary_size)
    documents = 0
    for document in corpus:
        documents += 1
        seen_V[torch.tensor(sorted(set(document)), dtype=torch.int64)] += 1
    return ((1 + documents) / (1 + seen_V)).log() + 1


def idf_mass(input_ids_BN: torch.Tensor, mask_BN: torch.Tensor, idf_V: torch.Tensor) -> torch.Tensor:
    """Weigh each token by its rarity in a corpus.

    `mass_i = idf[id_i] / sum_k idf[id_k]` over the tokens of the mask.

    Args:
        input_ids_BN: (B, N) token ids.
        mask_BN: (B, N) bool, True = real token.
        idf_V: (V,) table from `idf_table`.

    Returns:
        (B, N) masses.

    Example:
        >>> idf_mass(torch.tensor([[0, 1]]), torch.tensor([[True, True]]), torch.tensor([1.0, 3.0]))
        tensor([[0.2500, 0.7500]])
    """
    return normalise_mass(idf_V.to(input_ids_BN.device)[input_ids_BN], mask_BN)
