"""The batch as all devices see it together, for the objectives that compare pairs with one another.

Knows nothing about models or objectives.

Shapes: B pairs of this device, D width.
"""

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.distributed.nn.functional import all_gather

from optical_hf.objectives import BatchVectors


def gather_vectors(accelerator: Accelerator, student_BD: Tensor, teacher_BD: Tensor) -> BatchVectors:
    """Gather the vectors of all devices, the student's with their gradients."""
    offset = accelerator.process_index * len(student_BD)
    return BatchVectors(torch.cat(all_gather(student_BD)), accelerator.gather(teacher_BD), offset)
