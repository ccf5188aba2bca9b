"""`solve` against POT on the unpadded pair: plans, costs, optima."""

import math

import numpy as np
import ot
import pytest
import torch
from ot_problems import FULL, KERNELS, ragged

from optical_hf.ot import cosine_cost, solve


def block_of(cost: torch.Tensor, source_mask: torch.Tensor, target_mask: torch.Tensor, pair: int) -> np.ndarray:
    return cost[pair, : int(source_mask[pair].sum()), : int(target_mask[pair].sum())].double().numpy()


def uniform(block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    n, m = block.shape
    return np.full(n, 1 / n), np.full(m, 1 / m)


@pytest.mark.slow
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
