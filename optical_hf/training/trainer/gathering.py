"""The batch as all devices see it together, for the losses that compare pairs with one another.

Devices may hold different numbers of pairs, and of tokens.

Shapes: B pairs of this device, C pairs of all devices, M teacher tokens, D width.
"""

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.nn.functional import pad

from optical_hf.losses import WholeBatch


def gather_batch(
    accelerator: Accelerator,
    teacher_BD: Tensor,
    teacher_BMD: Tensor,
    teacher_mask_BM: Tensor | None,
    target_B: Tensor | None,
    relevant_BD: Tensor | None = None,
) -> WholeBatch:
    """Gather the English sides of the pairs of all devices; none carries a gradient.

    Args:
        accelerator: knows the devices; all of them must call this.
        teacher_BD: the teacher's vectors.
        teacher_BMD: the teacher's tokens.
        teacher_mask_BM: True where a teacher token is content; None gathers no tokens.
        target_B: numbers of the student texts, where they have some: on all devices or none.
        relevant_BD: the teacher's vectors of the relevant documents, where they have some: on all devices or none.
    """
    shape = torch.tensor([teacher_BMD.shape[:2]], device=teacher_BD.device)
    shapes = accelerator.gather(shape).tolist()
    counts = [rows for rows, _ in shapes]
    most, longest = max(counts), max(tokens for _, tokens in shapes)
    offset = sum(counts[: accelerator.process_index])

    def gather(value: Tensor) -> Tensor:
        parts = accelerator.gather(value).split(most)
        return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])

    missing = most - len(teacher_BD)
    teacher_CD = gather(pad(teacher_BD, (0, 0, 0, missing)))
    target_C = gather(pad(target_B, (0, missing))) if target_B is not None else None
    relevant_CD = gather(pad(relevant_BD, (0, 0, 0, missing))) if relevant_BD is not None else None
    if teacher_mask_BM is None:
        return WholeBatch(teacher_CD, offset, target_C=target_C, relevant_CD=relevant_CD)
    short = longest - teacher_BMD.shape[1]
    teacher_CMD = gather(pad(teacher_BMD, (0, 0, 0, short, 0, missing)))
    mask_CM = gather(pad(teacher_mask_BM, (0, short, 0, missing)))
    return WholeBatch(teacher_CD, offset, teacher_CMD, mask_CM, target_C, relevant_CD)
