"""`solve`: closed forms, POT's values, symmetries, and every hostile input the issue lists."""

import math
from importlib.util import find_spec
from typing import Any

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from ot_problems import EMPTY, FULL, Known, line, planted, ragged, separable

from optical_hf.ot import auto, chunks, cosine_cost, entropic, sinkhorn, solve
from optical_hf.ot.log_sinkhorn import solve_log_sinkhorn
from optical_hf.ot.sinkhorn import solve_sinkhorn

ALL = ["sinkhorn", "ipot", "unbalanced", "partial", "exact"]
BALANCED = ["sinkhorn", "ipot", "exact"]
KERNELS = ["torch", pytest.param("numba", marks=pytest.mark.skipif(find_spec("numba") is None, reason="no numba"))]
few = settings(max_examples=25, deadline=None, derandomize=True)


def block_of(cost: torch.Tensor, source_mask: torch.Tensor, target_mask: torch.Tensor, pair: int) -> np.ndarray:
    return cost[pair, : int(source_mask[pair].sum()), : int(target_mask[pair].sum())].double().numpy()


def uniform(block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    n, m = block.shape
    return np.full(n, 1 / n), np.full(m, 1 / m)


# Closed forms


@few
@given(separable())
def test_a_separable_cost_gives_the_product_plan(known: Known) -> None:
    result = solve(
        known.cost, source_mass=known.source, target_mass=known.target, epsilon=0.1, tolerance=1e-9, dtype=torch.float64
    )
    torch.testing.assert_close(result.plan, known.plan, atol=1e-8, rtol=1e-6)
    assert result.cost.item() == pytest.approx(known.best, rel=1e-6)


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


# POT


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("epsilon", [0.5, 0.05, 0.01])
def test_sinkhorn_gives_the_plan_of_pot_on_the_unpadded_pair(epsilon: float, kernel: str) -> None:
    cost, source_mask, target_mask = ragged()
    options = {"epsilon": epsilon, "tolerance": 1e-5, "max_iterations": 5000, "kernel": kernel}
    result = solve(cost, source_mask, target_mask, **options)
    assert result.converged.all()
    for pair in FULL:
        block = block_of(cost, source_mask, target_mask, pair)
        plan = ot.sinkhorn(*uniform(block), block, epsilon, method="sinkhorn_log", stopThr=1e-10, numItermax=20_000)
        np.testing.assert_allclose(result.plan[pair, : len(block), : block.shape[1]], plan, atol=1e-5)
        assert result.cost[pair].item() == pytest.approx((plan * block).sum(), rel=1e-4)


@pytest.mark.parametrize("epsilon", [0.05, 0.02])
def test_at_the_default_tolerance_the_cost_is_within_1e_4_of_that_of_pot(epsilon: float) -> None:
    generator = torch.Generator().manual_seed(11)
    tokens = torch.randn(4, 16, 16, generator=generator)
    cost = cosine_cost(tokens, tokens.flip(1)[:, :12] + torch.randn(4, 12, 16, generator=generator))
    result = solve(cost, epsilon=epsilon)
    for pair, block in enumerate(cost.double().numpy()):
        plan = ot.sinkhorn(*uniform(block), block, epsilon, method="sinkhorn", stopThr=1e-8, numItermax=50_000)
        assert result.cost[pair].item() == pytest.approx((plan * block).sum(), rel=1e-4)


def test_exact_gives_the_optimum_of_pot() -> None:
    cost, source_mask, target_mask = ragged()
    result = solve(cost, source_mask, target_mask, solver="exact")
    for pair in FULL:
        block = block_of(cost, source_mask, target_mask, pair)
        assert result.cost[pair].item() == pytest.approx(ot.emd2(*uniform(block), block), rel=1e-5)


def test_ipot_comes_within_a_tenth_of_a_percent_of_the_optimum_and_knows_it() -> None:
    generator = torch.Generator().manual_seed(3)
    cost = cosine_cost(torch.randn(12, 20, 16, generator=generator), torch.randn(12, 17, 16, generator=generator))
    result = solve(cost, solver="ipot", epsilon=0.5, tolerance=1e-3, max_iterations=3000)
    best = solve(cost, solver="exact").cost
    assert result.converged.all()
    assert ((result.cost - best).abs() / best).max() < 1e-3
    few_steps = solve(cost, solver="ipot", epsilon=0.5, tolerance=1e-3, max_iterations=20)
    assert not few_steps.converged.any()


@pytest.mark.parametrize(("rho", "epsilon"), [(0.5, 0.05), (5.0, 0.05), (0.05, 0.02)])
def test_unbalanced_gives_the_plan_of_pot(rho: float, epsilon: float) -> None:
    cost, source_mask, target_mask = ragged()
    result = solve(cost, source_mask, target_mask, solver="unbalanced", rho=rho, epsilon=epsilon, tolerance=1e-6)
    for pair in FULL:
        block = block_of(cost, source_mask, target_mask, pair)
        plan = ot.unbalanced.sinkhorn_unbalanced(
            *uniform(block), block, epsilon, rho, reg_type="kl", stopThr=1e-12, numItermax=50_000
        )
        np.testing.assert_allclose(result.plan[pair, : len(block), : block.shape[1]], plan, atol=2e-5)


def test_unbalanced_can_hold_one_side_only() -> None:
    cost, source_mask, target_mask = ragged()
    result = solve(cost, source_mask, target_mask, solver="unbalanced", rho=(math.inf, 0.1), tolerance=1e-5)
    source = source_mask[FULL] / source_mask[FULL].sum(1, keepdim=True)
    torch.testing.assert_close(result.plan[FULL].sum(2), source, atol=1e-4, rtol=0)
    assert (result.plan.sum(1)[5] - target_mask[5] / target_mask[5].sum()).abs().sum() > 0.05


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_partial_moves_its_share_at_the_cost_of_pot(share: float) -> None:
    cost, source_mask, target_mask = ragged()
    result = solve(cost, source_mask, target_mask, solver="partial", share=share, epsilon=2e-3, max_iterations=20_000)
    assert result.converged.all()
    torch.testing.assert_close(result.plan.sum((1, 2))[FULL], torch.full((3,), share), atol=1e-3, rtol=0)
    for pair in FULL:
        block = block_of(cost, source_mask, target_mask, pair)
        best = (ot.partial.partial_wasserstein(*uniform(block), block, m=share) * block).sum()
        assert result.cost[pair].item() == pytest.approx(best, abs=5e-3)


def test_auto_takes_the_simplex_where_it_is_faster_and_sinkhorn_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    cost, source_mask, target_mask = ragged()
    exact = solve(cost, source_mask, target_mask, solver="exact").plan
    for numba, kernel, epsilon, simplex in (
        (False, "auto", 0.005, True),
        (False, "auto", 0.02, False),
        (True, "auto", 0.005, False),
        (True, "auto", 0.001, True),
        (True, "torch", 0.005, True),
    ):
        monkeypatch.setattr(auto, "HAS_NUMBA", numba)
        small = solve(cost, source_mask, target_mask, solver="auto", epsilon=epsilon, kernel=kernel)
        assert torch.equal(small.plan, exact) == simplex
    large = solve(cost, source_mask, target_mask, solver="auto", epsilon=0.2)
    assert torch.equal(large.plan, solve(cost, source_mask, target_mask, epsilon=0.2).plan)
    smooth = solve(cost, source_mask, target_mask, solver="auto", epsilon=0.005, gradient="implicit")
    assert smooth.iterations.max() > 0


# Symmetries


@pytest.mark.parametrize("solver", ALL)
def test_permuted_tokens_give_the_permuted_plan(solver: str) -> None:
    cost, source_mask, target_mask = ragged()
    rows, columns = torch.randperm(9, generator=torch.Generator().manual_seed(1)), torch.arange(6, -1, -1)
    options = {"solver": solver, "epsilon": 0.2, "tolerance": 1e-5, "max_iterations": 5000}
    plain = solve(cost, source_mask, target_mask, **options)
    moved = solve(cost[:, rows][:, :, columns], source_mask[:, rows], target_mask[:, columns], **options)
    torch.testing.assert_close(moved.plan, plain.plan[:, rows][:, :, columns], atol=1e-3, rtol=0)


@pytest.mark.parametrize("solver", ALL)
def test_swapped_sides_give_the_transposed_plan(solver: str) -> None:
    cost, source_mask, target_mask = ragged()
    options = {"solver": solver, "epsilon": 0.2, "tolerance": 1e-5, "max_iterations": 5000}
    plain = solve(cost, source_mask, target_mask, **options)
    swapped = solve(cost.mT, target_mask, source_mask, **options)
    torch.testing.assert_close(swapped.plan.mT, plain.plan, atol=1e-3, rtol=0)


@pytest.mark.parametrize("solver", ALL)
def test_cost_epsilon_and_rho_scale_together(solver: str) -> None:
    cost, source_mask, target_mask = ragged()
    options = {"solver": solver, "tolerance": 1e-5, "max_iterations": 5000}
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


# Hostile input: finite in loss and gradient, 0 at padding, 0 for an empty pair, and no stall


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


@pytest.mark.parametrize(
    "solver", [*ALL, "torch sinkhorn", "torch partial", "implicit sinkhorn", "implicit unbalanced", "implicit partial"]
)
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
    options = {"gradient": "implicit"} if how == "implicit" else {"kernel": how or "auto"}
    check_hostile(cost, source_mask, target_mask, solver=name, epsilon=epsilon, max_iterations=300, **options)


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


@pytest.mark.parametrize(
    ("solver", "gradient"),
    [("sinkhorn", "envelope"), ("sinkhorn", "implicit"), ("partial", "implicit"), ("exact", "envelope")],
)
def test_one_compiled_graph_gives_the_eager_values(solver: str, gradient: str) -> None:
    source = torch.randn(6, 9, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    target = torch.randn(6, 7, 4, generator=torch.Generator().manual_seed(1))
    _, source_mask, target_mask = ragged()

    def loss(tokens: torch.Tensor) -> torch.Tensor:
        cost = cosine_cost(tokens, target, source_mask, target_mask)
        return solve(cost, source_mask, target_mask, solver=solver, gradient=gradient).cost.sum()

    eager = loss(source)
    (expected,) = torch.autograd.grad(eager, source)
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")(source)
    (got,) = torch.autograd.grad(compiled, source)
    torch.testing.assert_close(compiled, eager)
    torch.testing.assert_close(got, expected)


def test_a_compiled_graph_still_names_the_wrong_input() -> None:
    compiled = torch.compile(lambda cost: solve(cost).cost, fullgraph=True, backend="aot_eager")
    with pytest.raises(ValueError, match="cost_BNM: expected finite costs"):
        compiled(torch.full((1, 2, 2), torch.nan))


# Wrong input


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"cost_BNM": torch.ones(3, 4)},
            r"cost_BNM: expected a float tensor with 3 dimensions.*\(3, 4\).*cost\[None\]",
        ),
        ({"cost_BNM": torch.ones(2, 3, 4, dtype=torch.int64)}, "cost_BNM: expected a float tensor.*int64"),
        ({"source_mask": torch.ones(2, 4, dtype=torch.bool)}, r"source_mask: expected shape \(2, 3\).*\(2, 4\).*fix"),
        ({"target_mass": torch.ones(2, 3)}, r"target_mass: expected shape \(2, 4\).*\(2, 3\).*fix"),
        ({"source_mass": torch.ones(2, 3, dtype=torch.int64)}, "source_mass: expected a float tensor.*int64"),
        ({"source_mass": torch.tensor([[1.0, 1, 1], [1, -0.5, 1]])}, "source_mass: .*got -0.5 at pair 1, token 1.*fix"),
        ({"target_mass": torch.full((2, 4), torch.nan)}, "target_mass: .*got nan at pair 0, token 0.*fix"),
        (
            {"source_mass": torch.ones(2, 3), "target_mass": torch.ones(2, 4)},
            "equal totals, got 3 and 4 at pair 0.*fix",
        ),
        ({"solver": "simplex"}, "solver: expected one of sinkhorn, .*got 'simplex'"),
        ({"gradient": "magic"}, "gradient: expected one of envelope, implicit, got 'magic'"),
        ({"solver": "exact", "gradient": "implicit"}, "gradient: \"implicit\" needs .*'exact'.*To fix this"),
        ({"epsilon": 0.0}, "epsilon: expected a number > 0, got 0.0"),
        ({"epsilon": math.nan}, "epsilon: expected a number > 0, got nan"),
        ({"tolerance": -1.0}, "tolerance: expected a number > 0"),
        ({"max_iterations": 0}, "max_iterations: expected a number > 0"),
        ({"solver": "unbalanced", "rho": (1.0, 0.0)}, "rho: expected numbers > 0"),
        ({"solver": "partial", "share": 1.5}, r"share: expected a share of the mass in \(0, 1\], got 1.5"),
        ({"kernel": "triton"}, 'kernel: "triton" needs a CUDA tensor.*got cpu'),
        ({"dtype": torch.bfloat16}, "dtype: expected torch.float32 or torch.float64"),
    ],
)
def test_wrong_input_is_named_with_its_fix(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        solve(**{"cost_BNM": torch.ones(2, 3, 4), **change})


@pytest.mark.parametrize("solver", ALL)
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_a_cell_that_is_not_finite_between_real_tokens_is_named(solver: str, value: float) -> None:
    cost = torch.ones(2, 3, 4)
    cost[1, 2, 0] = value
    with pytest.raises(ValueError, match=rf"cost_BNM: .*got {value} at pair 1, cell \(2, 0\).*To fix this"):
        solve(cost, solver=solver)


def test_totals_that_differ_are_for_the_relaxed_solvers() -> None:
    masses = {"source_mass": torch.ones(2, 3), "target_mass": torch.ones(2, 4)}
    cost = torch.rand(2, 3, 4, generator=torch.Generator().manual_seed(0))
    partial = solve(cost, solver="partial", share=0.5, tolerance=1e-5, **masses)
    torch.testing.assert_close(partial.plan.sum((1, 2)), torch.full((2,), 1.5), atol=1e-3, rtol=0)
    assert solve(cost, solver="unbalanced", **masses).converged.all()


def test_the_empty_pairs_of_the_fixture_are_empty() -> None:
    cost, source_mask, target_mask = ragged()
    assert solve(cost, source_mask, target_mask).cost[EMPTY].tolist() == [0.0, 0.0, 0.0]
