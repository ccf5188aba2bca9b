"""A padded batch as chunks of pairs of like length, without the padding that all pairs of a chunk share.

On a CPU the kernels of a batch outgrow the processor's cache, and the longest pair pads all the others; solved chunk by
chunk each kernel stays in the cache and most of the padding is never touched.

Shapes: B pairs, N source tokens, M target tokens.
"""

from collections.abc import Callable, Iterator

import torch

from optical_hf.ot.solvers.state import Settings, Solution

CELLS = 512 * 1024  # of a chunk: fewer, and the calls cost more than the cache saves (measured: 256 to 512 thousand)


def solve_in_chunks(
    run: Callable[[torch.Tensor, torch.Tensor, torch.Tensor, Settings], Solution],
    cost_BNM: torch.Tensor,
    source_BN: torch.Tensor,
    target_BM: torch.Tensor,
    settings: Settings,
) -> Solution:
    """What `run` answers for the whole batch, from one call a chunk; a batch that fits one chunk goes as it is."""
    if cost_BNM.numel() <= CELLS:
        return run(cost_BNM, source_BN, target_BM, settings)
    batch = len(cost_BNM)
    plan_BNM = torch.zeros_like(cost_BNM)
    error_B = cost_BNM.new_zeros(batch)
    iterations_B = torch.zeros(batch, dtype=torch.int64)
    converged_B = torch.ones(batch, dtype=torch.bool)
    for index, rows, columns in _chunks(_length(source_BN), _length(target_BM)):
        part_BNM = cost_BNM[index, :rows, :columns]
        part = run(part_BNM, source_BN[index, :rows], target_BM[index, :columns], settings)
        plan_BNM[index, :rows, :columns] = part.plan_BNM
        error_B[index], iterations_B[index], converged_B[index] = part.error_B, part.iterations_B, part.converged_B
    return Solution(plan_BNM, error_B, iterations_B, converged_B)


def _length(mass_BK: torch.Tensor) -> torch.Tensor:
    """Tokens up to the last one that has mass, at least 1: (B,)."""
    places_K = torch.arange(1, mass_BK.shape[1] + 1)
    return ((mass_BK > 0) * places_K).amax(dim=1).clamp(min=1)


def _chunks(rows_B: torch.Tensor, columns_B: torch.Tensor) -> Iterator[tuple[torch.Tensor, int, int]]:
    """Pairs from the largest to the smallest, as many at a time as stay within `CELLS`, with the sizes they need."""
    order_B = (rows_B * columns_B).argsort(descending=True, stable=True)
    rows, columns = rows_B[order_B].tolist(), columns_B[order_B].tolist()
    start, most_rows, most_columns = 0, 1, 1
    for place, (row, column) in enumerate(zip(rows, columns, strict=True)):
        wider = max(most_rows, row), max(most_columns, column)
        if place > start and (place - start + 1) * wider[0] * wider[1] > CELLS:
            yield order_B[start:place], most_rows, most_columns
            start, wider = place, (row, column)
        most_rows, most_columns = wider
    yield order_B[start:], most_rows, most_columns
