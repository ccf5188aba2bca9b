"""Where an entropic problem runs: a Triton kernel for small pairs on CUDA, a Numba kernel on a CPU, torch elsewhere.

A kernel is taken where the problem fits it and its library is installed.

Shapes: B pairs, N source tokens, M target tokens.
"""

import warnings
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec

import torch

from optical_hf.ot.chunks import solve_in_chunks
from optical_hf.ot.solvers.sinkhorn import solve_sinkhorn
from optical_hf.ot.solvers.state import Settings, Solution

NEEDS = {
    "triton": "a CUDA tensor in float32 with at most 128 tokens a side",
    "numba": "a CPU tensor in float32 and marginals that are held exactly",
}
SOURCES = {
    "triton": "which comes with torch for CUDA on Linux: pip install triton",
    "numba": 'an extra of this package: pip install "optical-hf[fast]"',
}
MOST_TOKENS = 128  # a 128 x 128 kernel in float32 is 64 KiB, which one program can keep on chip


def solve_entropic(
    cost_BNM: torch.Tensor, source_BN: torch.Tensor, target_BM: torch.Tensor, settings: Settings
) -> Solution:
    """Entropic plan by the fastest path that fits; see `optical_hf.ot.solve` for the contract."""
    on_cpu, single = cost_BNM.device.type == "cpu", cost_BNM.dtype == torch.float32
    fits = {
        "triton": cost_BNM.is_cuda and single and max(cost_BNM.shape[1:]) <= MOST_TOKENS,
        "numba": on_cpu and single and settings.balanced,
    }
    if not fits.get(settings.kernel, True):
        raise ValueError(
            f'kernel: "{settings.kernel}" needs {NEEDS[settings.kernel]}, got {cost_BNM.device.type}, {cost_BNM.dtype}, '
            f"{tuple(cost_BNM.shape)}, {'balanced' if settings.balanced else 'relaxed'} marginals. To fix this, use "
            'kernel="auto".'
        )
    for library in (name for name, fit in fits.items() if fit and settings.kernel in ("auto", name)):
        run = _kernel(library, settings.kernel == library)
        if run is not None:
            return run(cost_BNM, source_BN, target_BM, settings)
    if on_cpu:
        return solve_in_chunks(solve_sinkhorn, cost_BNM, source_BN, target_BM, settings)
    return solve_sinkhorn(cost_BNM, source_BN, target_BM, settings)


@lru_cache
def _kernel(library: str, by_name: bool) -> Callable[..., Solution] | None:
    """The kernel written in a library; None where it cannot be had, which is an ImportError where it was asked for by name."""
    if find_spec(library) is None:
        if by_name:
            raise ImportError(f'kernel="{library}" needs {library.capitalize()}, {SOURCES[library]}')
        return None
    try:
        module = import_module(f"optical_hf.ot.kernels.{library}_sinkhorn")
    except ImportError as error:
        if by_name:
            raise
        warnings.warn(
            f"{library.capitalize()} is installed and cannot be imported ({error}): Sinkhorn runs in torch, several times slower. "
            "To fix this, install versions of numba and numpy that fit each other.",
            stacklevel=2,
        )
        return None
    return getattr(module, f"solve_{library}_sinkhorn")  # type: ignore[no-any-return]
