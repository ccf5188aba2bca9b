"""Entropic transport by Sinkhorn in kernel form, balanced or with KL-relaxed marginals: the default solver.

P = diag(u) K diag(v), K = exp(f + g + log a + log b - C / epsilon), u <- (a / K v)^d, v <- (b / K'u)^d, where the
damping d is 1 for a marginal that is held and rho / (rho + epsilon) for a relaxed one (Cuturi 2013; Chizat et al.
2018), with
- a double c-transform as f and g at the start, so that every row and column of K has a 1 (nothing underflows away);
- absorption of u and v into f and g where they grow (Schmitzer 2019, alg. 2), and the log domain where that fails;
- over-relaxation by a factor set from each pair's own speed (Lehmann et al. 2021);
- finished pairs leave the batch, as the slowest pair needs several times the iterations of the median;
- a Newton step at every look for the pairs that are late (newton.py), and a few iterations after it.
Zero mass is padding: K is 0 there, and u and v stay 1.

Shapes: B pairs, N source tokens, M target tokens. f and g are in units of epsilon.
"""

import math
from typing import NamedTuple

import torch

from optical_hf.ot.solvers.log_sinkhorn import solve_log_sinkhorn
from optical_hf.ot.solvers.newton import newton_step
from optical_hf.ot.solvers.state import Settings, Solution, entropic_logits, marginal_error

PLAIN_LOOKS = (6, 12)  # iterations at the first looks at the error, without relaxation up to here
LOOK_EVERY = 8  # after them; every look is one synchronisation
NEWTON_FROM = 28  # iterations after which a pair counts as late
NEWTON_LOOK_EVERY = 3
ABSORB_ABOVE = 12.0  # largest |log u| or |log v| before absorption
LOWEST_EXPONENT = -60.0  # below, a kernel entry is 0: exp(-60) is nothing beside the row's 1, and denormals are slow
MAX_RELAXATION = 1.95
COMPACT_BELOW = 0.7  # share of open pairs under which the finished ones leave the batch: leaving costs a copy


class _Batch(NamedTuple):
    """The pairs being iterated: their place in the full batch, potentials in units of epsilon, kernel and scalings."""

    place_B: torch.Tensor
    open_B: torch.Tensor
    source_B1N: torch.Tensor  # 1 at padding, as are u, v and padding's share of K v: 1 / 1 stays 1
    target_B1M: torch.Tensor
    f_B1N: torch.Tensor
    g_B1M: torch.Tensor
    kernel_BNM: torch.Tensor
    transposed_BMN: torch.Tensor  # contiguous: a row vector times a matrix is 6 times faster than the other way round
    u_B1N: torch.Tensor
    v_B1M: torch.Tensor
    source_padding_B1N: torch.Tensor
    target_padding_B1M: torch.Tensor
    relaxation_B11: torch.Tensor
    error_B: torch.Tensor

    def keep(self, chosen: torch.Tensor) -> "_Batch":
        return _Batch(*(value[chosen] for value in self))


def solve_sinkhorn(
    cost_BNM: torch.Tensor, source_BN: torch.Tensor, target_BM: torch.Tensor, settings: Settings
) -> Solution:
    """Entropic plan by stabilised kernel Sinkhorn; see `optical_hf.ot.solve` for the contract."""
    logits_BNM = entropic_logits(cost_BNM, source_BN, target_BM, settings.epsilon)
    plan_BNM = torch.zeros_like(cost_BNM)
    error_B = torch.zeros_like(cost_BNM[:, 0, 0])
    iterations_B = torch.zeros_like(error_B, dtype=torch.int64)
    batch = _start(logits_BNM, source_BN, target_BM)
    failed_B = torch.zeros_like(error_B, dtype=torch.bool)
    done = 0
    while len(batch.place_B) and done < settings.max_iterations:
        goal = _next_look(done, settings)
        steps, done = goal - done, goal
        iterations_B[batch.place_B] += steps * batch.open_B
        plain = done <= PLAIN_LOOKS[-1] or _late(done - steps, settings)
        batch = _iterate(batch, steps, settings, plain=plain)
        before_B, batch = batch.error_B, _look(batch, settings)
        still_open, broken, grown = _counts(batch)  # the one synchronisation
        if not still_open:
            break
        if broken or still_open < COMPACT_BELOW * len(batch.open_B):
            failed_B[batch.place_B] = ~batch.error_B.isfinite()
            leaving = batch.keep(~batch.open_B)
            plan_BNM[leaving.place_B], error_B[leaving.place_B] = _plan(leaving), leaving.error_B
            before_B, batch = before_B[batch.open_B], batch.keep(batch.open_B)
        batch = _newton(batch) if _late(done, settings) else _relax(batch, before_B, steps)
        if grown or _late(done, settings):
            batch = _absorb(batch, logits_BNM)
    plan_BNM[batch.place_B], error_B[batch.place_B] = _plan(batch), batch.error_B
    failed_B[batch.place_B] = ~batch.error_B.isfinite()
    if failed_B.any():
        rescued = solve_log_sinkhorn(cost_BNM[failed_B], source_BN[failed_B], target_BM[failed_B], settings)
        plan_BNM[failed_B], error_B[failed_B] = rescued.plan_BNM, rescued.error_B
        iterations_B[failed_B] += rescued.iterations_B
    if settings.balanced:
        error_B = marginal_error(plan_BNM, source_BN, target_BM)
    return Solution(plan_BNM, error_B, iterations_B, error_B <= settings.tolerance)


def _late(done: int, settings: Settings) -> bool:
    return settings.balanced and done >= NEWTON_FROM


def _next_look(done: int, settings: Settings) -> int:
    early = [look for look in PLAIN_LOOKS if look > done]
    every = NEWTON_LOOK_EVERY if _late(done, settings) else LOOK_EVERY
    return min(early[0] if early else done + every, settings.max_iterations)


def _newton(batch: _Batch) -> _Batch:
    """One Newton step on every open pair; plain iterations follow, as relaxation has nothing to go by after a jump."""
    source_BN = (batch.source_B1N - batch.source_padding_B1N)[:, 0]
    target_BM = (batch.target_B1M - batch.target_padding_B1M)[:, 0]
    df_BN, dg_BM = newton_step(_plan(batch), source_BN, target_BM)
    open_B1 = batch.open_B[:, None]
    u_B1N = batch.u_B1N * torch.where(open_B1, df_BN, 0.0).exp()[:, None, :]
    v_B1M = batch.v_B1M * torch.where(open_B1, dg_BM, 0.0).exp()[:, None, :]
    return batch._replace(u_B1N=u_B1N, v_B1M=v_B1M, relaxation_B11=torch.ones_like(batch.relaxation_B11))


def _start(logits_BNM: torch.Tensor, source_BN: torch.Tensor, target_BM: torch.Tensor) -> _Batch:
    """Potentials by double c-transform, over the pairs that have something to move."""
    index = source_BN.any(dim=1).nonzero()[:, 0]
    if len(index) < len(logits_BNM):
        logits_BNM, source_BN, target_BM = logits_BNM[index], source_BN[index], target_BM[index]
    source_B1N, target_B1M = source_BN[:, None, :], target_BM[:, None, :]
    source_padding_B1N, target_padding_B1M = ((x == 0).to(source_BN.dtype) for x in (source_B1N, target_B1M))
    g_B1M = -_finite(logits_BNM.amax(dim=1, keepdim=True))
    f_B1N = -_finite((logits_BNM + g_B1M).amax(dim=2)[:, None, :])
    kernel_BNM = _kernel(logits_BNM, f_B1N, g_B1M)
    return _Batch(
        place_B=index,
        open_B=torch.ones_like(index, dtype=torch.bool),
        source_B1N=source_B1N + source_padding_B1N,
        target_B1M=target_B1M + target_padding_B1M,
        f_B1N=f_B1N,
        g_B1M=g_B1M,
        kernel_BNM=kernel_BNM,
        transposed_BMN=kernel_BNM.mT.contiguous(),
        u_B1N=torch.ones_like(source_B1N),
        v_B1M=torch.ones_like(target_B1M),
        source_padding_B1N=source_padding_B1N,
        target_padding_B1M=target_padding_B1M,
        relaxation_B11=torch.ones_like(source_B1N[:, :, :1]),
        error_B=torch.full_like(source_B1N[:, 0, 0], torch.inf),
    )


def _finite(value: torch.Tensor) -> torch.Tensor:
    return torch.where(value == -torch.inf, 0.0, value)


def _kernel(logits_BNM: torch.Tensor, f_B1N: torch.Tensor, g_B1M: torch.Tensor) -> torch.Tensor:
    """exp(logits + f + g), exactly 0 at padding and below exp(LOWEST_EXPONENT)."""
    exponent_BNM = (logits_BNM + f_B1N.mT).add_(g_B1M)
    return torch.threshold_(exponent_BNM, LOWEST_EXPONENT, -torch.inf).exp_()


def _plan(batch: _Batch) -> torch.Tensor:
    return (batch.kernel_BNM * batch.u_B1N.mT).mul_(batch.v_B1M)


def _iterate(batch: _Batch, steps: int, settings: Settings, *, plain: bool) -> _Batch:
    """Update u and v in turn; the loop that everything else is there for."""
    damping_u, damping_v = settings.damping(settings.rho_source), settings.damping(settings.rho_target)
    u_B1N, v_B1M = batch.u_B1N, batch.v_B1M
    for _ in range(steps):
        applied_B1N = torch.baddbmm(batch.source_padding_B1N, v_B1M, batch.transposed_BMN)
        if plain and damping_u == 1.0:
            u_B1N = batch.source_B1N / applied_B1N
        else:
            factor_B1N = _factor(applied_B1N, batch.source_B1N, u_B1N, batch.f_B1N, damping_u)
            u_B1N = factor_B1N.pow_(batch.relaxation_B11).mul_(u_B1N)
        applied_B1M = torch.baddbmm(batch.target_padding_B1M, u_B1N, batch.kernel_BNM)
        if plain and damping_v == 1.0:
            v_B1M = batch.target_B1M / applied_B1M
        else:
            factor_B1M = _factor(applied_B1M, batch.target_B1M, v_B1M, batch.g_B1M, damping_v)
            v_B1M = factor_B1M.pow_(batch.relaxation_B11).mul_(v_B1M)
    return batch._replace(u_B1N=u_B1N, v_B1M=v_B1M)


def _factor(
    applied: torch.Tensor, mass: torch.Tensor, scaling: torch.Tensor, potential: torch.Tensor, damping: float
) -> torch.Tensor:
    """T(v) / u, the factor by which a plain update would change a scaling; 1 at padding.

    f + log u = d (f + log a - log K v) keeps (1 - d) f of a potential that was absorbed.
    """
    if damping == 1.0:
        return mass / (applied * scaling)
    return (mass / applied).pow_(damping).mul_((potential * (damping - 1)).exp_()).div_(scaling)


def _look(batch: _Batch, settings: Settings) -> _Batch:
    """Measure the L1 change that one plain update would make to each marginal, and close the pairs where it is small.

    For a held marginal that change is exactly its error, as u T(v) / u K v = a.
    """
    applied_B1N = torch.baddbmm(batch.source_padding_B1N, batch.v_B1M, batch.transposed_BMN)
    applied_B1M = torch.baddbmm(batch.target_padding_B1M, batch.u_B1N, batch.kernel_BNM)
    damping_u, damping_v = settings.damping(settings.rho_source), settings.damping(settings.rho_target)
    change_B1N = _change(applied_B1N, batch.source_B1N, batch.u_B1N, batch.f_B1N, damping_u)
    change_B1M = _change(applied_B1M, batch.target_B1M, batch.v_B1M, batch.g_B1M, damping_v)
    error_B = torch.linalg.vector_norm(torch.cat([change_B1N, change_B1M], dim=2), ord=1, dim=(1, 2))
    return batch._replace(error_B=error_B, open_B=batch.open_B & (error_B > settings.stop_at) & (error_B < torch.inf))


def _change(
    applied: torch.Tensor, mass: torch.Tensor, scaling: torch.Tensor, potential: torch.Tensor, damping: float
) -> torch.Tensor:
    if damping == 1.0:
        return torch.addcmul(mass, applied, scaling, value=-1)
    return (_factor(applied, mass, scaling, potential, damping) - 1).mul_(applied).mul_(scaling)


def _counts(batch: _Batch) -> tuple[int, bool, bool]:
    """Open pairs, whether a pair broke, whether a scaling grew: three numbers brought to the host at once."""
    low, high = torch.aminmax(torch.cat([batch.u_B1N, batch.v_B1M], dim=2))
    numbers = torch.stack([batch.open_B.sum().to(low.dtype), batch.error_B.sum(), low, high]).tolist()
    still_open, error, lowest, highest = numbers
    grown = not (lowest >= math.exp(-ABSORB_ABOVE) and highest <= math.exp(ABSORB_ABOVE))
    return int(still_open), not math.isfinite(error), grown


def _relax(batch: _Batch, before_B: torch.Tensor, steps: int) -> _Batch:
    """Set the relaxation of every open pair by the decrease of its error over the last steps.

    Best factor 2 / (1 + sqrt(1 - t)), t the speed of the plain iteration, read off the speed s under the factor w by the
    theory of successive over-relaxation: (s + w - 1)^2 = s w^2 t while s > w - 1; at s = w - 1 the factor is right.
    """
    relaxation_B = batch.relaxation_B11[:, 0, 0]
    speed_B = (batch.error_B / before_B).clamp_(0.0, 1.0).pow_(1 / steps)
    plain_B = (speed_B + relaxation_B - 1) ** 2 / (speed_B.clamp(min=1e-6) * relaxation_B**2)
    best_B = 2 / (1 + (1 - plain_B.clamp_(0.0, 1.0)).sqrt_())
    relaxation_B = torch.where(speed_B > relaxation_B - 1, best_B.clamp_(max=MAX_RELAXATION), relaxation_B)
    # A finished pair that is still in the batch must stay finished.
    calm_B = ~batch.open_B | (batch.error_B > before_B)
    return batch._replace(relaxation_B11=torch.where(calm_B, 1.0, relaxation_B)[:, None, None])


def _grown(batch: _Batch) -> torch.Tensor:
    """Pairs with a |log u| or |log v| above the limit."""
    low_B, high_B = torch.aminmax(torch.cat([batch.u_B1N, batch.v_B1M], dim=2)[:, 0], dim=1)
    return (low_B < math.exp(-ABSORB_ABOVE)) | (high_B > math.exp(ABSORB_ABOVE))


def _absorb(batch: _Batch, logits_BNM: torch.Tensor) -> _Batch:
    """Move u and v of the pairs where they grew large into f and g, and build their kernels anew."""
    index = _grown(batch).nonzero()[:, 0]
    if len(index):
        batch.f_B1N[index] += batch.u_B1N[index].log()
        batch.g_B1M[index] += batch.v_B1M[index].log()
        kernel_BNM = _kernel(logits_BNM[batch.place_B[index]], batch.f_B1N[index], batch.g_B1M[index])
        batch.kernel_BNM[index] = kernel_BNM
        batch.transposed_BMN[index] = kernel_BNM.mT
        batch.u_B1N[index] = 1.0
        batch.v_B1M[index] = 1.0
    return batch
