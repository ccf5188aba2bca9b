"""The transport loss of OPTICAL (Huang, Yu, Allan, WSDM 2023, arXiv:2301.12566, section 3): <P, C> of a translated pair.

C is one minus the cosine between student and teacher tokens. P is the transport plan between uniform token masses, held
constant while <P, C> is differentiated.

Shapes: B pairs.
"""

from dataclasses import asdict, dataclass
from typing import get_args

from torch import Tensor

from optical_hf.losses.loss import Loss
from optical_hf.losses.pair_tensors import PairTensors
from optical_hf.ot import TransportPlan, cosine_cost, solve
from optical_hf.ot.transport import Solver


@dataclass(frozen=True)
class Transport(Loss):
    """What it costs to move the student's tokens onto the teacher's, (B,); a pair with no token on one side costs 0.

    Args:
        solver: of the plans, see `optical_hf.ot.solve`.
        epsilon: entropic regularisation, in units of the cosine cost.
        tolerance: L1 marginal error at which a plan counts as converged.
        max_iterations: iterations of the solver at most.
        rho: for "unbalanced", the weight of the KL divergence that holds the marginals, in units of the cost.
        share: for "partial", the share of the mass that is moved, in (0, 1].
        special_tokens: let [CLS], </s> and their like, and punctuation, take part.

    Raises:
        ValueError: an unknown solver, or a number out of range.

    Example:
        >>> str(Transport(solver="unbalanced", rho=0.5))
        'transport(solver=unbalanced,rho=0.5)'
    """

    name = "transport"
    needs_tokens = True
    solver: Solver = "sinkhorn"
    epsilon: float = 0.05
    tolerance: float = 1e-3
    max_iterations: int = 1000
    rho: float = 1.0
    share: float = 0.8
    special_tokens: bool = False

    def __post_init__(self) -> None:
        """Check the settings."""
        if self.solver not in get_args(Solver):
            raise ValueError(
                f"transport: solver is {self.solver!r}: expected one of {', '.join(map(repr, get_args(Solver)))}"
            )
        self.check_positive("epsilon", "tolerance", "max_iterations", "rho", "share")
        if self.share > 1:
            raise ValueError(f"transport: share is {self.share}: expected a share of the mass in (0, 1]")

    def plan(self, pairs: PairTensors) -> TransportPlan:
        """Transport student tokens onto teacher tokens; the plan's `cost` (B,) is the loss."""
        special = self.special_tokens
        mask_BN = pairs.student_mask_BN if special else pairs.student_content_BN
        mask_BM = pairs.teacher_mask_BM if special else pairs.teacher_content_BM
        settings = {name: value for name, value in asdict(self).items() if name != "special_tokens"}
        return solve(cosine_cost(pairs.student_BND, pairs.teacher_BMD, mask_BN, mask_BM), mask_BN, mask_BM, **settings)

    def __call__(self, pairs: PairTensors) -> Tensor:
        """The transport cost of each pair, (B,)."""
        return self.plan(pairs).cost
