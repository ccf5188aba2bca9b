"""Sinkhorn as one Triton program per pair: the kernel matrix stays on chip from the first iteration to the last.

The same iteration as `sinkhorn` (double c-transform start, over-relaxation, damping for relaxed marginals), absorbing u
and v at every look instead of where they grow. Every pair stops by itself; the host waits once, for the whole batch.
Zero mass is padding. Imported only where it runs: triton comes with torch's CUDA build.

Shapes: B pairs, N source tokens, M target tokens, both at most `entropic.MOST_TOKENS`. f and g are in units of epsilon.
"""

import torch
import triton
import triton.language as tl

from optical_hf.ot.solvers.log_sinkhorn import solve_log_sinkhorn
from optical_hf.ot.solvers.state import Settings, Solution, entropic_logits, marginal_error

LOOK_EVERY = 10


def solve_triton_sinkhorn(
    cost_BNM: torch.Tensor, source_BN: torch.Tensor, target_BM: torch.Tensor, settings: Settings
) -> Solution:
    """Entropic plan, one program per pair; see `optical_hf.ot.solve` for the contract."""
    batch, rows, columns = cost_BNM.shape
    logits_BNM = entropic_logits(cost_BNM, source_BN, target_BM, settings.epsilon).contiguous()
    plan_BNM = torch.empty_like(logits_BNM)
    error_B = torch.empty_like(logits_BNM[:, 0, 0])
    iterations_B = torch.empty_like(error_B, dtype=torch.int64)
    block_rows, block_columns = (max(16, triton.next_power_of_2(size)) for size in (rows, columns))
    _sinkhorn[(batch,)](
        logits_BNM,
        source_BN.contiguous(),
        target_BM.contiguous(),
        plan_BNM,
        error_B,
        iterations_B,
        rows,
        columns,
        settings.damping(settings.rho_source),
        settings.damping(settings.rho_target),
        settings.stop_at,
        settings.max_iterations,
        STEPS=LOOK_EVERY,
        BLOCK_N=block_rows,
        BLOCK_M=block_columns,
        num_warps=8 if block_rows * block_columns > 4096 else 4,
    )
    failed_B = ~error_B.isfinite()
    if failed_B.any():
        rescued = solve_log_sinkhorn(cost_BNM[failed_B], source_BN[failed_B], target_BM[failed_B], settings)
        plan_BNM[failed_B], error_B[failed_B] = rescued.plan_BNM, rescued.error_B
        iterations_B[failed_B] += rescued.iterations_B
    if settings.balanced:
        error_B = marginal_error(plan_BNM, source_BN, target_BM)
    return Solution(plan_BNM, error_B, iterations_B, error_B <= settings.tolerance)


@triton.jit
def _sinkhorn(  # type: ignore[no-untyped-def]  # Triton reads the annotations
    logits_ptr,
    source_ptr,
    target_ptr,
    plan_ptr,
    error_ptr,
    iterations_ptr,
    rows,
    columns,
    damping_source,
    damping_target,
    tolerance,
    max_iterations,
    STEPS: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_M: tl.constexpr,
):
    pair = tl.program_id(0).to(tl.int64)
    n, m = tl.arange(0, BLOCK_N), tl.arange(0, BLOCK_M)
    inside = (n < rows)[:, None] & (m < columns)[None, :]
    cells = pair * rows * columns + n[:, None] * columns + m[None, :]
    logits = tl.load(logits_ptr + cells, mask=inside, other=-float("inf"))
    source = tl.load(source_ptr + pair * rows + n, mask=n < rows, other=0.0)
    target = tl.load(target_ptr + pair * columns + m, mask=m < columns, other=0.0)
    real_n, real_m = source > 0, target > 0
    log_source, log_target = tl.log(tl.where(real_n, source, 1.0)), tl.log(tl.where(real_m, target, 1.0))
    g = tl.where(real_m, -tl.max(logits, axis=0), 0.0)
    f = tl.where(real_n, -tl.max(logits + g[None, :], axis=1), 0.0)

    relaxation = 1.0
    error = tl.where(tl.sum(source, axis=0) > 0, float("inf"), 0.0)
    done = 0
    plan = tl.exp(logits + f[:, None] + g[None, :])
    while (error > tolerance) & (done < max_iterations):
        u, v = tl.zeros([BLOCK_N], tl.float32), tl.zeros([BLOCK_M], tl.float32)  # logarithms of the scalings
        for _ in range(STEPS):
            applied = tl.sum(plan * tl.exp(v)[None, :], axis=1)
            wanted = damping_source * (log_source - tl.log(tl.where(real_n, applied, 1.0))) + (damping_source - 1) * f
            u = tl.where(real_n, u + relaxation * (wanted - u), 0.0)
            applied = tl.sum(plan * tl.exp(u)[:, None], axis=0)
            wanted = damping_target * (log_target - tl.log(tl.where(real_m, applied, 1.0))) + (damping_target - 1) * g
            v = tl.where(real_m, v + relaxation * (wanted - v), 0.0)
        f, g = f + u, g + v
        plan = tl.exp(logits + f[:, None] + g[None, :])
        done += STEPS

        moved_n, moved_m = tl.sum(plan, axis=1), tl.sum(plan, axis=0)
        wanted_n = damping_source * (log_source - tl.log(tl.where(real_n, moved_n, 1.0))) + (damping_source - 1) * f
        wanted_m = damping_target * (log_target - tl.log(tl.where(real_m, moved_m, 1.0))) + (damping_target - 1) * g
        change_n = tl.where(real_n, moved_n * (tl.exp(wanted_n) - 1), 0.0)
        change_m = tl.where(real_m, moved_m * (tl.exp(wanted_m) - 1), 0.0)
        now = tl.sum(tl.abs(change_n), axis=0) + tl.sum(tl.abs(change_m), axis=0)

        # As in sinkhorn._relaxation: the best factor for the speed seen under the present one
        speed = tl.exp(tl.log(tl.maximum(tl.minimum(now / error, 1.0), 1e-20)) / STEPS)
        plain = (speed + relaxation - 1) * (speed + relaxation - 1) / (speed * relaxation * relaxation)
        best = tl.minimum(2 / (1 + tl.sqrt(1 - tl.minimum(tl.maximum(plain, 0.0), 1.0))), 1.95)
        relaxation = tl.where(now > error, 1.0, tl.where(speed > relaxation - 1, best, relaxation))
        error = now

    plan = tl.where((error == 0.0) & (done == 0), 0.0, plan)
    tl.store(plan_ptr + cells, plan, mask=inside)
    tl.store(error_ptr + pair, error)
    tl.store(iterations_ptr + pair, done)
