"""Every solver behind one torch operator, so that `torch.compile` sees a single node and autograd one derivative.

The loops inside look at their own error and leave when they are done, which no graph can hold; as a custom operator
they run as they are, in eager mode and in a compiled graph alike. Checks of values are an operator for the same reason.
Knows nothing about masks beyond zero mass.

Shapes: B pairs, N source tokens, M target tokens.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from optical_hf.ot.entropic import solve_entropic
from optical_hf.ot.implicit import cost_gradient
from optical_hf.ot.problem import check_values, scale_masses
from optical_hf.ot.solvers.exact_solver import solve_exact
from optical_hf.ot.solvers.ipot import solve_ipot
from optical_hf.ot.solvers.state import Settings, Solution


@dataclass(frozen=True)
class Row:
    """One solver: what it runs, whether the totals must match, and whether its plan is smooth in the cost."""

    run: Callable[[torch.Tensor, torch.Tensor, torch.Tensor, Settings], Solution]
    balanced: bool
    smooth: bool


SOLVERS: dict[str, Row] = {
    "sinkhorn": Row(solve_entropic, balanced=True, smooth=True),
    "ipot": Row(solve_ipot, balanced=True, smooth=False),
    "unbalanced": Row(solve_entropic, balanced=False, smooth=True),
    "partial": Row(solve_entropic, balanced=False, smooth=True),  # on the problem with dummies
    "exact": Row(solve_exact, balanced=True, smooth=False),
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
    """Run one row of `SOLVERS`; differentiable in the cost through its plan (implicit function theorem)."""
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


@_operator
def transport_backward(
    plan_BNM: torch.Tensor, upstream_BNM: torch.Tensor, epsilon: float, rho_source: float, rho_target: float
) -> torch.Tensor:
    """`cost_gradient` as an operator of its own: its Cholesky is no business of a compiler."""
    return cost_gradient(plan_BNM, upstream_BNM, epsilon, rho_source, rho_target)


@torch.library.register_fake("optical_hf::transport_backward")
def _(plan_BNM: torch.Tensor, upstream_BNM: torch.Tensor, *settings: Any) -> Any:
    return torch.empty_like(plan_BNM)


def _save(ctx: Any, inputs: tuple, output: tuple) -> None:
    _, _, _, _, ctx.epsilon, _, _, ctx.rho_source, ctx.rho_target, _ = inputs
    ctx.save_for_backward(output[0])
    ctx.mark_non_differentiable(*output[1:])


def _backward(ctx: Any, upstream_BNM: torch.Tensor, *_unused: Any) -> tuple:
    (plan_BNM,) = ctx.saved_tensors
    gradient_BNM = transport_backward(plan_BNM, upstream_BNM, ctx.epsilon, ctx.rho_source, ctx.rho_target)
    return (gradient_BNM, *[None] * 9)


torch.library.register_autograd("optical_hf::transport", _backward, setup_context=_save)
