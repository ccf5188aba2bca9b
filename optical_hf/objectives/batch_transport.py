"""Transport between the texts of a batch instead of between the tokens of a pair: no pairing is told.

Shapes: B pairs of this device, C pairs of the whole batch.
"""

from torch import Tensor

from optical_hf.objectives.pairs import PairTensors
from optical_hf.objectives.transport import TransportSettings
from optical_hf.ot import cosine_cost, solve


def batch_transport(pairs: PairTensors, settings: TransportSettings) -> Tensor:
    """What it costs to move the batch's student vectors onto its teacher vectors, each pair's share times C: (B,).

    `C * sum_c P_bc (1 - cos(s_b, t_c))`, P the plan between uniform masses over the C pairs, held constant; the mean over the
    batch is <P, C>. Which text translates which is found by the plan, not given: a start far away may settle on a wrong
    matching, so use it beside an objective that knows the pairs, or for text that has none.

    Source: Fatras et al. 2020, "Learning with minibatch Wasserstein", arXiv:1910.04091.
    """
    batch = pairs.whole_batch
    cost_1CC = cosine_cost(batch.student_CD.unsqueeze(0), batch.teacher_CD.unsqueeze(0))
    plan_CC = solve(
        cost_1CC.detach(),
        solver=settings.solver,
        epsilon=settings.epsilon,
        tolerance=settings.tolerance,
        max_iterations=settings.max_iterations,
    ).plan[0]
    own = slice(batch.offset, batch.offset + len(pairs.student_vector_BD))
    return len(plan_CC) * (plan_CC[own] * cost_1CC[0, own]).sum(dim=-1)
