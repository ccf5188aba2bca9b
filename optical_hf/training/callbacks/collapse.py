"""`CollapseDetector`: notice that the student gives all texts the same vector, or vectors on a line, and stop.

Two numbers of the vectors X of a batch, normalised, texts in rows: the mean cosine of two different texts, and the effective
rank exp(H(p)), p the singular values of X divided by their sum (Roy and Vetterli, EUSIPCO 2007). Encoders have a high
mean cosine before they are trained, and captions are alike by themselves, so both are read against the teacher's vectors of
the same texts; docs/log/2026-11/guards.md has what was measured.

Shapes: B texts, D width.
"""

import logging
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from optical_hf.training.callbacks.agreement import is_main_process, mean_over_processes
from optical_hf.training.callbacks.batch import BatchCallback, TrainingBatch

logger = logging.getLogger(__name__)


class CollapseError(ValueError):
    """The student's vectors have collapsed; the message says what was measured and what to do."""


class Spread(NamedTuple):
    """How far vectors lie apart.

    Attributes:
        mean_cosine: mean cosine of two different texts, 1 where all vectors are one.
        effective_rank: 1 where all vectors lie on a line, at most the number of texts.
    """

    mean_cosine: float
    effective_rank: float


def spread(vectors_BD: Tensor) -> Spread:
    """Measure how far vectors lie apart.

    Example:
        >>> spread(torch.eye(4))
        Spread(mean_cosine=0.0, effective_rank=4.0)
    """
    units_BD = normalize(vectors_BD.float())
    count = len(units_BD)
    cosine = (units_BD.sum(dim=0).square().sum() - units_BD.square().sum()) / (count * (count - 1))
    share_B = torch.linalg.svdvals(units_BD.cpu())
    share_B = share_B / share_B.sum()
    entropy = torch.special.entr(share_B).sum()
    return Spread(round(float(cosine), 6), round(float(entropy.exp()), 4))


class CollapseDetector(BatchCallback):
    """Watch the student's vectors while it trains.

    Args:
        action: "stop" raises `CollapseError`, "warn" says so once and goes on.
        every: steps from one look to the next.
        rows: texts looked at, the last ones; gathered from several batches where they are small.
        rank_share: the student has collapsed where its effective rank is below this share of the teacher's ...
        patience: ... this many looks in a row.
    """

    def __init__(
        self,
        action: Literal["stop", "warn"] = "stop",
        *,
        every: int = 20,
        rows: int = 64,
        rank_share: float = 0.25,
        patience: int = 2,
    ) -> None:
        self.action, self.every, self.rows = action, every, rows
        self.rank_share, self.patience = rank_share, patience
        self._vectors: list[tuple[Tensor, Tensor]] = []
        self._latest: dict[str, float] = {}
        self._in_a_row, self._warned = 0, False

    def on_batch(self, args, state, control, batch: TrainingBatch) -> None:
        """Keep the vectors of the last texts."""
        self._vectors.append((batch.pairs.student_vector_BD.detach(), batch.pairs.teacher_vector_BD.detach()))
        while sum(len(student) for student, _ in self._vectors[1:]) >= self.rows:
            del self._vectors[0]

    def on_step_end(self, args, state, control, **kwargs: Any) -> None:
        """Look at them every so many steps; all processes come to the same verdict."""
        if state.global_step % self.every or not self._vectors:
            return
        student_BD, teacher_BD = (torch.cat(side)[-self.rows :] for side in zip(*self._vectors, strict=True))
        found = (*spread(student_BD), *spread(teacher_BD)) if len(student_BD) > 1 else (0.0, 1.0, 0.0, 1.0)
        cosine, rank, teacher_cosine, teacher_rank = mean_over_processes(list(found))
        self._latest = {"mean_cosine": cosine, "effective_rank": rank, "teacher_effective_rank": teacher_rank}
        self._in_a_row = self._in_a_row + 1 if teacher_rank > 2 and rank < self.rank_share * teacher_rank else 0
        if self._in_a_row < self.patience:
            return
        text = (
            f"step {state.global_step}: the student gives nearly the same vector to every text: effective rank {rank:.1f} where "
            f"the teacher has {teacher_rank:.1f} on the same pairs, mean cosine of two texts {cosine:.3f} against "
            f"{teacher_cosine:.3f}. Lower learning_rate or projection_learning_rate, warm up (warmup_steps), or start with "
            "alignment='transport'"
        )
        if self.action == "stop":
            raise CollapseError(f"{text}; on_collapse='warn' goes on all the same")
        if not self._warned and is_main_process():
            logger.warning(text)
        self._warned = True

    def logs(self) -> dict[str, float]:
        """What the last look gave."""
        return self._latest
