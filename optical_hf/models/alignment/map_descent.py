"""Gradient steps of a linear map, by Adam, from a start: the settings, the steps, and the map that comes out.

It knows nothing about the loss: it maps what the loss asks for. For the steps, sources and mapped vectors have a mean length of 1,
so that one learning rate suits every model; the map that comes out is between vectors as they are.

Shapes: Q vectors, D source width, K target width.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import linear
from tqdm.auto import tqdm

from optical_hf.bars import bars_shown
from optical_hf.models.alignment.alignment_checks import check_ranges

LinearMap: TypeAlias = Callable[[Tensor], Tensor]
TENTHS = 10


@dataclass(frozen=True)
class ContrastiveSettings:
    """How a map descends. The defaults are those of one vector a text.

    Args:
        temperature: of the softmax over cosines.
        steps: gradient steps.
        queries_per_step: rows drawn for each step; fewer where there are fewer.
        negatives: further negatives drawn for each step; all of them where there are no more.
        learning_rate: the first one, of Adam; it decays to 0 along a cosine. For a map between unit vectors.
        hard_negatives: drawn for each row of a step among the vectors nearest its target; 0 draws none. One vector a text alone.
        seed: of the rows drawn.

    Raises:
        ValueError: for a number out of its range.
    """

    temperature: float = 0.05
    steps: int = 600
    queries_per_step: int = 512
    negatives: int = 2048
    learning_rate: float = 1e-3
    hard_negatives: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        numbers = asdict(self)
        numbers.pop("seed")
        check_ranges(**numbers)

    def at_most(self, passes: int, rows: int) -> "ContrastiveSettings":
        """The same with fewer steps, where these would read the rows more often.

        Args:
            passes: over the rows.
            rows: how many there are.

        Example:
            >>> ContrastiveSettings().at_most(passes=20, rows=1024).steps
            40
        """
        return replace(self, steps=min(self.steps, -(-passes * rows // self.queries_per_step)))


class ContrastiveMap(NamedTuple):
    """The fitted map, and the mean loss in each tenth of the steps."""

    weight_KD: Tensor
    bias_K: Tensor | None
    loss: list[float]


def descend(
    start: tuple[Tensor, Tensor | None],
    source_QD: Tensor,
    loss_of: Callable[[LinearMap, torch.Generator], Tensor],
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


def draw(count: int, wanted: int, generator: torch.Generator) -> Tensor:
    """Row numbers below `count`, `wanted` different ones at random; all in order where there are no more."""
    return torch.arange(count) if count <= wanted else torch.randperm(count, generator=generator)[:wanted]


def counts_of(shares: Sequence[float], rows: int) -> list[int]:
    """How many of a step's rows are of each kind, at least one of each.

    Example:
        >>> counts_of([0.5, 0.25, 0.25], 64)
        [32, 16, 16]
    """
    return [max(1, round(rows * share / sum(shares))) for share in shares]


def _mean_length(rows_QD: Tensor) -> float:
    return float(rows_QD.norm(dim=1).mean().clamp(min=1e-12))
