"""Where an entropic problem runs: a Triton kernel for small pairs on CUDA, a Numba kernel on a CPU, torch elsewhere.

A kernel is taken where the problem fits it and its library is installed. Knows nothing about the iteration itself.

Shapes: B pairs, N source tokens, M target tokens.
"""

import warnings
from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec

import torch

from optical_hf.ot.chunks import solve_in_chunks
from optical_hf.ot.solvers.sinkhorn import solve_sinkhorn
from optical_hf.ot.solvers.state import Settings, Solution

MOST_TOKENS = 128  # a 128 x 128 kernel in float32 is 64 KiB, which one program can keep on chip


def solve_entropic(
    cost_BNM: torch.Tensor, source_BN: torch.Tensor, target_BM: torch.Tensor, settings: Settings
) -> Solution:
    """Entropic plan by the fastest path that fits; see `optical_hf.ot.solve` for the contract."""
    on_cpu, single = cost_BNM.device.type == "cpu", cost_BNM.dtype == torch.float32
    fits_triton = cost_BNM.is_cuda and single and max(cost_BNM.shape[1:]) <= MOST_TOKENS
    fits_numba = on_cpu and single and settings.balanced
    if settings.kernel == "triton" and not fits_triton:
        raise ValueError(
            f'kernel: "triton" needs a CUDA tensor in float32 with at most {MOST_TOKENS} tokens a side, got '
            f'{cost_BNM.device.type}, {cost_BNM.dtype}, {tuple(cost_BNM.shape)}. To fix this, use kernel="auto".'
        )
    if settings.kernel == "numba" and not fits_numba:
        raise ValueError(
            'kernel: "numba" needs a CPU tensor in float32 and marginals that are held exactly, got '
            f"{cost_BNM.device.type}, {cost_BNM.dtype}, {'balanced' if settings.balanced else 'relaxed'} marginals. "
            'To fix this, use kernel="auto".'
        )
    if fits_triton and _takes(
        "triton", settings.kernel, "which comes with torch for CUDA on Linux: pip install triton"
    ):
        from optical_hf.ot.kernels.triton_sinkhorn import solve_triton_sinkhorn  # noqa: PLC0415 - triton is optional

        return solve_triton_sinkhorn(cost_BNM, source_BN, target_BM, settings)
    if fits_numba and _takes("numba", settings.kernel, 'an extra of this package: pip install "optical-hf[fast]"'):
        numba_path = _numba_path(settings.kernel)
        if numba_path is not None:
            return numba_path(cost_BNM, source_BN, target_BM, settings)
    if on_cpu:
        return solve_in_chunks(solve_sinkhorn, cost_BNM, source_BN, target_BM, settings)
    return solve_sinkhorn(cost_BNM, source_BN, target_BM, settings)


def _takes(library: str, kernel: str, source: str) -> bool:
    """Whether the kernel written in that library is wanted and can be had; ImportError where it was asked for by name."""
    if kernel not in ("auto", library):
        return False
    if find_spec(library) is not None:
        return True
    if kernel == library:
        raise ImportError(f'kernel="{library}" needs {library.capitalize()}, {source}')
    return False


@lru_cache
def _numba_path(kernel: str) -> Callable[[torch.Tensor, torch.Tensor, torch.Tensor, Settings], Solution] | None:
    """The Numba kernel; None, said once, where an installed Numba refuses the NumPy that is beside it."""
    try:
        from optical_hf.ot.kernels.numba_sinkhorn import solve_numba_sinkhorn  # noqa: PLC0415 - numba is optional
    except ImportError as error:
        if kernel == "numba":
            raise
        warnings.warn(
            f"Numba is installed and cannot be imported ({error}): Sinkhorn runs in torch, several times slower on a CPU. To fix "
            "this, install versions of numba and numpy that fit each other.",
            stacklevel=2,
        )
        return None
    return solve_numba_sinkhorn
