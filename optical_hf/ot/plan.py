"""The answer of a transport problem: a batch of plans with what they cost and how well they fit.

Shapes: B pairs, N source (student) tokens, M target (teacher) tokens.
"""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class TransportPlan:
    """What `optical_hf.ot.solve` returns, pair by pair.

    Attributes:
        plan: (B, N, M) mass moved from every source token to every target token, 0 at padding.
        cost: (B,) transport cost <P, C>; its gradient with respect to the cost is `plan`. 0 for an empty pair.
        marginal_error: (B,) L1 distance of both marginals of `plan` from the masses they must have, as a share of
            the pair's mass, measured on the returned plan. For `unbalanced`, whose marginals are free, the L1 change
            that one more iteration makes to them; for `partial` with what stays behind counted in.
        iterations: (B,) int64, iterations until the pair was finished (simplex solves report 0).
        converged: (B,) bool, `marginal_error <= tolerance`; for `ipot` the duality gap is within it too.
    """

    plan: torch.Tensor
    cost: torch.Tensor
    marginal_error: torch.Tensor
    iterations: torch.Tensor
    converged: torch.Tensor
