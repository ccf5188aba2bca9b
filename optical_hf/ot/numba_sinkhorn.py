"""Sinkhorn as compiled code for the CPU: one pair at a time, without its padding, the kernel matrix in the cache.

The iteration of `sinkhorn` (double c-transform start, over-relaxation by each pair's own speed, absorption where a
scaling grows) for balanced problems in float32. A pair that is still open after `HAND_OVER` iterations goes on in
`sinkhorn`, which has Newton's method; one that is not finite goes to the log domain. Knows nothing about masks (zero
mass is padding) and nothing about torch inside the compiled part. Imported only where it runs: numba is optional.

Shapes: B pairs, N source tokens, M target tokens; in compiled code n and m count those with mass, in whole blocks.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import torch

from optical_hf.ot.log_sinkhorn import solve_log_sinkhorn
from optical_hf.ot.numba_pair import FAILED, OPEN, sinkhorn_pairs
from optical_hf.ot.sinkhorn import solve_sinkhorn
from optical_hf.ot.state import Settings, Solution, marginal_error

HAND_OVER = 400
THREADED_FROM = 2_000_000  # cells times pairs below which threads cost more than they save


def solve_numba_sinkhorn(
    cost_BNM: torch.Tensor, source_BN: torch.Tensor, target_BM: torch.Tensor, settings: Settings
) -> Solution:
    """Entropic plan of a balanced problem, pair by pair; see `optical_hf.ot.solve` for the contract."""
    batch = len(cost_BNM)
    plan_BNM = torch.zeros_like(cost_BNM, memory_format=torch.contiguous_format)
    error_B = cost_BNM.new_zeros(batch)
    iterations_B = torch.zeros(batch, dtype=torch.int64)
    state_B = np.zeros(batch, dtype=np.int64)
    arrays = [x.detach().contiguous().numpy() for x in (cost_BNM, source_BN, target_BM)]
    answers = [plan_BNM.numpy(), error_B.numpy(), iterations_B.numpy(), state_B]
    most = min(settings.max_iterations, HAND_OVER)

    def run(start: int, stop: int) -> None:
        part = [x[start:stop] for x in (*arrays, *answers)]
        sinkhorn_pairs(*part, settings.epsilon, settings.stop_at, most)

    threads = min(torch.get_num_threads(), batch) if cost_BNM.numel() >= THREADED_FROM else 1
    if threads == 1:
        run(0, batch)
    else:
        bounds = [batch * k // threads for k in range(threads + 1)]
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(run, bounds[:-1], bounds[1:]))
    if state_B.any():
        problem = (cost_BNM, source_BN, target_BM)
        left = settings.max_iterations - most
        for kind, solver, options in (
            (OPEN, solve_sinkhorn, replace(settings, max_iterations=max(left, 1))),
            (FAILED, solve_log_sinkhorn, settings),
        ):
            index = torch.from_numpy(np.flatnonzero(state_B == kind))
            if len(index) and (left > 0 or kind == FAILED):
                later = solver(*(x[index] for x in problem), options)
                plan_BNM[index] = later.plan_BNM
                error_B[index] = marginal_error(later.plan_BNM, source_BN[index], target_BM[index])
                iterations_B[index] += later.iterations_B
    return Solution(plan_BNM, error_B, iterations_B, error_B <= settings.tolerance)
