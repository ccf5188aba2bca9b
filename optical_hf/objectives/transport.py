"""The transport loss of OPTICAL (Huang, Yu, Allan, WSDM 2023, arXiv:2301.12566, section 3): <P, C> of a translated pair.

C is one minus the cosine between student and teacher tokens, P the transport plan between uniform token masses, held constant
while <P, C> is differentiated.

Shapes: B pairs.
"""

from dataclasses import dataclass

from torch import Tensor

from optical_hf.objectives.pairs import PairTensors
from optical_hf.ot import TransportPlan, cosine_cost, solve
from optical_hf.ot.transport import Solver


@dataclass(frozen=True)
class TransportSettings:
    """How the plans are found; see `optical_hf.ot.solve`."""

    solver: Solver = "sinkhorn"
    epsilon: float = 0.05
    tolerance: float = 1e-3
    max_iterations: int = 1000


def transport(pairs: PairTensors, settings: TransportSettings) -> TransportPlan:
    """Transport student tokens onto teacher tokens.

    Returns:
        The `TransportPlan`; its `cost` (B,) is the loss of each pair, with a gradient to the student's tokens. A pair with no
        token on one side costs 0.
    """
    mask_BN, mask_BM = pairs.student_mask_BN, pairs.teacher_mask_BM
    cost_BNM = cosine_cost(pairs.student_BND, pairs.teacher_BMD, mask_BN, mask_BM)
    return solve(
        cost_BNM,
        mask_BN,
        mask_BM,
        solver=settings.solver,
        epsilon=settings.epsilon,
        tolerance=settings.tolerance,
        max_iterations=settings.max_iterations,
    )


def transport_loss(pairs: PairTensors, settings: TransportSettings) -> Tensor:
    """The transport cost of each pair, (B,)."""
    return transport(pairs, settings).cost
