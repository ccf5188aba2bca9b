"""A linear map fitted by InfoNCE: each source vector is to be nearest to its own target, among many others.

It knows nothing about models and texts: vectors come in, a weight and a bias go out. The loss of one source vector x with
target y is, with s = normalize(W x + b) and all targets of unit length (van den Oord, Li, Vinyals 2018, arXiv:1807.03748):

    -log( exp(s . y / temperature)  /  sum over candidates c of exp(s . c / temperature) )

The candidates are the targets of the step and a sample of further negatives. A candidate equal to y is no negative.

Shapes: N rows, M negatives, B rows and R negatives of a step, C candidates of a step, D source width, K target width.
"""

from dataclasses import asdict, dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, linear, normalize
from tqdm.auto import tqdm

from optical_hf.bars import bars_shown
from optical_hf.models.alignment.alignment_ranges import check_ranges
from optical_hf.models.alignment.own_rank import SAME

TENTHS = 10


@dataclass(frozen=True)
class ContrastiveSettings:
    """How `fit_contrastive` descends.

    Args:
        temperature: of the softmax over cosines.
        steps: gradient steps.
        queries_per_step: rows drawn for each step; fewer where there are fewer.
        negatives: further negatives drawn for each step; all of them where there are no more.
        learning_rate: the first one, of Adam; it decays to 0 along a cosine. For a map between unit vectors.
        seed: of the rows drawn.

    Raises:
        ValueError: for a number out of its range.
    """

    temperature: float = 0.05
    steps: int = 600
    queries_per_step: int = 512
    negatives: int = 2048
    learning_rate: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        numbers = asdict(self)
        numbers.pop("seed")
        check_ranges(**numbers)


class ContrastiveMap(NamedTuple):
    """The fitted map, and the mean loss in each tenth of the steps."""

    weight_KD: Tensor
    bias_K: Tensor | None
    loss: list[float]


def fit_contrastive(
    source_ND: Tensor,
    target_NK: Tensor,
    negatives_MK: Tensor,
    start: tuple[Tensor, Tensor | None],
    settings: ContrastiveSettings | None = None,
    *,
    progress: bool = False,
) -> ContrastiveMap:
    """The linear map under which source vectors retrieve their targets, fitted by InfoNCE.

    Lengths do not matter: sources and mapped vectors are brought to a mean length of 1 for the fit, and back after it.

    Args:
        source_ND: vectors to be mapped.
        target_NK: the target of each, of any length above 0.
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
        >>> loss = fit_contrastive(x, y, y, start, ContrastiveSettings(steps=100)).loss
        >>> loss[-1] < loss[0]
        True
    """
    weight_KD, bias_K = start
    _check(source_ND, target_NK, negatives_MK, weight_KD, bias_K)
    target_NK, pool_MK = (normalize(rows.detach().float(), dim=1) for rows in (target_NK, negatives_MK))
    if bool((torch.cat([target_NK, pool_MK]) @ target_NK[0] >= SAME).all()):
        raise ValueError("all targets are one vector: pass pairs of at least two different English texts")
    source_ND = source_ND.detach().float()
    length_in = _mean_length(source_ND)
    source_ND = source_ND / length_in
    scaled = [weight_KD.detach().float() * length_in, *([] if bias_K is None else [bias_K.detach().float()])]
    length_out = _mean_length(linear(source_ND, *scaled))
    parameters = [tensor / length_out for tensor in scaled]
    losses = _descend(source_ND, target_NK, pool_MK, parameters, settings or ContrastiveSettings(), progress)
    found = [tensor.detach() * length_out for tensor in parameters]
    if not all(bool(tensor.isfinite().all()) for tensor in found):
        raise ValueError("the fitted map is not finite: lower learning_rate, or raise temperature")
    tenths = [float(part.mean()) for part in torch.tensor(losses).tensor_split(TENTHS) if len(part)]
    bias_K = None if bias_K is None else found[1].to(bias_K)
    return ContrastiveMap((found[0] / length_in).to(weight_KD), bias_K, tenths)


def _descend(
    source_ND: Tensor,
    target_NK: Tensor,
    pool_MK: Tensor,
    parameters: list[Tensor],
    settings: ContrastiveSettings,
    progress: bool,
) -> list[float]:
    """Move `parameters`, weight and bias, in place by Adam; returns the loss of each step."""
    generator = torch.Generator().manual_seed(settings.seed)
    optimizer = torch.optim.Adam([tensor.requires_grad_() for tensor in parameters], lr=settings.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.steps)
    losses: list[float] = []
    for _ in tqdm(range(settings.steps), desc="Contrastive map", disable=not bars_shown(progress)):
        row_B = _draw(len(source_ND), settings.queries_per_step, generator).to(source_ND.device)
        wrong_RK = pool_MK[_draw(len(pool_MK), settings.negatives, generator).to(pool_MK.device)]
        with torch.enable_grad():
            mapped_BK = linear(source_ND[row_B], *parameters)
            loss = info_nce(mapped_BK, target_NK[row_B], wrong_RK, settings.temperature)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        losses.append(float(loss.detach()))
    return losses


def info_nce(mapped_BK: Tensor, target_BK: Tensor, wrong_RK: Tensor, temperature: float) -> Tensor:
    """The mean InfoNCE loss of mapped vectors; targets and negatives are of unit length.

    Example:
        >>> one = torch.eye(2)
        >>> round(float(info_nce(one, one, one, 1.0)), 3)      # log(1 + 2 / e): a copy of the own target is no negative
        0.551
    """
    candidate_CK = torch.cat([target_BK, wrong_RK])
    own_B = torch.arange(len(target_BK), device=target_BK.device)
    same_BC = target_BK @ candidate_CK.T >= SAME
    same_BC[own_B, own_B] = False
    score_BC = normalize(mapped_BK, dim=1) @ candidate_CK.T / temperature
    return cross_entropy(score_BC.masked_fill(same_BC, -torch.inf), own_B)


def _draw(count: int, wanted: int, generator: torch.Generator) -> Tensor:
    """Row numbers below `count`, `wanted` different ones at random; all in order where there are no more."""
    return torch.arange(count) if count <= wanted else torch.randperm(count, generator=generator)[:wanted]


def _mean_length(rows_ND: Tensor) -> float:
    return float(rows_ND.norm(dim=1).mean().clamp(min=1e-12))


def _check(
    source_ND: Tensor, target_NK: Tensor, negatives_MK: Tensor, weight_KD: Tensor, bias_K: Tensor | None
) -> None:
    if not len(source_ND) or len(source_ND) != len(target_NK):
        raise ValueError(f"{len(source_ND)} sources and {len(target_NK)} targets: expected as many, and at least one")
    width_out, width_in = weight_KD.shape
    found = (source_ND.shape[1], target_NK.shape[1], negatives_MK.shape[1])
    if found != (width_in, width_out, width_out):
        raise ValueError(
            f"sources, targets and negatives are {', '.join(map(str, found))} wide, the start maps {width_in} to {width_out}: "
            "pass vectors of these widths"
        )
    given = {"source": source_ND, "target": target_NK, "negatives": negatives_MK, "start": weight_KD}
    given |= {} if bias_K is None else {"start's bias": bias_K.unsqueeze(0)}
    for name, rows in given.items():
        bad = int((~rows.isfinite().all(dim=1)).sum())
        if bad:
            raise ValueError(
                f"{bad} of {len(rows)} rows of the {name} are NaN or infinite: check the model they come from"
            )
