"""The exact optimum by the network simplex of POT, pair by pair on the CPU; also the oracle of the other solvers.

Zero mass is padding: those rows and columns are cut off before POT sees
them. POT is imported on first use: `import ot` costs several tenths of a second (scipy, and every backend it finds),
which a user of Sinkhorn should not pay.

Bonneel et al. 2011; P* = argmin <P, C> over plans with marginals a and b.
Shapes: B pairs, N source tokens, M target tokens.
"""

import warnings

import numpy as np
import torch

from optical_hf.ot.solvers.state import Settings, Solution, marginal_error


def solve_exact(
    cost_BNM: torch.Tensor, source_BN: torch.Tensor, target_BM: torch.Tensor, settings: Settings
) -> Solution:
    """Solve each pair of a batch with `ot.emd`; see `optical_hf.ot.solve` for the contract."""
    import ot  # noqa: PLC0415 - lazy on purpose, see above

    costs, sources, targets = (x.detach().double().cpu().numpy() for x in (cost_BNM, source_BN, target_BM))
    plans = np.zeros(costs.shape)
    for plan, cost, source, target in zip(plans, costs, sources, targets, strict=True):
        rows, columns = np.flatnonzero(source), np.flatnonzero(target)
        if rows.size and columns.size:
            a, b = source[rows], target[columns]
            block = np.ascontiguousarray(cost[np.ix_(rows, columns)])
            with warnings.catch_warnings():  # an unfinished pair is reported by its marginal error
                warnings.simplefilter("ignore")
                found = ot.emd(a, b * (a.sum() / b.sum()), block, numItermax=max(100_000, settings.max_iterations))
            plan[np.ix_(rows, columns)] = found
    plan_BNM = torch.from_numpy(plans).to(cost_BNM)
    error_B = marginal_error(plan_BNM, source_BN, target_BM)
    iterations_B = torch.zeros(len(costs), dtype=torch.int64, device=cost_BNM.device)
    return Solution(plan_BNM, error_B, iterations_B, error_B <= settings.tolerance)
