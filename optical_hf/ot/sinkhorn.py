"""Entropic transport by Sinkhorn in kernel form, batched: the default solver.

P = diag(u) K diag(v), K = exp((f + g - C) / epsilon), u = a / (K v), v = b / (K' u) (Cuturi 2013), with
- a double c-transform as f and g at the start, so that every row and column of K has a 1 (nothing underflows away);
- absorption of u and v into f and g where they grow (Schmitzer 2019, alg. 2), and the log domain where that fails;
- over-relaxation with the factor that each pair's own speed asks for (Lehmann et al. 2021);
- finished pairs leave the batch, as the slowest pair needs several times the iterations of the median.
Knows nothing about masks: zero mass is padding, and u = 0 there keeps it out.

Shapes: B pairs, N source tokens, M target tokens.
"""

from dataclasses import dataclass, replace

import torch

from optical_hf.ot.log_sinkhorn import solve_log_sinkhorn
from optical_hf.ot.state import Settings, Solution, marginal_error

CHECK_EVERY = 10  # iterations between two looks at the error (one host synchronisation each)
ABSORB_ABOVE = 12.0  # largest |log u| or |log v| before absorption
LOWEST_EXPONENT = -60.0  # of a kernel entry: exp(-60) is nothing beside the row's 1, and denormals are slow
MAX_RELAXATION = 1.95


@dataclass(frozen=True)
class _Batch:
    """The pairs still open: their place in the full batch, potentials in units of epsilon, kernel and scalings."""

    index: torch.Tensor
    logits_BNM: torch.Tensor  # -C / epsilon
    source_B1N: torch.Tensor
    target_B1M: torch.Tensor
    f_B1N: torch.Tensor
    g_B1M: torch.Tensor
    kernel_BNM: torch.Tensor
    transposed_BMN: torch.Tensor  # contiguous: a row vector times a matrix is 6 times faster than the other way round
    u_B1N: torch.Tensor
    v_B1M: torch.Tensor
    relaxation_B11: torch.Tensor
    error_B: torch.Tensor

    def keep(self, chosen: torch.Tensor) -> "_Batch":
        return _Batch(**{name: value[chosen] for name, value in vars(self).items()})


def solve_sinkhorn(
    cost_BNM: torch.Tensor, source_BN: torch.Tensor, target_BM: torch.Tensor, settings: Settings
) -> Solution:
    """Entropic plan by stabilised kernel Sinkhorn; see `optical_hf.ot.solve` for the contract."""
    plan_BNM = torch.zeros_like(cost_BNM)
    iterations_B = torch.zeros(len(cost_BNM), dtype=torch.int64, device=cost_BNM.device)
    batch = _start(cost_BNM, source_BN, target_BM, settings)
    failed: list[torch.Tensor] = []
    done = 0
    while len(batch.index) and done < settings.max_iterations:
        steps = min(CHECK_EVERY, settings.max_iterations - done)
        batch = _iterate(batch, steps)
        done += steps
        batch, broken, finished = _look(batch, settings)
        iterations_B[batch.index] = done
        leaving = broken | finished
        if leaving.any():  # the one synchronisation per look
            plan_BNM[batch.index[finished]] = _plan(batch.keep(finished))
            failed.append(batch.index[broken])
            batch = batch.keep(~leaving)
        batch = _absorb(batch)
    plan_BNM[batch.index] = _plan(batch)
    if failed and len(index := torch.cat(failed)):
        rescued = solve_log_sinkhorn(cost_BNM[index], source_BN[index], target_BM[index], settings)
        plan_BNM[index] = rescued.plan_BNM
        iterations_B[index] += rescued.iterations_B
    error_B = marginal_error(plan_BNM, source_BN, target_BM)
    return Solution(plan_BNM, error_B, iterations_B, error_B <= settings.tolerance)


def _start(cost_BNM: torch.Tensor, source_BN: torch.Tensor, target_BM: torch.Tensor, settings: Settings) -> _Batch:
    """Potentials by double c-transform, f_i = min_j C_ij - g_j, over the pairs that have something to move."""
    index = (source_BN.sum(dim=1) * target_BM.sum(dim=1)).nonzero()[:, 0]
    source_B1N, target_B1M = source_BN[index, None, :], target_BM[index, None, :]
    valid_BNM = (source_B1N.mT > 0) & (target_B1M > 0)
    logits_BNM = torch.where(valid_BNM, cost_BNM[index] / -settings.epsilon, -torch.inf)
    g_B1M = -_finite(logits_BNM.amax(dim=1, keepdim=True))
    f_B1N = -_finite((logits_BNM + g_B1M).amax(dim=2, keepdim=True)).mT
    kernel_BNM = _kernel(logits_BNM, f_B1N, g_B1M)
    return _Batch(
        index=index,
        logits_BNM=logits_BNM,
        source_B1N=source_B1N,
        target_B1M=target_B1M,
        f_B1N=f_B1N,
        g_B1M=g_B1M,
        kernel_BNM=kernel_BNM,
        transposed_BMN=kernel_BNM.mT.contiguous(),
        u_B1N=(source_B1N > 0).to(cost_BNM.dtype),
        v_B1M=(target_B1M > 0).to(cost_BNM.dtype),
        relaxation_B11=torch.ones_like(source_B1N[:, :, :1]),
        error_B=torch.full_like(source_B1N[:, 0, 0], torch.inf),
    )


def _finite(value: torch.Tensor) -> torch.Tensor:
    return torch.where(value == -torch.inf, 0.0, value)


def _kernel(logits_BNM: torch.Tensor, f_B1N: torch.Tensor, g_B1M: torch.Tensor) -> torch.Tensor:
    """K = exp((f + g - C) / eps); padding, where the logits are -inf, gets exp(LOWEST_EXPONENT) and meets u = v = 0."""
    return (logits_BNM + f_B1N.mT + g_B1M).clamp_(min=LOWEST_EXPONENT).exp_()


def _plan(batch: _Batch) -> torch.Tensor:
    return batch.kernel_BNM * batch.u_B1N.mT * batch.v_B1M


def _iterate(batch: _Batch, steps: int) -> _Batch:
    """`steps` rounds of u <- u (a / (u K v))^w, v <- v (b / (v K'u))^w; zero masses keep u = v = 0."""
    u_B1N, v_B1M, power = batch.u_B1N, batch.v_B1M, batch.relaxation_B11 - 1
    for _ in range(steps):
        full_B1N = batch.source_B1N / torch.bmm(v_B1M, batch.transposed_BMN)
        u_B1N = full_B1N * _ratio(full_B1N, u_B1N).pow(power)
        full_B1M = batch.target_B1M / torch.bmm(u_B1N, batch.kernel_BNM)
        v_B1M = full_B1M * _ratio(full_B1M, v_B1M).pow(power)
    return replace(batch, u_B1N=u_B1N, v_B1M=v_B1M)


def _ratio(new: torch.Tensor, old: torch.Tensor) -> torch.Tensor:
    return torch.where(old > 0, new / old, 1.0)


def _look(batch: _Batch, settings: Settings) -> tuple[_Batch, torch.Tensor, torch.Tensor]:
    """Measure every pair, say which broke and which are finished, and set the relaxation of the others."""
    rows_B1N = batch.u_B1N * torch.bmm(batch.v_B1M, batch.transposed_BMN)
    columns_B1M = batch.v_B1M * torch.bmm(batch.u_B1N, batch.kernel_BNM)
    error_B = (rows_B1N - batch.source_B1N).abs().sum((1, 2)) + (columns_B1M - batch.target_B1M).abs().sum((1, 2))
    broken = ~error_B.isfinite()
    finished = ~broken & (error_B <= settings.tolerance)
    speed_B = (error_B / batch.error_B).clamp(0.0, 1.0) ** (1 / CHECK_EVERY)
    relaxation_B = _relaxation(speed_B, batch.relaxation_B11[:, 0, 0])
    relaxation_B = torch.where(error_B > batch.error_B, 1.0, relaxation_B)
    return replace(batch, error_B=error_B, relaxation_B11=relaxation_B[:, None, None]), broken, finished


def _relaxation(speed_B: torch.Tensor, relaxation_B: torch.Tensor) -> torch.Tensor:
    """Best factor 2 / (1 + sqrt(1 - t)), t the speed of the plain iteration, read off the speed s under the factor w.

    Theory of successive over-relaxation: (s + w - 1)^2 = s w^2 t while s > w - 1; at s = w - 1 the factor is right.
    """
    plain_B = (speed_B + relaxation_B - 1) ** 2 / (speed_B.clamp(min=1e-6) * relaxation_B**2)
    best_B = 2 / (1 + (1 - plain_B.clamp(0.0, 1.0)).sqrt())
    return torch.where(speed_B > relaxation_B - 1, best_B.clamp(max=MAX_RELAXATION), relaxation_B)


def _absorb(batch: _Batch) -> _Batch:
    """Move u and v of the pairs where they grew large into f and g, and build their kernels anew."""
    log_u_B1N, log_v_B1M = _log(batch.u_B1N), _log(batch.v_B1M)
    large_B = torch.maximum(log_u_B1N.abs().amax((1, 2)), log_v_B1M.abs().amax((1, 2))) > ABSORB_ABOVE
    index = large_B.nonzero()[:, 0]
    if len(index):
        batch.f_B1N[index] += log_u_B1N[index]
        batch.g_B1M[index] += log_v_B1M[index]
        kernel_BNM = _kernel(batch.logits_BNM[index], batch.f_B1N[index], batch.g_B1M[index])
        batch.kernel_BNM[index] = kernel_BNM
        batch.transposed_BMN[index] = kernel_BNM.mT
        batch.u_B1N[index] = (batch.source_B1N[index] > 0).to(kernel_BNM.dtype)
        batch.v_B1M[index] = (batch.target_B1M[index] > 0).to(kernel_BNM.dtype)
    return batch


def _log(scaling: torch.Tensor) -> torch.Tensor:
    return torch.where(scaling > 0, scaling, 1.0).log()
