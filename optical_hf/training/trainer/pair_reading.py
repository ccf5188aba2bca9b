"""What the losses see of a batch: both sides of its pairs, those of other devices, and the relevant documents.

Shapes: B pairs.
"""

from collections.abc import Collection, Mapping
from typing import Any

from accelerate import Accelerator
from torch import Tensor

from optical_hf.losses import Loss, MaxSimLoss, PairTensors, SearchLoss, TextBank
from optical_hf.models import TokenSet
from optical_hf.models.teachers.teacher import Teacher
from optical_hf.tables import RELEVANT
from optical_hf.training.checks.guards import finite_pairs
from optical_hf.training.trainer.gathering import gather_batch
from optical_hf.training.trainer.teacher_side import english_side, relevant_side


def read_pairs(
    accelerator: Accelerator,
    student: TokenSet,
    teacher: Teacher,
    inputs: Mapping[str, Any],
    losses: Collection[Loss],
    bank: TextBank | None,
) -> tuple[PairTensors, TokenSet, Tensor]:
    """Read the English side of a batch as the teacher does.

    Args:
        accelerator: all its processes must call this.
        student: the student's token sets.
        teacher: the teacher.
        inputs: a batch of `PairCollator`.
        losses: what is minimised; only what they need is read and gathered.
        bank: English texts beside those of the batch.

    Returns:
        The pairs, with 0 in place of numbers that are not finite; the teacher's token sets; True (B,) for pairs that had some.
    """
    searches, compares_tokens = (any(isinstance(loss, kind) for loss in losses) for kind in (SearchLoss, MaxSimLoss))
    with accelerator.autocast():  # accelerate puts only what it wraps, the student, in half precision
        english = english_side(teacher, inputs)
        if "relevant" in inputs and compares_tokens:
            raise ValueError(
                f"the pairs have a {RELEVANT!r} and the losses {', '.join(map(str, losses))} compare tokens of the English sides: "
                'take "contrastive" or "kl_dot", or leave the column out'
            )
        relevant_BD = relevant_side(teacher, inputs, english) if searches else None
    targets_B = inputs.get("targets")
    pairs = PairTensors(
        student.tokens_BND, student.mask_BN, student.content_BN, english.tokens_BND, english.mask_BN, english.content_BN,
        student.vector_BD, english.vector_BD, bank=bank, target_B=targets_B, relevant_BD=relevant_BD,
    )  # fmt: skip
    pairs, bad_B = finite_pairs(pairs)
    if accelerator.num_processes > 1 and (searches or compares_tokens):
        tokens_BM = pairs.teacher_content_BM if compares_tokens else None
        batch = gather_batch(
            accelerator, pairs.teacher_vector_BD, pairs.teacher_BMD, tokens_BM, targets_B, pairs.relevant_BD
        )
        pairs = pairs._replace(batch=batch)
    return pairs, english, bad_B
