"""A linear map fitted by InfoNCE: each source vector is to be nearest to its own target, among many others.

It knows nothing about models and texts: vectors come in, a weight and a bias go out. The loss of one source vector x with
target y is, with s = normalize(W x + b) and all targets of unit length (van den Oord, Li, Vinyals 2018, arXiv:1807.03748):

    -log( exp(s . y / temperature)  /  sum over candidates c of exp(s . c / temperature) )

The candidates are the targets of the step, a sample of further negatives, and for each row some that are near its target. A
candidate equal to y is no negative.

Shapes: N rows, M negatives, P shifts, B rows and R negatives of a step, C candidates of a step, H near negatives of a row, D source
width, K target width.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from optical_hf.models.alignment.hard_negatives import nearest_others
from optical_hf.models.alignment.map_descent import (
    ContrastiveMap,
    ContrastiveSettings,
    LinearMap,
    counts_of,
    descend,
    draw,
)
from optical_hf.models.alignment.own_rank import SAME

NEAR = 2
"""Of so many times the near vectors, a step draws some."""


@dataclass(frozen=True)
class ContrastiveRows:
    """Rows of one kind, such as bitext or index documents.

    Attributes:
        source_ND: vectors to be mapped.
        target_NK: the target of each, of any length above 0.
        share: of a step, in proportion to the other kinds' shares.
        shift_PD: vectors of which a random one is added to a row.
        shifted: share of the rows of a step to which that is done.
    """

    source_ND: Tensor
    target_NK: Tensor
    share: float = 1.0
    shift_PD: Tensor | None = None
    shifted: float = 0.0

    def some(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """At most `count` rows at random, some of them shifted; and their places (B,)."""
        device = self.source_ND.device
        row_B = draw(len(self.source_ND), count, generator).to(device)
        source_BD = self.source_ND[row_B]
        if self.shift_PD is not None and self.shifted:
            shifted_B1 = (torch.rand(len(row_B), 1, generator=generator) < self.shifted).to(device)
            other_B = torch.randint(len(self.shift_PD), (len(row_B),), generator=generator).to(device)
            source_BD = source_BD + shifted_B1 * self.shift_PD[other_B]
        return source_BD, row_B


def fit_contrastive(
    rows: Sequence[ContrastiveRows],
    negatives_MK: Tensor,
    start: tuple[Tensor, Tensor | None],
    settings: ContrastiveSettings | None = None,
    *,
    progress: bool = False,
) -> ContrastiveMap:
    """The linear map under which source vectors retrieve their targets, fitted by InfoNCE.

    Lengths do not matter: sources and mapped vectors are brought to a mean length of 1 for the fit, and back after it.

    Args:
        rows: at least one kind of rows; each step takes its share of each kind.
        negatives_MK: vectors that are wrong for most rows; may be empty, and may hold the targets.
        start: weight (K, D) and bias (K,) to begin with; without a bias none is fitted.
        settings: temperature, steps and the like; None is `ContrastiveSettings()`.
        progress: show a progress bar.

    Returns:
        A `ContrastiveMap` in the dtype of the start.

    Raises:
        ValueError: for shapes that do not fit, values that are not finite, no rows, or targets that are all the same.

    Example:
        >>> x = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
        >>> y = x[:, :3] + x[:, 1:]
        >>> start = torch.eye(3, 4), torch.zeros(3)
        >>> loss = fit_contrastive([ContrastiveRows(x, y)], y, start, ContrastiveSettings(steps=100)).loss
        >>> loss[-1] < loss[0]
        True
    """
    settings = settings or ContrastiveSettings()
    _check(rows, negatives_MK, *start)
    rows = [_in_float32(kind) for kind in rows]
    pool_MK = normalize(negatives_MK.detach().float(), dim=1)
    first_K = rows[0].target_NK[0]
    if all(bool((kind @ first_K >= SAME).all()) for kind in (pool_MK, *(kind.target_NK for kind in rows))):
        raise ValueError("all targets are one vector: pass at least two different English texts")
    counts = counts_of([kind.share for kind in rows], settings.queries_per_step)
    hard = min(settings.hard_negatives, len(pool_MK))
    near = [nearest_others(kind.target_NK, pool_MK, NEAR * hard) for kind in rows] if hard else []

    def loss_of(mapped: LinearMap, generator: torch.Generator) -> Tensor:
        sources, places = zip(
            *(kind.some(count, generator) for kind, count in zip(rows, counts, strict=True)), strict=True
        )
        target_BK = torch.cat([kind.target_NK[row_B] for kind, row_B in zip(rows, places, strict=True)])
        wrong_R, near_BHK = draw(len(pool_MK), settings.negatives, generator).to(pool_MK.device), None
        if near:
            near_BH = torch.cat([near_NH[row_B] for near_NH, row_B in zip(near, places, strict=True)])
            near_BHK = pool_MK[near_BH[:, torch.randperm(near_BH.shape[1], generator=generator)[:hard]]]
        return info_nce(mapped(torch.cat(sources)), target_BK, pool_MK[wrong_R], settings.temperature, near_BHK)

    source_ND = torch.cat([kind.source_ND for kind in rows])
    return descend(start, source_ND, loss_of, settings, label="Contrastive map", progress=progress)


def info_nce(
    mapped_BK: Tensor, target_BK: Tensor, wrong_RK: Tensor, temperature: float, near_BHK: Tensor | None = None
) -> Tensor:
    """The mean InfoNCE loss of mapped vectors; targets and negatives are of unit length.

    Args:
        mapped_BK: the map's vectors.
        target_BK: theirs; negatives of each other.
        wrong_RK: negatives of all; those that are the target of a row are none of this row.
        temperature: of the softmax.
        near_BHK: further negatives of each row alone.

    Example:
        >>> one = torch.eye(2)
        >>> round(float(info_nce(one, one, one, 1.0)), 3)      # log(1 + 2 / e): a copy of the own target is no negative
        0.551
    """
    candidate_CK = torch.cat([target_BK, wrong_RK])
    own_B = torch.arange(len(target_BK), device=target_BK.device)
    same_BC = target_BK @ candidate_CK.T >= SAME
    same_BC[own_B, own_B] = False
    unit_BK = normalize(mapped_BK, dim=1)
    score_BC = (unit_BK @ candidate_CK.T).masked_fill(same_BC, -torch.inf)
    if near_BHK is not None:
        near_BH, same_BH = ((near_BHK @ one_BK.unsqueeze(2)).squeeze(2) for one_BK in (unit_BK, target_BK))
        score_BC = torch.cat([score_BC, near_BH.masked_fill(same_BH >= SAME, -torch.inf)], dim=1)
    return cross_entropy(score_BC / temperature, own_B)


def _in_float32(kind: ContrastiveRows) -> ContrastiveRows:
    """Rows without gradient, their targets of length 1."""
    shift_PD = None if kind.shift_PD is None else kind.shift_PD.detach().float()
    target_NK = normalize(kind.target_NK.detach().float(), dim=1)
    return replace(kind, source_ND=kind.source_ND.detach().float(), target_NK=target_NK, shift_PD=shift_PD)


def _check(rows: Sequence[ContrastiveRows], negatives_MK: Tensor, weight_KD: Tensor, bias_K: Tensor | None) -> None:
    if not rows:
        raise ValueError("there are no rows to fit on: pass at least one kind of rows")
    width_out, width_in = weight_KD.shape
    given = [("negatives", negatives_MK), ("start", weight_KD)]
    given += [] if bias_K is None else [("start's bias", bias_K.unsqueeze(0))]
    for kind in rows:
        count, targets = len(kind.source_ND), len(kind.target_NK)
        if not count or count != targets:
            raise ValueError(f"{count} sources and {targets} targets: expected as many, and at least one")
        found = (kind.source_ND.shape[1], kind.target_NK.shape[1], negatives_MK.shape[1])
        if found != (width_in, width_out, width_out):
            raise ValueError(
                f"sources, targets and negatives are {', '.join(map(str, found))} wide, the start maps {width_in} to "
                f"{width_out}: pass vectors of these widths"
            )
        given += [("source", kind.source_ND), ("target", kind.target_NK)]
        given += [] if kind.shift_PD is None else [("shifts", kind.shift_PD)]
    for name, vectors in given:
        bad = int((~vectors.isfinite().all(dim=1)).sum())
        if bad:
            raise ValueError(
                f"{bad} of {len(vectors)} rows of the {name} are NaN or infinite: check the model they come from"
            )
