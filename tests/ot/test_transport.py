"""`solve`: closed forms, symmetries, precision, determinism and compilers."""

import math

import pytest
import torch
from hypothesis import given, settings
from ot_problems import ALL, Known, line, planted, ragged, separable

from optical_hf.ot import cosine_cost, solve

few = settings(max_examples=25)


# Closed forms


@few
@given(separable())
def test_a_separable_cost_gives_the_product_plan(known: Known) -> None:
    result = solve(
        known.cost, source_mass=known.source, target_mass=known.target, epsilon=0.1, tolerance=1e-9, dtype=torch.float64
    )
    torch.testing.assert_close(result.plan, known.plan, atol=1e-8, rtol=1e-6)
    assert result.cost.item() == pytest.approx(known.best, rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("kernel", ["auto", "torch"])
@few
@given(known=planted())
def test_a_planted_plan_is_found(known: Known, kernel: str) -> None:
    for dtype, tolerance in ((torch.float64, 1e-9), (torch.float32, 1e-5)):
        result = solve(
            known.cost,
            source_mass=known.source,
            target_mass=known.target,
            epsilon=0.1,
            tolerance=tolerance,
            dtype=dtype,
            kernel=kernel,
        )
        assert result.converged.all()
        assert result.plan.dtype == dtype
        torch.testing.assert_close(result.plan.double(), known.plan, atol=100 * tolerance, rtol=0)


@few
@given(planted())
def test_unbalanced_with_an_endless_rho_and_partial_of_everything_are_balanced(known: Known) -> None:
    masses = {"source_mass": known.source, "target_mass": known.target, "epsilon": 0.1, "tolerance": 1e-5}
    for extra in ({"solver": "unbalanced", "rho": math.inf}, {"solver": "partial", "share": 1.0}):
        result = solve(known.cost, **masses, **extra)
        torch.testing.assert_close(result.plan.double(), known.plan, atol=3e-4, rtol=0)


@few
@given(line())
def test_points_on_a_line_are_matched_in_order(known: Known) -> None:
    for solver, slack in (("exact", 1e-6), ("ipot", 2e-3)):
        result = solve(known.cost, solver=solver, tolerance=1e-4, max_iterations=3000)
        assert result.cost.item() == pytest.approx(known.best, rel=slack, abs=2e-5)


# Symmetries


@pytest.mark.slow
@pytest.mark.parametrize("solver", ALL)
def test_permuted_tokens_give_the_permuted_plan(solver: str) -> None:
    cost, source_mask, target_mask = ragged()
    rows, columns = torch.randperm(9, generator=torch.Generator().manual_seed(1)), torch.arange(6, -1, -1)
    options = {"solver": solver, "epsilon": 0.2, "tolerance": 1e-5, "max_iterations": 500}
    plain = solve(cost, source_mask, target_mask, **options)
    moved = solve(cost[:, rows][:, :, columns], source_mask[:, rows], target_mask[:, columns], **options)
    torch.testing.assert_close(moved.plan, plain.plan[:, rows][:, :, columns], atol=1e-3, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("solver", ALL)
def test_swapped_sides_give_the_transposed_plan(solver: str) -> None:
    cost, source_mask, target_mask = ragged()
    options = {"solver": solver, "epsilon": 0.2, "tolerance": 1e-5, "max_iterations": 500}
    plain = solve(cost, source_mask, target_mask, **options)
    swapped = solve(cost.mT, target_mask, source_mask, **options)
    torch.testing.assert_close(swapped.plan.mT, plain.plan, atol=1e-3, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("solver", ALL)
def test_cost_epsilon_and_rho_scale_together(solver: str) -> None:
    cost, source_mask, target_mask = ragged()
    options = {"solver": solver, "tolerance": 1e-5, "max_iterations": 500}
    plain = solve(cost, source_mask, target_mask, epsilon=0.2, rho=0.5, **options)
    scaled = solve(cost * 8, source_mask, target_mask, epsilon=1.6, rho=4.0, **options)
    torch.testing.assert_close(scaled.plan, plain.plan, atol=1e-4, rtol=0)
    torch.testing.assert_close(scaled.cost, plain.cost * 8, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("solver", ALL)
def test_mass_scales_the_plan_and_the_cost(solver: str) -> None:
    cost, source_mask, target_mask = ragged()
    masses = {"source_mass": source_mask / 9.0 + 0.1, "target_mass": torch.ones(6, 7)}
    masses["target_mass"] *= ((source_mask * masses["source_mass"]).sum(1) / target_mask.sum(1).clamp(min=1))[:, None]
    tripled = {name: 3 * mass for name, mass in masses.items()}
    plain = solve(cost, source_mask, target_mask, solver=solver, epsilon=0.2, **masses)
    threefold = solve(cost, source_mask, target_mask, solver=solver, epsilon=0.2, **tripled)
    torch.testing.assert_close(threefold.plan, 3 * plain.plan, atol=1e-4, rtol=1e-3)


# Precision, determinism, compilers


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_every_dtype_is_solved_in_float32_unless_asked(dtype: torch.dtype) -> None:
    cost, source_mask, target_mask = ragged()
    cost = cost.to(dtype).requires_grad_()
    result = solve(cost, source_mask, target_mask)
    assert result.plan.dtype == result.cost.dtype == torch.float32
    torch.testing.assert_close(result.plan, solve(cost.float(), source_mask, target_mask).plan)
    result.cost.sum().backward()
    assert cost.grad is not None
    assert cost.grad.dtype == dtype


def test_autocast_cannot_leak_in() -> None:
    tokens = torch.randn(6, 9, 4, generator=torch.Generator().manual_seed(0))
    plain = solve(cosine_cost(tokens, tokens[:, :7]))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = solve(cosine_cost(tokens, tokens[:, :7]))
    assert torch.equal(mixed.plan, plain.plan)
    assert mixed.cost.dtype == torch.float32


@pytest.mark.parametrize("solver", ALL)
def test_the_same_input_gives_the_same_bits(solver: str) -> None:
    cost, source_mask, target_mask = ragged()
    one, two = (solve(cost, source_mask, target_mask, solver=solver) for _ in range(2))
    assert torch.equal(one.plan, two.plan)


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["sinkhorn", pytest.param("partial", marks=pytest.mark.full)])
def test_one_compiled_graph_gives_the_eager_values(solver: str) -> None:
    source = torch.randn(6, 9, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    target = torch.randn(6, 7, 4, generator=torch.Generator().manual_seed(1))
    _, source_mask, target_mask = ragged()

    def loss(tokens: torch.Tensor) -> torch.Tensor:
        cost = cosine_cost(tokens, target, source_mask, target_mask)
        return solve(cost, source_mask, target_mask, solver=solver).cost.sum()

    eager = loss(source)
    (expected,) = torch.autograd.grad(eager, source)
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")(source)
    (got,) = torch.autograd.grad(compiled, source)
    torch.testing.assert_close(compiled, eager)
    torch.testing.assert_close(got, expected)


@pytest.mark.slow
def test_a_compiled_graph_still_names_the_wrong_input() -> None:
    compiled = torch.compile(lambda cost: solve(cost).cost, fullgraph=True, backend="aot_eager")
    with pytest.raises(ValueError, match="cost_BNM: expected finite costs"):
        compiled(torch.full((1, 2, 2), torch.nan))
