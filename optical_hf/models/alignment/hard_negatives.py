"""Hard negatives of a contrastive fit: the vectors nearest each target that are not its own.

Drawn at random, the wrong texts of a step are far from the right one. In a large index the wrong text that is found is near it. The
targets' space is the teacher's, so what is near there is read from vectors that are known (Xiong et al. 2021, ANCE,
arXiv:2007.00808, draw such negatives from a student's index).

Shapes: N targets, M vectors of the pool, H near ones, K width.
"""

import numpy as np
import torch
from torch import Tensor

from optical_hf.models.alignment.own_rank import SAME

CHUNK = 256  # targets compared at once: with 120,000 vectors 120 MB
OF_A_LARGE_INDEX = 8
"""For each row of a step, where an index has more documents than a fit reads (docs/log/2026-11/alignment.md)."""


def nearest_others(target_NK: Tensor, pool_MK: Tensor, count: int) -> Tensor:
    """The rows of the pool nearest each target by inner product, from the nearest on: (N, H), H is `count` or M.

    Copies of a target are not near but the same, and come last.

    Args:
        target_NK: of length 1.
        pool_MK: of length 1.
        count: how many, H.

    Example:
        >>> pool = torch.nn.functional.normalize(torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]), dim=1)
        >>> nearest_others(pool, pool, 1).flatten().tolist()
        [1, 0, 1]
    """
    rows = np.ascontiguousarray(target_NK.cpu().numpy())
    bytes_N = rows.view(f"V{rows.shape[1] * rows.itemsize}").ravel()
    _, first, place = np.unique(bytes_N, return_index=True, return_inverse=True)
    found = []  # of each different target: both sides of a pair have one
    for part_BK in target_NK[torch.from_numpy(first).to(target_NK.device)].split(CHUNK):
        far_BM = torch.threshold_(-part_BK @ pool_MK.T, -SAME, torch.inf)  # copies are endlessly far
        found.append(far_BM.topk(min(count, len(pool_MK)), dim=1, largest=False).indices)
    return torch.cat(found)[torch.from_numpy(place).to(target_NK.device)]
