"""Hostile batches: finite in loss and gradient, 0 at padding, 0 for an empty pair, and no stall."""

from typing import Any

import pytest
import torch
from ot_problems import ALL, KERNELS, ragged

from optical_hf.ot import chunks, cosine_cost, entropic, solve
from optical_hf.ot.solvers import sinkhorn
from optical_hf.ot.solvers.log_sinkhorn import solve_log_sinkhorn
from optical_hf.ot.solvers.sinkhorn import solve_sinkhorn


def check_hostile(
    cost: torch.Tensor, source_mask: torch.Tensor, target_mask: torch.Tensor, **options: object
) -> object:
    cost = cost.clone().requires_grad_()
    result = solve(cost, source_mask, target_mask, **options)
    result.cost.sum().backward()
    assert cost.grad is not None
    assert result.cost.isfinite().all()
    assert cost.grad.isfinite().all()
    valid = source_mask[:, :, None] & target_mask[:, None, :]
    assert (cost.grad[~valid] == 0).all()
    assert (result.plan[~valid] == 0).all()
    empty = ~(source_mask.any(1) & target_mask.any(1))
    assert (result.cost[empty] == 0).all()
    assert result.converged[empty].all()
    assert (result.iterations[empty] == 0).all()
    return result


@pytest.mark.parametrize("solver", ALL)
@pytest.mark.parametrize("fill", [torch.nan, torch.inf, -torch.inf, 1e30])
def test_what_stands_under_the_mask_cannot_matter(solver: str, fill: float) -> None:
    cost, source_mask, target_mask = ragged()
    valid = source_mask[:, :, None] & target_mask[:, None, :]
    dirty = check_hostile(torch.where(valid, cost, fill), source_mask, target_mask, solver=solver)
    assert torch.equal(dirty.plan, solve(cost, source_mask, target_mask, solver=solver).plan)


@pytest.mark.parametrize("solver", [*ALL, "torch sinkhorn", "torch partial"])
@pytest.mark.parametrize("epsilon", [0.5, 0.05, 1e-3])
@pytest.mark.parametrize(
    "case", ["ragged", "identical tokens", "zero vectors", "below zero", "all equal", "one token", "one long pair"]
)
def test_hostile_batches_stay_finite(solver: str, epsilon: float, case: str) -> None:
    cost, source_mask, target_mask = ragged()
    if case == "identical tokens":
        tokens = torch.randn(6, 9, 4, generator=torch.Generator().manual_seed(5))
        cost, target_mask = cosine_cost(tokens, tokens, source_mask, source_mask), source_mask
    elif case == "zero vectors":
        cost = cosine_cost(torch.zeros(6, 9, 4), torch.randn(6, 7, 4), source_mask, target_mask)
    elif case == "below zero":
        cost = cost - cost.amin() - 1e-6
    elif case == "all equal":
        cost = torch.full_like(cost, 0.3)
    elif case == "one token":
        cost, source_mask = cost[:, :1], source_mask[:, :1]
    elif case == "one long pair":
        generator = torch.Generator().manual_seed(6)
        cost = torch.rand(6, 60, 50, generator=generator)
        source_mask = torch.arange(60) < torch.tensor([3, 0, 4, 60, 2, 5])[:, None]
        target_mask = torch.arange(50) < torch.tensor([2, 0, 3, 50, 4, 1])[:, None]
    how, name = solver.split() if " " in solver else ("", solver)
    check_hostile(
        cost, source_mask, target_mask, solver=name, epsilon=epsilon, max_iterations=300, kernel=how or "auto"
    )


@pytest.mark.parametrize("solver", ALL)
def test_zero_mass_is_padding_even_over_nan(solver: str) -> None:
    cost, source_mask, target_mask = ragged()
    a, b = (mask / mask.sum(1, keepdim=True).clamp(min=1) for mask in (source_mask, target_mask))
    valid = source_mask[:, :, None] & target_mask[:, None, :]
    by_mass = solve(torch.where(valid, cost, torch.nan), source_mass=a, target_mass=b, solver=solver)
    torch.testing.assert_close(by_mass.plan, solve(cost, source_mask, target_mask, solver=solver).plan)


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_slow_pair_does_not_hold_up_the_batch_nor_change_it(kernel: str) -> None:
    generator = torch.Generator().manual_seed(8)
    easy, hard = torch.rand(7, 12, 12, generator=generator) * 0.01, torch.rand(1, 12, 12, generator=generator) * 20
    together = solve(torch.cat([easy, hard]), kernel=kernel)
    alone = solve(easy, kernel=kernel)
    assert together.iterations[7] > 3 * together.iterations[:7].max()
    assert torch.equal(together.iterations[:7], alone.iterations)
    torch.testing.assert_close(together.plan[:7], alone.plan, atol=1e-5, rtol=0)


def test_a_pair_that_float32_cannot_hold_in_kernel_form_is_finished_in_the_log_domain() -> None:
    generator = torch.Generator().manual_seed(64)
    source = torch.randn(32, 32, 32, generator=generator)
    target = 0.7 * source.flip(1) + 0.7 * torch.randn(32, 32, 32, generator=generator)
    source_mask, target_mask = torch.arange(32) < torch.randint(6, 33, (2, 32, 1), generator=generator)
    cost = cosine_cost(source, target, source_mask, target_mask)
    broken = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sinkhorn, "solve_log_sinkhorn", lambda *x: broken.append(len(x[0])) or solve_log_sinkhorn(*x))
        result = solve(cost, source_mask, target_mask, epsilon=2e-3, max_iterations=4000, kernel="torch")
    assert broken
    assert result.converged.all()


@pytest.mark.parametrize("epsilon", [0.05, 0.01])
def test_a_batch_in_chunks_gives_the_plans_of_the_whole(epsilon: float, monkeypatch: pytest.MonkeyPatch) -> None:
    cost, source_mask, target_mask = (
        torch.cat(parts) for parts in zip(*(ragged(seed) for seed in range(4)), strict=True)
    )
    options = {"epsilon": epsilon, "tolerance": 1e-5, "kernel": "torch"}
    whole = solve(cost, source_mask, target_mask, **options)
    monkeypatch.setattr(chunks, "CELLS", 400)
    calls = []

    def counted(cost_BNM: torch.Tensor, *rest: Any) -> Any:
        calls.append(cost_BNM.shape)
        return solve_sinkhorn(cost_BNM, *rest)

    monkeypatch.setattr(entropic, "solve_sinkhorn", counted)
    parts = solve(cost, source_mask, target_mask, **options)
    assert len(calls) > 2
    assert sum(shape[0] for shape in calls) == len(cost)
    assert sum(shape.numel() for shape in calls) < 0.6 * cost.numel()  # the shared padding stays out
    torch.testing.assert_close(parts.plan, whole.plan, atol=1e-5, rtol=0)
    torch.testing.assert_close(parts.cost, whole.cost, atol=1e-5, rtol=1e-4)
    assert parts.converged.all()


@pytest.mark.parametrize("solver", ALL)
@pytest.mark.parametrize("shape", [(0, 3, 3), (2, 0, 3), (2, 3, 0)])
def test_nothing_to_move_costs_nothing(solver: str, shape: tuple[int, ...]) -> None:
    cost = torch.zeros(shape, requires_grad=True)
    result = solve(cost, solver=solver)
    assert result.plan.shape == shape
    assert result.cost.tolist() == [0.0] * shape[0]
    assert result.converged.all()
    result.cost.sum().backward()
    assert cost.grad.shape == shape


def test_an_unfinished_pair_says_so() -> None:
    cost = torch.rand(2, 12, 12, generator=torch.Generator().manual_seed(8))
    result = solve(cost, epsilon=1e-3, max_iterations=7, tolerance=1e-6)
    assert not result.converged.any()
    assert result.iterations.tolist() == [7, 7]
    measured = (result.plan.sum(2) - 1 / 12).abs().sum(1) + (result.plan.sum(1) - 1 / 12).abs().sum(1)
    torch.testing.assert_close(result.marginal_error, measured)
