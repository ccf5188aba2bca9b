"""The report of an alignment."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from optical_hf.models.alignment.held_out import HeldOutScore

Method = Literal["ridge", "transport", "contrastive"]
Start = Literal["ridge", "transport", "relay", "student"]
Plans = Literal["direct", "relay"]


@dataclass(frozen=True)
class AlignmentReport:
    """The report of `fit_alignment`; `print` shows it in one line.

    Attributes:
        method: "ridge", "transport" or "contrastive".
        pairs: pairs the map was fitted on.
        regularisation: the penalty of the last closed form, given or chosen; 0 where the student's own projection was the start.
        pooled_weight: the weight of the pooled vectors in the last fit, given or chosen; None for "ridge".
        transport_cost: mean transport cost of the fitted pairs under the map each round began with.
        loss: mean InfoNCE loss in each tenth of the steps of "contrastive".
        before: R@1 among the held-out pairs before the fit, None without held-out pairs.
        after: the same after it.
        documents: index documents the map was fitted on.
        reproduced: share, in [0, 1], of the held-out documents that retrieve their own vector; None without any.
        seconds: wall-clock time of the whole fit.
    """

    method: Method
    pairs: int
    regularisation: float
    pooled_weight: float | None = None
    transport_cost: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    before: HeldOutScore | None = None
    after: HeldOutScore | None = None
    documents: int = 0
    reproduced: float | None = None
    seconds: float = 0.0

    def __str__(self) -> str:
        costs = " -> ".join(f"{cost:.3f}" for cost in self.transport_cost)
        read = f"{self.pairs:,} pairs" if self.pairs or not self.documents else ""
        read += " and " if read and self.documents else ""
        read += f"{self.documents:,} documents" if self.documents else ""
        told = f"{self.method} on {read}, penalty {self.regularisation:g}"
        told += "" if self.pooled_weight is None else f", pooled weight {self.pooled_weight:g}"
        told += f", {self.seconds:.0f} s"
        told += f"; transport cost by round {costs}" if costs else ""
        told += f"; contrastive loss {self.loss[0]:.3f} -> {self.loss[-1]:.3f}" if self.loss else ""
        if self.before and self.after:
            told += (
                f"; R@1 among {self.after.pairs} held-out pairs: one vector {self.before.vector:.3f} -> "
                f"{self.after.vector:.3f}, MaxSim {self.before.maxsim:.3f} -> {self.after.maxsim:.3f}"
            )
        told += (
            "" if self.reproduced is None else f"; held-out documents that retrieve themselves {self.reproduced:.3f}"
        )
        return told

    def to_dict(self) -> dict[str, Any]:
        """The report as plain values, ready for JSON."""
        return asdict(self)
