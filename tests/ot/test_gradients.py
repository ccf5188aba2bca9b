"""The gradient is the plan, against central differences in float64."""

from collections.abc import Callable

import pytest
import torch
from ot_problems import ragged

from optical_hf.ot import cosine_cost, solve

TIGHT = {"tolerance": 1e-12, "max_iterations": 100_000, "dtype": torch.float64}


def problem() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    cost, source_mask, target_mask = ragged()
    return cost[:5].double(), source_mask[:5], target_mask[:5]


Loss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]  # (cost, masks) -> (B,)


def differences(loss: Loss, step: float = 1e-5) -> torch.Tensor:
    """Central differences cell by cell, all of them as one large batch."""
    cost, source_mask, target_mask = problem()
    pairs, rows, columns = cost.shape
    moves = step * torch.eye(rows * columns, dtype=cost.dtype).view(-1, 1, rows, columns)
    many = torch.stack([cost + moves, cost - moves]).flatten(0, 2)
    repeats = (len(many) // pairs, 1)
    values = loss(many, source_mask.repeat(repeats), target_mask.repeat(repeats)).view(2, -1, pairs)
    return ((values[0] - values[1]) / (2 * step)).T.reshape(cost.shape)


def gradient_of(loss: Loss) -> torch.Tensor:
    cost, source_mask, target_mask = problem()
    cost.requires_grad_()
    (gradient,) = torch.autograd.grad(loss(cost, source_mask, target_mask).sum(), cost)
    return gradient


def test_the_gradient_is_the_plan_and_the_true_derivative_of_the_regularised_cost() -> None:
    def loss(*problem: torch.Tensor) -> torch.Tensor:
        return solve(*problem, epsilon=0.2, **TIGHT).cost

    def regularised(*problem: torch.Tensor) -> torch.Tensor:
        result = solve(*problem, epsilon=0.2, **TIGHT)
        return result.cost + 0.2 * torch.special.xlogy(result.plan, result.plan).sum((1, 2))

    torch.testing.assert_close(gradient_of(loss), solve(*problem(), epsilon=0.2, **TIGHT).plan)
    torch.testing.assert_close(gradient_of(loss), differences(regularised), atol=1e-7, rtol=1e-5)


@pytest.mark.parametrize("solver", ["exact", "ipot"])
def test_the_gradient_is_the_true_derivative_of_the_unregularised_cost(solver: str) -> None:
    options = {"epsilon": 0.5, "tolerance": 1e-9, "max_iterations": 20_000, "dtype": torch.float64}
    got = gradient_of(lambda *problem: solve(*problem, solver=solver, **options).cost)
    true = differences(lambda *problem: solve(*problem, solver="exact", **options).cost)
    torch.testing.assert_close(got, true, atol=1e-6, rtol=1e-5)


def test_the_plan_is_a_constant() -> None:
    cost, source_mask, target_mask = problem()
    assert not solve(cost.requires_grad_(), source_mask, target_mask).plan.requires_grad


def test_gradients_reach_the_tokens_and_no_padding() -> None:
    _, source_mask, target_mask = problem()
    generator = torch.Generator().manual_seed(2)
    source = torch.randn(5, 9, 4, generator=generator)
    source[~source_mask] = torch.nan
    source[0, 0] = 0.0  # a real token that is the zero vector
    source.requires_grad_()
    target = torch.randn(5, 7, 4, generator=generator)
    cost = cosine_cost(source, target, source_mask, target_mask)
    solve(cost, source_mask, target_mask).cost.sum().backward()
    assert source.grad is not None
    assert source.grad.isfinite().all()
    assert (source.grad[~source_mask] == 0).all()
    assert (source.grad[4, 0] != 0).any()
    assert (source.grad[0, 1:6] != 0).any(dim=1).all()
    assert (source.grad[0, 0] == 0).all()
