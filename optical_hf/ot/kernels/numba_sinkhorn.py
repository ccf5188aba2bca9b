"""Sinkhorn as compiled code for the CPU: one pair at a time, without its padding, the kernel matrix in the cache.

For balanced problems in float32; numba_sweep.py has the iteration, numba_newton.py its Newton step. A pair that breaks is
finished in the log domain. Large batches are shared out over torch's number of threads, which changes no bit of the
answer. Zero mass is padding. Imported only where it runs: numba is optional.

Shapes: B pairs, N source tokens, M target tokens.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from optical_hf.ot.kernels.numba_sweep import sinkhorn_pairs
from optical_hf.ot.solvers.log_sinkhorn import solve_log_sinkhorn
from optical_hf.ot.solvers.state import Settings, Solution, marginal_error

CELLS_PER_THREAD = 256 * 1024  # of the batch: with fewer, starting a thread costs more than it saves


def solve_numba_sinkhorn(
    cost_BNM: torch.Tensor, source_BN: torch.Tensor, target_BM: torch.Tensor, settings: Settings
) -> Solution:
    """Entropic plan of a balanced problem, pair by pair; see `optical_hf.ot.solve` for the contract."""
    plan_BNM = torch.zeros_like(cost_BNM, memory_format=torch.contiguous_format)
    error_B = torch.zeros_like(cost_BNM[:, 0, 0])
    iterations_B = torch.zeros_like(error_B, dtype=torch.int64)
    problem = [x.detach().contiguous().numpy() for x in (cost_BNM, source_BN, target_BM)]
    arrays = [*problem, *(x.numpy() for x in (plan_BNM, error_B, iterations_B))]

    def run(start: int, stop: int) -> None:
        part = (x[start:stop] for x in arrays)
        sinkhorn_pairs(*part, settings.epsilon, settings.stop_at, settings.max_iterations)

    batch = len(cost_BNM)
    threads = max(1, min(torch.get_num_threads(), batch, cost_BNM.numel() // CELLS_PER_THREAD))
    if threads == 1:
        run(0, batch)
    else:
        bounds = [batch * k // threads for k in range(threads + 1)]
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(run, bounds[:-1], bounds[1:]))
    if np.isinf(arrays[4]).any():
        failed_B = error_B.isinf()
        broken = [x[failed_B] for x in (cost_BNM, source_BN, target_BM)]
        rescued = solve_log_sinkhorn(broken[0], broken[1], broken[2], settings)
        plan_BNM[failed_B] = rescued.plan_BNM
        error_B[failed_B] = marginal_error(rescued.plan_BNM, broken[1], broken[2])
        iterations_B[failed_B] += rescued.iterations_B
    return Solution(plan_BNM, error_B, iterations_B, error_B <= settings.tolerance)
