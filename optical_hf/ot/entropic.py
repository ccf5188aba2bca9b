"""Where an entropic problem runs: the Triton kernel for small pairs on CUDA, torch everywhere else, in chunks on a CPU.

Knows nothing about the iteration itself. Shapes: B pairs, N source tokens, M target tokens.
"""

from importlib.util import find_spec

import torch

from optical_hf.ot.chunks import solve_in_chunks
from optical_hf.ot.sinkhorn import solve_sinkhorn
from optical_hf.ot.state import Settings, Solution

MOST_TOKENS = 128  # a 128 x 128 kernel in float32 is 64 KiB, which one program can keep on chip


def solve_entropic(
    cost_BNM: torch.Tensor, source_BN: torch.Tensor, target_BM: torch.Tensor, settings: Settings
) -> Solution:
    """Entropic plan by the fastest path that fits; see `optical_hf.ot.solve` for the contract."""
    fits = cost_BNM.is_cuda and cost_BNM.dtype == torch.float32 and max(cost_BNM.shape[1:]) <= MOST_TOKENS
    if settings.kernel == "triton" and not fits:
        raise ValueError(
            f'kernel: "triton" needs a CUDA tensor in float32 with at most {MOST_TOKENS} tokens a side, got '
            f'{cost_BNM.device.type}, {cost_BNM.dtype}, {tuple(cost_BNM.shape)}. To fix this, use kernel="auto".'
        )
    if cost_BNM.device.type == "cpu":
        return solve_in_chunks(solve_sinkhorn, cost_BNM, source_BN, target_BM, settings)
    if settings.kernel == "torch" or not fits:
        return solve_sinkhorn(cost_BNM, source_BN, target_BM, settings)
    if find_spec("triton") is None:
        if settings.kernel == "triton":
            raise ImportError(
                'kernel="triton" needs Triton, which comes with torch for CUDA on Linux: pip install triton'
            )
        return solve_sinkhorn(cost_BNM, source_BN, target_BM, settings)
    from optical_hf.ot.triton_sinkhorn import solve_triton_sinkhorn  # noqa: PLC0415 - triton is optional

    return solve_triton_sinkhorn(cost_BNM, source_BN, target_BM, settings)
