"""What a loss is: an object that holds its own settings and gives one number a pair.

A loss sees tensors and masks, never models. Its base class says what it must be given of the other pairs of a step.

Shapes: B pairs.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from torch import Tensor

from optical_hf.losses.pair_tensors import PairTensors


@dataclass(frozen=True)
class Loss(ABC):
    """A loss of translated pairs. Subclass it, as a frozen dataclass of its settings, to train with a loss of your own.

    Attributes:
        name: what the loss is called in logs and on the command line.
        needs_tokens: whether it compares tokens of the teacher, which a teacher of vectors alone has not.

    Example:
        >>> from optical_hf.losses import Loss, PairTensors
        >>> @dataclass(frozen=True)
        ... class PooledL1(Loss):
        ...     name = "pooled_l1"
        ...     def __call__(self, pairs: PairTensors) -> Tensor:
        ...         return (pairs.student_vector_BD - pairs.teacher_vector_BD).abs().mean(dim=-1)
        >>> str(PooledL1())
        'pooled_l1'
    """

    name: ClassVar[str]
    needs_tokens: ClassVar[bool] = False

    @abstractmethod
    def __call__(self, pairs: PairTensors) -> Tensor:
        """The loss of each pair, (B,), in float32, with a gradient to the student."""

    def __str__(self) -> str:
        """The loss as the command line takes it: its name, and the settings that are not the defaults."""
        changed = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
        return self.name + (f"({','.join(f'{key}={value}' for key, value in changed.items())})" if changed else "")

    def check_positive(self, *names: str) -> None:
        """Raise ValueError where one of these settings is no finite number above 0."""
        for name in names:
            value: Any = getattr(self, name)
            if not 0 < value < math.inf:
                raise ValueError(f"{self.name}: {name} is {value}: expected a number above 0")


@dataclass(frozen=True)
class MaxSimLoss(Loss):
    """A loss that searches with late interaction: the student's tokens among those of the whole batch.

    A batch of one pair costs 0.

    Args:
        temperature: the scores are divided by it before the softmax.
    """

    temperature: float = 0.05
    needs_tokens: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Check the settings."""
        self.check_positive("temperature")


@dataclass(frozen=True)
class SearchLoss(Loss):
    """A loss that searches: the student's vector among the candidates of the whole batch and of a bank.

    They are the English sides, or the bitext's `relevant_document`s where it has some. A batch of one pair without a bank
    costs 0.

    Args:
        temperature: the cosines are divided by it before the softmax.
        bank: English texts of the bitext that each batch is searched among beside its own; the teacher reads them once.
    """

    temperature: float = 0.05
    bank: int = 0

    def __post_init__(self) -> None:
        """Check the settings."""
        self.check_positive("temperature")
        if self.bank < 0:
            raise ValueError(f"{self.name}: bank is {self.bank}: expected a number of texts, 0 for none")
