"""`solve` against POT, and what padding must never do."""

import numpy as np
import ot
import pytest
import torch

from optical_hf.ot import cosine_cost, solve


def batch(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Ragged pairs: 0 ordinary, 1 fully padded, 2 source empty, 3 one token each, 4 as long as it gets."""
    generator = torch.Generator().manual_seed(seed)
    source = torch.randn(5, 9, 4, generator=generator)
    target = torch.randn(5, 7, 4, generator=generator)
    source_mask = torch.arange(9) < torch.tensor([6, 0, 0, 1, 9])[:, None]
    target_mask = torch.arange(7) < torch.tensor([4, 0, 5, 1, 7])[:, None]
    return cosine_cost(source, target, source_mask, target_mask), source_mask, target_mask


@pytest.mark.parametrize("epsilon", [0.5, 0.05, 0.01])
def test_sinkhorn_gives_the_values_of_pot_on_the_unpadded_pair(epsilon: float) -> None:
    cost, source_mask, target_mask = batch()
    result = solve(cost, source_mask, target_mask, epsilon=epsilon, tolerance=1e-5, max_iterations=5000)
    assert result.converged.all()
    for pair in (0, 3, 4):
        n, m = int(source_mask[pair].sum()), int(target_mask[pair].sum())
        block = cost[pair, :n, :m].double().numpy()
        plan = ot.sinkhorn(
            np.ones(n) / n, np.ones(m) / m, block, epsilon, method="sinkhorn_log", stopThr=1e-10, numItermax=20_000
        )
        np.testing.assert_allclose(result.plan[pair, :n, :m], plan, atol=1e-5)
        assert result.cost[pair].item() == pytest.approx((plan * block).sum(), rel=1e-4)


def test_exact_gives_the_optimum_of_pot() -> None:
    cost, source_mask, target_mask = batch()
    result = solve(cost, source_mask, target_mask, solver="exact")
    for pair in (0, 4):
        n, m = int(source_mask[pair].sum()), int(target_mask[pair].sum())
        best = ot.emd2(np.ones(n) / n, np.ones(m) / m, cost[pair, :n, :m].double().numpy())
        assert result.cost[pair].item() == pytest.approx(best, rel=1e-5)


@pytest.mark.parametrize("solver", ["sinkhorn", "exact"])
@pytest.mark.parametrize("fill", [torch.nan, torch.inf, -torch.inf])
def test_what_stands_under_the_mask_cannot_matter(solver: str, fill: float) -> None:
    cost, source_mask, target_mask = batch()
    valid = source_mask[:, :, None] & target_mask[:, None, :]
    dirty = torch.where(valid, cost, fill).requires_grad_()
    result = solve(dirty, source_mask, target_mask, solver=solver)
    result.cost.sum().backward()
    assert torch.equal(result.cost, solve(cost, source_mask, target_mask, solver=solver).cost)
    torch.testing.assert_close(dirty.grad, result.plan)
    assert (result.plan[~valid] == 0).all()
    assert result.cost[1:3].tolist() == [0.0, 0.0]
    assert result.converged.all()
