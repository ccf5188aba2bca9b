"""Every solver behind one torch operator, so that `torch.compile` sees a single node.

The loops inside look at their own error and leave when they are done, which no graph can hold. As a custom operator they
run as they are, in eager mode and in a compiled graph alike. Checks of values are an operator for the same reason.

Shapes: B pairs, N source tokens, M target tokens.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from optical_hf.ot.entropic import solve_entropic
from optical_hf.ot.problem import check_values, scale_masses
from optical_hf.ot.solvers.exact_solver import solve_exact
from optical_hf.ot.solvers.ipot import solve_ipot
from optical_hf.ot.solvers.state import Settings, Solution


@dataclass(frozen=True)
class Row:
    """One solver: what it runs, and whether the total masses must match."""

    run: Callable[[torch.Tensor, torch.Tensor, torch.Tensor, Settings], Solution]
    balanced: bool


SOLVERS: dict[str, Row] = {
    "sinkhorn": Row(solve_entropic, balanced=True),
    "ipot": Row(solve_ipot, balanced=True),
    "unbalanced": Row(solve_entropic, balanced=False),
    "partial": Row(solve_entropic, balanced=False),  # on the problem with dummies
    "exact": Row(solve_exact, balanced=True),
}


def _operator(function: Callable[..., Any]) -> Any:
    """Make a function an operator of torch under its own name, for every device.

    `torch.library.custom_op` does the same and looks for aliased outputs at every call, which costs more than a small solve.
    """
    name = f"optical_hf::{function.__name__}"
    torch.library.define(name, torch.library.infer_schema(function, mutates_args=()))
    torch.library.impl(name, "default", function)
    return getattr(torch.ops.optical_hf, function.__name__).default


@_operator
def check_and_scale(
    cost_BNM: torch.Tensor, source_BN: torch.Tensor, target_BM: torch.Tensor, balanced: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Raise ValueError for values no solver can use; masses scaled to a source total of 1, and that total (B, 1)."""
    check_values(cost_BNM, source_BN, target_BM, balanced=balanced)
    return scale_masses(source_BN, target_BM, balanced=balanced)


@torch.library.register_fake("optical_hf::check_and_scale")
def _(cost_BNM: torch.Tensor, source_BN: torch.Tensor, target_BM: torch.Tensor, balanced: bool) -> Any:
    return torch.empty_like(source_BN), torch.empty_like(target_BM), source_BN.new_empty(source_BN.shape[0], 1)


@_operator
def transport(
    cost_BNM: torch.Tensor,
    source_BN: torch.Tensor,
    target_BM: torch.Tensor,
    solver: str,
    epsilon: float,
    tolerance: float,
    max_iterations: int,
    rho_source: float,
    rho_target: float,
    kernel: str,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Run one row of `SOLVERS`."""
    settings = Settings(epsilon, tolerance, max_iterations, rho_source, rho_target, kernel)
    plan_BNM, error_B, iterations_B, converged_B = SOLVERS[solver].run(cost_BNM, source_BN, target_BM, settings)
    return plan_BNM, error_B, iterations_B, converged_B


@torch.library.register_fake("optical_hf::transport")
def _(cost_BNM: torch.Tensor, source_BN: torch.Tensor, target_BM: torch.Tensor, *settings: Any) -> Any:
    batch = cost_BNM.shape[0]
    return (
        torch.empty_like(cost_BNM, memory_format=torch.contiguous_format),
        cost_BNM.new_empty(batch),
        cost_BNM.new_empty(batch, dtype=torch.int64),
        cost_BNM.new_empty(batch, dtype=torch.bool),
    )
