"""Gradient steps of a linear map, by Adam, from a start.

It knows nothing about the loss: it maps what the loss asks for. For the steps, sources and mapped vectors have a mean length of 1,
so that one learning rate suits every model; the map that comes out is between vectors as they are.

Shapes: Q vectors, D source width, K target width.
"""

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import linear
from tqdm.auto import tqdm

from optical_hf.bars import bars_shown
from optical_hf.models.alignment.contrastive_map import TENTHS, ContrastiveMap, ContrastiveSettings

Mapping: TypeAlias = Callable[[Tensor], Tensor]


def descend(
    start: tuple[Tensor, Tensor | None],
    source_QD: Tensor,
    loss_of: Callable[[Mapping, torch.Generator], Tensor],
    settings: ContrastiveSettings,
    *,
    label: str,
    progress: bool,
) -> ContrastiveMap:
    """The map after the steps, in the dtype of the start, and the mean loss in each tenth of them.

    Args:
        start: weight (K, D) and bias (K,); without a bias none is fitted.
        source_QD: vectors that the mean lengths are taken from.
        loss_of: the loss of one step. It gets the map, from (Q, D) to (Q, K), and the generator that draws its rows.
        settings: `steps`, `learning_rate` and `seed`.
        label: of the progress bar.
        progress: show it.

    Raises:
        ValueError: where the map is no longer finite.
    """
    weight_KD, bias_K = start
    length_in = _mean_length(source_QD)
    scaled = [weight_KD.detach().float() * length_in, *([] if bias_K is None else [bias_K.detach().float()])]
    length_out = _mean_length(linear(source_QD / length_in, *scaled))
    parameters = [(tensor / length_out).requires_grad_() for tensor in scaled]
    generator = torch.Generator().manual_seed(settings.seed)
    optimizer = torch.optim.Adam(parameters, lr=settings.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.steps)
    losses: list[float] = []
    for _ in tqdm(range(settings.steps), desc=label, disable=not bars_shown(progress)):
        with torch.enable_grad():
            loss = loss_of(lambda rows_QD: linear(rows_QD / length_in, *parameters), generator)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        losses.append(float(loss.detach()))
    found = [tensor.detach() * length_out for tensor in parameters]
    if not all(bool(tensor.isfinite().all()) for tensor in found):
        raise ValueError("the fitted map is not finite: lower learning_rate, or raise temperature")
    tenths = [float(part.mean()) for part in torch.tensor(losses).tensor_split(TENTHS) if len(part)]
    return ContrastiveMap((found[0] / length_in).to(weight_KD), None if bias_K is None else found[1].to(bias_K), tenths)


def _mean_length(rows_QD: Tensor) -> float:
    return float(rows_QD.norm(dim=1).mean().clamp(min=1e-12))
