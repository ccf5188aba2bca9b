"""`TransportDiagnostics`: whether the plans behind the loss are finished, and how much of them content tokens carry.

The plans of every tenth batch are solved again and read: the share of pairs that did not converge, and the share of the mass
that has a special token or punctuation at one of its ends. Both are logged, and each is warned about once, with the fix.

Shapes: B pairs, N student tokens, M teacher tokens.
"""

import logging

import torch
from torch import Tensor

from optical_hf.losses import Transport
from optical_hf.training.callbacks.agreement import is_main_process, mean_over_processes
from optical_hf.training.callbacks.batch import BatchCallback, TrainingBatch

logger = logging.getLogger(__name__)


def mass_beside_content(plan_BNM: Tensor, student_content_BN: Tensor, teacher_content_BM: Tensor) -> Tensor:
    """The share of each pair's mass with a special token or punctuation at one of its ends, (B,); 0 for an empty pair."""
    total_B = plan_BNM.sum(dim=(1, 2))
    content_BNM = student_content_BN[:, :, None] & teacher_content_BM[:, None, :]
    inside_B = (plan_BNM * content_BNM).sum(dim=(1, 2))
    return torch.where(total_B > 0, 1 - inside_B / total_B.clamp(min=1e-12), 0.0)


class TransportDiagnostics(BatchCallback):
    """Read the plans of some of the batches.

    Args:
        loss: whose plans are read.
        every: steps from one reading to the next; a reading costs the solve of one batch.
        unconverged: share of pairs above which it warns.
        special: share of the mass above which it warns.
    """

    def __init__(self, loss: Transport, *, every: int = 10, unconverged: float = 0.05, special: float = 0.2) -> None:
        self.loss, self.every = loss, every
        self.limits = {"transport_unconverged": unconverged, "transport_special_mass": special}
        self._sums, self._pairs = torch.zeros(2), 0
        self._warned: set[str] = set()

    def on_batch(self, args, state, control, batch: TrainingBatch) -> None:
        """Solve this batch again and read its plans, every so many steps."""
        if state.global_step % self.every:
            return
        with torch.no_grad():
            solved = self.loss.plan(batch.pairs)
            beside_B = mass_beside_content(solved.plan, batch.student.content_BN, batch.teacher.content_BN)
            found = torch.stack([(~solved.converged).float().sum(), beside_B.sum()])
        self._sums = self._sums.to(found.device) + found
        self._pairs += len(beside_B)

    def logs(self) -> dict[str, float]:
        """The two shares over the pairs read since the last time, on all processes; warns where one is too high."""
        totals = mean_over_processes([*self._sums.tolist(), float(self._pairs)])
        self._sums, self._pairs = torch.zeros(2), 0
        if not totals[2]:
            return {}
        shares = {name: total / totals[2] for name, total in zip(self.limits, totals[:2], strict=True)}
        for name, share in shares.items():
            if share > self.limits[name] and name not in self._warned:
                self._warned.add(name)
                if is_main_process():
                    logger.warning(self._advice(name, share))
        return shares

    def _advice(self, name: str, share: float) -> str:
        if name == "transport_unconverged":
            return (
                f"the plans of {share:.0%} of the pairs had not converged to tolerance={self.loss.tolerance:g} after "
                f"{self.loss.max_iterations} iterations: their loss is of plans whose masses do not add up. Raise "
                "max_iterations, epsilon or tolerance, as in --losses 'transport(max_iterations=5000)'"
            )
        return (
            f"{share:.0%} of the transported mass goes from or to special tokens and punctuation: the student learns those more "
            "than words. Leave them out with transport(special_tokens=False); where they are left out already, many texts hold "
            "nothing else: take those pairs out of the bitext"
        )
