"""The batch as all devices see it together, for the objectives that compare pairs with one another.

Devices may hold different numbers of pairs, and of tokens. Knows nothing about models or objectives.

Shapes: B pairs of this device, C pairs of all devices, M teacher tokens, D width.
"""

import warnings

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.distributed.nn.functional import all_gather
from torch.nn.functional import pad

from optical_hf.objectives import WholeBatch


def gather_batch(
    accelerator: Accelerator,
    student_BD: Tensor,
    teacher_BD: Tensor,
    teacher_BMD: Tensor,
    teacher_mask_BM: Tensor | None,
    target_B: Tensor | None,
    document_BD: Tensor | None = None,
) -> WholeBatch:
    """Gather the pairs of all devices, the student's vectors with their gradients.

    Args:
        accelerator: knows the devices; all of them must call this.
        student_BD: the student's vectors.
        teacher_BD: the teacher's vectors.
        teacher_BMD: the teacher's tokens.
        teacher_mask_BM: True where a teacher token takes part; None gathers no tokens.
        target_B: numbers of the student texts, where they have some: on all devices or none.
        document_BD: the teacher's vectors of the documents, where they have some: on all devices or none.
    """
    shape = torch.tensor([teacher_BMD.shape[:2]], device=student_BD.device)
    shapes = accelerator.gather(shape).tolist()
    counts = [rows for rows, _ in shapes]
    most, longest = max(counts), max(tokens for _, tokens in shapes)
    offset = sum(counts[: accelerator.process_index])

    def rows(gathered: list[Tensor] | tuple[Tensor, ...]) -> Tensor:
        return torch.cat([part[:count] for part, count in zip(gathered, counts, strict=True)])

    def gather(value: Tensor) -> Tensor:
        return rows(accelerator.gather(value).split(most))

    missing = most - len(student_BD)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # what torch 2.13 names in its place has no public name yet
        student_CD = rows(all_gather(pad(student_BD, (0, 0, 0, missing))))
    teacher_CD = gather(pad(teacher_BD, (0, 0, 0, missing)))
    target_C = gather(pad(target_B, (0, missing))) if target_B is not None else None
    document_CD = gather(pad(document_BD, (0, 0, 0, missing))) if document_BD is not None else None
    if teacher_mask_BM is None:
        return WholeBatch(student_CD, teacher_CD, offset, target_C=target_C, document_CD=document_CD)
    short = longest - teacher_BMD.shape[1]
    teacher_CMD = gather(pad(teacher_BMD, (0, 0, 0, short, 0, missing)))
    mask_CM = gather(pad(teacher_mask_BM, (0, short, 0, missing)))
    return WholeBatch(student_CD, teacher_CD, offset, teacher_CMD, mask_CM, target_C, document_CD)
