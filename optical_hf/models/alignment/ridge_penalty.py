"""Choose the ridge penalty: fit on all folds but one, and see how well the translations left out retrieve their English sides.

A fold is a share of the English texts. The maps come from sums alone; a sample of pooled vectors is searched. Squared error
would be cheaper, but it chooses ten times the penalty that retrieval wants (docs/log/2026-11/alignment.md).

Shapes: R rows, S rows of the sample, D student width, K teacher width.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import Literal, Protocol

import torch
from torch import Tensor
from torch.nn.functional import normalize

from optical_hf.models.alignment.own_rank import mean_reciprocal_rank
from optical_hf.models.alignment.ridge_regression import NormalEquations
from optical_hf.models.alignment.uniform_sample import UniformSample

Selection = Literal["held_out_pairs"]
PENALTIES = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
POOLED_WEIGHTS = (2.0, 8.0, 32.0, 128.0)
WORTH = 0.005  # of mean reciprocal rank: what a larger weight of the pooled vectors must gain, as it costs MaxSim
SAMPLE = 500


@dataclass
class Fold:
    """The sums of one fold and a uniform sample of its translations, of at most `SAMPLE`.

    English read as one more language is in the sums alone: what counts is whether translations are retrieved.
    """

    sums: NormalEquations
    sample: UniformSample[tuple[Tensor, Tensor, Tensor]] = field(default_factory=lambda: UniformSample(SAMPLE))

    @classmethod
    def empty(cls, width_in: int, width_out: int, device: str | torch.device = "cpu") -> "Fold":
        """A fold of maps from `width_in` to `width_out` without rows."""
        return cls(NormalEquations.zeros(width_in, width_out, device))

    def __len__(self) -> int:
        return len(self.sample.items)

    def add(self, source_RD: Tensor, target_RK: Tensor, text_R: Tensor, foreign_R: Tensor | None = None) -> None:
        """Add rows to the sums, and translations to the sample.

        Args:
            source_RD: pooled vectors of the student's backbone.
            target_RK: the teacher's.
            text_R: a number that says the English text of each row.
            foreign_R: False for rows of English, which are never searched with; None: there are none.
        """
        self.sums.add(source_RD, target_RK)
        rows = range(len(text_R)) if foreign_R is None else foreign_R.nonzero().flatten().tolist()
        # Copies: a view would keep the whole batch in memory.
        self.sample.add(
            len(rows), lambda p: (source_RD[rows[p]].clone(), target_RK[rows[p]].clone(), text_R[rows[p]].clone())
        )

    def found(self, weight_KD: Tensor, bias_K: Tensor) -> float:
        """Mean reciprocal rank of the right English side among those of the sample."""
        source_SD, target_SK, text_S = (torch.stack(column) for column in zip(*self.sample.items, strict=True))
        placed_SK = normalize(source_SD @ weight_KD.to(source_SD).T + bias_K.to(source_SD), dim=1)
        return mean_reciprocal_rank(placed_SK @ normalize(target_SK, dim=1).T, text_S, target_SK)


class Searched(Protocol):
    """Measures how well a map retrieves the English sides of a fold."""

    def __len__(self) -> int:
        """Translations that are searched with."""

    def found(self, weight_KD: Tensor, bias_K: Tensor) -> float:
        """Mean reciprocal rank of the right English side."""


def summed(sums: Mapping[str, NormalEquations]) -> NormalEquations:
    """The sums of all folds together."""
    return reduce(add, sums.values())


def held_out_rank(folds: Mapping[str, Searched], sums: Mapping[str, NormalEquations], penalty: float) -> float:
    """Mean reciprocal rank in each fold under the map fitted on the sums of the others, averaged over the folds.

    A fold of English alone is in every fit and never left out.
    """
    left_out = _judged(folds, sums)
    found = [
        folds[out].found(*summed({name: own for name, own in sums.items() if name != out}).solve(penalty))
        for out in left_out
    ]
    return sum(found) / len(found)


def choose_penalty(folds: Mapping[str, Fold], sums: Mapping[str, NormalEquations]) -> float:
    """The penalty of `PENALTIES` with the best `held_out_rank`, the larger of two that do as well.

    Args:
        folds: the pooled vectors by fold.
        sums: the normal equations to be solved, by the same folds.

    Raises:
        ValueError: for fewer than two folds that can be left out.
    """
    if len(_judged(folds, sums)) < 2:
        raise ValueError(
            "the penalty cannot be chosen by leaving a share of the pairs out, which needs translations of several English "
            "texts: pass a number as regularisation"
        )
    return max(reversed(PENALTIES), key=lambda penalty: held_out_rank(folds, sums, penalty))


def _judged(folds: Mapping[str, Searched], sums: Mapping[str, NormalEquations]) -> list[str]:
    return [name for name in sorted(sums) if len(folds[name])]


def choose_weight(
    folds: Mapping[str, Fold],
    joined: Mapping[float, Mapping[str, NormalEquations]],
    searched: Mapping[str, Searched] | None = None,
) -> tuple[float, float]:
    """The weight of the pooled vectors beside the tokens, and its penalty: the smallest whose `held_out_rank` is near the best.

    Args:
        folds: the pooled vectors by fold.
        joined: by weight, the joined sums by fold.
        searched: what judges a weight where that is not the pooled vectors of `folds`: the tokens, where search is by MaxSim.

    Returns:
        The smallest weight that is within `WORTH` of the best, and the penalty chosen for it.
    """
    penalties = {weight: choose_penalty(folds, sums) for weight, sums in joined.items()}
    if len(penalties) == 1:
        return next(iter(penalties.items()))
    ranks = {weight: held_out_rank(searched or folds, joined[weight], penalty) for weight, penalty in penalties.items()}
    weight = min(weight for weight, rank in ranks.items() if rank >= max(ranks.values()) - WORTH)
    return weight, penalties[weight]
