"""Ridge regression from running sums: what a linear map needs to know about a million rows, in d x d numbers.

min over W, b of  sum_i w_i |W x_i + b - y_i|^2 / n  +  r |W|^2,  the sums in float64, the offset b not penalised.

Shapes: R rows, D input width, K output width.
"""

from dataclasses import dataclass, field
from typing import Self

import torch
from torch import Tensor


@dataclass
class NormalEquations:
    """Weighted sums of x x^T and x y^T with a constant 1 appended to x.

    Sums add: `a + b` is what the rows of both would have given, so languages can be summed, left out or reweighted later.

    Example:
        >>> x, w = torch.randn(100, 3), torch.randn(2, 3)
        >>> sums = NormalEquations.zeros(3, 2)
        >>> sums.add(x, x @ w.T + 1.0)
        >>> weight, bias = sums.solve(1e-9)
        >>> torch.allclose(weight, w.double(), atol=1e-4), torch.allclose(bias, torch.ones(2).double(), atol=1e-4)
        (True, True)
    """

    inner_DD: Tensor
    outer_DK: Tensor
    count: float = field(default=0.0)

    @classmethod
    def zeros(cls, width_in: int, width_out: int, device: str | torch.device = "cpu") -> Self:
        """Empty sums for maps from `width_in` to `width_out`."""
        size = width_in + 1
        inner_DD, outer_DK = (torch.zeros(size, n, dtype=torch.float64, device=device) for n in (size, width_out))
        return cls(inner_DD, outer_DK)

    def add(self, x_RD: Tensor, y_RK: Tensor, weight_R: Tensor | None = None, count: float | None = None) -> None:
        """Add rows.

        Args:
            x_RD: inputs.
            y_RK: targets.
            weight_R: weight of each row; None is 1 each.
            count: how many observations these rows are (pairs, say, where rows are tokens); None is R.
        """
        x = torch.cat([x_RD, x_RD.new_ones(len(x_RD), 1)], dim=1)
        weighted = x if weight_R is None else x * weight_R.unsqueeze(1)
        # Products of one batch in float32, their sum in float64: the batch is short, the corpus is not.
        self.inner_DD += (weighted.T @ x).double()
        self.outer_DK += (weighted.T @ y_RK).double()
        self.count += len(x_RD) if count is None else count

    def __add__(self, other: "NormalEquations") -> "NormalEquations":
        return NormalEquations(self.inner_DD + other.inner_DD, self.outer_DK + other.outer_DK, self.count + other.count)

    def scaled(self, factor: float) -> "NormalEquations":
        """The same sums with every row's weight multiplied by `factor`; the count stays."""
        return NormalEquations(self.inner_DD * factor, self.outer_DK * factor, self.count)

    def solve(self, regularisation: float) -> tuple[Tensor, Tensor]:
        """The ridge regression of the rows that were added.

        Args:
            regularisation: the penalty r on the sums divided by the count; the offset is free.

        Returns:
            The weight (K, D) and the bias (K,), float64.

        Raises:
            ValueError: where nothing was added.
        """
        if not self.count:
            raise ValueError("no rows were added: the bitext gave no pairs; pass at least one pair")
        size = len(self.inner_DD)
        penalty = torch.full((size,), regularisation, dtype=torch.float64, device=self.inner_DD.device)
        # A trace of penalty on the offset keeps the matrix invertible when every weight is zero.
        penalty[-1] = 1e-12
        solution_DK = torch.linalg.solve(self.inner_DD / self.count + torch.diag(penalty), self.outer_DK / self.count)
        return solution_DK[:-1].T.contiguous(), solution_DK[-1].contiguous()
