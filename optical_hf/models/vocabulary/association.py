"""Which pieces of two languages correspond, by optimal transport between the pieces of translated pairs; no model is read.

Plans and associations take turns. From couplings P of all pairs, A_zw = sum P_zw over their tokens; pieces are near where
a_zw = A_zw / sqrt(A_z. A_.w) is large; the plans of the next round minimise <P, 1 - a> with entropy epsilon. It starts from
P = a b^T, that is from co-occurrence. The marginals make pieces compete for each other, as words do in the alignment models of
Brown et al. 1993 and Melamed 2000, here with a plan in the place of expectations.

Shapes: B pairs, N target pieces, M English pieces, Z target vocabulary, W English vocabulary.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from tqdm.auto import tqdm

from optical_hf.bars import bars_shown
from optical_hf.ot import solve
from optical_hf.ot.masses import uniform_mass

LARGEST = 2**30  # numbers in the matrix of associations at most: 4 GiB
FEWEST = 1e-12

Ids = Sequence[Sequence[int]]


def associate(
    target: Ids, english: Ids, *, rounds: int = 4, epsilon: float = 0.05, batch_size: int = 256, progress: bool = False
) -> Tensor:
    """Coupled mass of every target piece with every English piece, summed over the pairs.

    Args:
        target: the pieces of each target text, numbered from 0.
        english: those of its translation, numbered from 0.
        rounds: rounds of plans after the start from co-occurrence; 0 returns the co-occurrence.
        epsilon: entropic regularisation of the plans, in units of 1 - a.
        batch_size: pairs transported together.
        progress: show a progress bar.

    Returns:
        (Z, W) float32; row z over its sum is what piece z stands for.

    Raises:
        ValueError: where the two vocabularies are too large for a dense matrix.

    Example:
        >>> mass = associate([[0, 1], [0, 2], [1, 2]], [[0, 1], [0, 2], [1, 2]])
        >>> mass.argmax(dim=1)
        tensor([0, 1, 2])
    """
    shape = (_largest(target) + 1, _largest(english) + 1)
    if shape[0] * shape[1] > LARGEST:
        raise ValueError(
            f"{shape[0]:,} target pieces by {shape[1]:,} English pieces are too many to associate (a matrix of "
            f"{shape[0] * shape[1] * 4:,} bytes): learn fewer pieces, or from less bitext"
        )
    mass_ZW: Tensor | None = None
    for number in range(rounds + 1):
        near_ZW = None if mass_ZW is None else mass_ZW / _margins(mass_ZW)
        mass_ZW = torch.zeros(shape)
        batches = tqdm(
            list(_batches(target, english, batch_size)),
            desc=f"Aligning pieces {number}",
            disable=not bars_shown(progress),
        )
        for target_BN, english_BM in batches:
            plan_BNM = _plans(target_BN, english_BM, near_ZW, epsilon)
            place_BNM = target_BN.clamp(min=0).unsqueeze(2) * shape[1] + english_BM.clamp(min=0).unsqueeze(1)
            mass_ZW.view(-1).index_add_(0, place_BNM.flatten(), plan_BNM.flatten())
    assert mass_ZW is not None
    return mass_ZW


def _plans(target_BN: Tensor, english_BM: Tensor, near_ZW: Tensor | None, epsilon: float) -> Tensor:
    target_mask_BN, english_mask_BM = target_BN >= 0, english_BM >= 0
    if near_ZW is None:
        return uniform_mass(target_mask_BN).unsqueeze(2) * uniform_mass(english_mask_BM).unsqueeze(1)
    cost_BNM = 1 - near_ZW[target_BN.clamp(min=0).unsqueeze(2), english_BM.clamp(min=0).unsqueeze(1)]
    return solve(cost_BNM, target_mask_BN, english_mask_BM, epsilon=epsilon).plan


def _margins(mass_ZW: Tensor) -> Tensor:
    return (mass_ZW.sum(dim=1, keepdim=True) * mass_ZW.sum(dim=0, keepdim=True)).sqrt().clamp(min=FEWEST)


def _largest(ids: Ids) -> int:
    return max((max(row) for row in ids if row), default=-1)


def _batches(target: Ids, english: Ids, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Pairs of like length together, -1 where there is no piece; pairs with an empty side are left out."""
    full = [i for i in range(len(target)) if len(target[i]) and len(english[i])]
    full.sort(key=lambda i: len(target[i]))
    for start in range(0, len(full), batch_size):
        part = full[start : start + batch_size]
        yield _padded([target[i] for i in part]), _padded([english[i] for i in part])


def _padded(rows: Ids) -> Tensor:
    return torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=-1)
