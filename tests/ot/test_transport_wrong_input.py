"""Wrong input is named, with what came and the fix."""

import math

import pytest
import torch
from ot_problems import ALL, EMPTY, ragged

from optical_hf.ot import solve


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
