"""English texts that every batch is compared with beside its own: more wrong answers than a device's batch has room for.

The teacher is frozen, so its vectors are those of every step: no queue to keep, no copy of the student, and a resumed run has the
same bank.

Shapes: K texts, D width.
"""

from collections.abc import Callable
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import send_to_device
from datasets import Dataset
from tqdm.auto import tqdm

from optical_hf.bars import bars_shown
from optical_hf.losses import TextBank
from optical_hf.models.teachers.teacher import Teacher
from optical_hf.tables import RELEVANT
from optical_hf.training.trainer.teacher_side import english_side, relevant_side

BATCH = 64


@torch.no_grad()
def text_bank(
    accelerator: Accelerator,
    teacher: Teacher,
    collate: Callable[[list[Any]], dict[str, Any]],
    rows: Dataset | list[Any],
    progress: bool,
) -> TextBank:
    """The relevant documents of `rows`, or their English sides; the same on every process.

    Args:
        accelerator: all its processes must call this; each encodes its share, and the few texts that cannot be shared out evenly
            are left away.
        teacher: the teacher.
        collate: makes the batches that training sees.
        rows: bitext.
        progress: show a progress bar.

    Raises:
        ValueError: on every process, where the teacher's vector of a text is not finite: no loss would be.
    """
    share, first = len(rows) // accelerator.num_processes, accelerator.process_index
    own = [rows[place] for place in range(first * share, (first + 1) * share)]
    shown = bars_shown(progress and accelerator.is_main_process)
    encoded, targets = [], []
    for start in tqdm(range(0, share, BATCH), "bank of English texts", disable=not shown):
        batch = send_to_device(collate(own[start : start + BATCH]), accelerator.device)
        if "targets" in batch:
            targets.append(batch["targets"])
        with accelerator.autocast():  # as the batches are read, so that a copy of a text is known by its vector
            vector_BD = relevant_side(teacher, batch)
            encoded.append((english_side(teacher, batch).vector_BD if vector_BD is None else vector_BD).float())
    target_K = accelerator.gather(torch.cat(targets)) if targets else None
    vectors_KD = accelerator.gather(torch.cat(encoded))
    bad = (~vectors_KD.isfinite().all(dim=1)).nonzero().flatten().tolist()
    if bad:
        text = rows[bad[0]].get(RELEVANT) or rows[bad[0]]["source"]
        raise ValueError(
            f"the teacher's vectors of {len(bad)} of {len(vectors_KD)} English texts of the bank are not finite "
            f"(the first: {text[:60]!r}): leave such pairs out of the bitext, or train in float32 or bf16"
        )
    return TextBank(vectors_KD, target_K)
