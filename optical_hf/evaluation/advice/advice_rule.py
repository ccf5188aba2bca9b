"""When to keep an index and when to re-index, as a rule on an interval of recovery. It measures nothing."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from optical_hf.metrics.bootstrap import Estimate
from optical_hf.metrics.paired_level import LEAST

Verdict = Literal["keep", "re-index", "unclear"]
BACKBONE_STEPS = "gradient steps of the backbone (optical-hf train --documents) raise recovery"


class Decision(NamedTuple):
    """A verdict, why, and what would settle it where it is unclear ("" otherwise)."""

    verdict: Verdict
    reason: str
    settle: str = ""


@dataclass(frozen=True)
class AdviceRule:
    """Keep the index where recovery is high enough for sure; re-index where it is too low for sure and that is worth its price.

    Args:
        threshold: recovery that is high enough. 0.95 gives up at most a twentieth of the queries that re-indexing answers.
        affordable: seconds of re-indexing that are no obstacle; a day.
        large_gap: recovery so far below the threshold is too low at any price.

    Raises:
        ValueError: numbers out of range.

    Example:
        >>> AdviceRule().decide(Estimate(0.98, 0.96, 1.0), "all languages", 3600).verdict
        'keep'
        >>> AdviceRule().decide(Estimate(0.80, 0.75, 0.85), "all languages", 3600).verdict
        're-index'
    """

    threshold: float = 0.95
    affordable: float = 86_400.0
    large_gap: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.threshold < float("inf"):
            raise ValueError(f"threshold is {self.threshold!r}: expected a share above 0, such as 0.95")
        if not self.affordable >= 0:
            raise ValueError(f"affordable is {self.affordable!r}: expected seconds, from 0 up")
        if not 0 <= self.large_gap < float("inf"):
            raise ValueError(f"large_gap is {self.large_gap!r}: expected a share from 0 up, such as 0.1")

    def decide(self, recovery: Estimate | None, judged: str, reindexing_seconds: float) -> Decision:
        """The verdict.

        Args:
            recovery: of the queries that are judged; None where re-indexing retrieves too little for a share.
            judged: what those queries are, in words.
            reindexing_seconds: that re-indexing would take.
        """
        at = f"{100 * self.threshold:g} %"
        if recovery is None:
            return Decision(
                "unclear", f"re-indexing itself retrieves less than {100 * LEAST:g} % ({judged})", "try another student"
            )
        if recovery.low is None or recovery.high is None:
            return Decision(
                "unclear", f"recovery has no interval ({judged})", "give more pairs with other English texts"
            )
        interval = f"{100 * recovery.low:.1f} to {100 * recovery.high:.1f} %"
        if recovery.low >= self.threshold:
            return Decision("keep", f"recovery of {judged} is {interval}, at least {at}")
        if recovery.high >= self.threshold:
            more = f"more held-out pairs narrow the interval (--held-out), and {BACKBONE_STEPS}"
            return Decision("unclear", f"recovery of {judged} is {interval}: it may be above or below {at}", more)
        if reindexing_seconds <= self.affordable or recovery.high < self.threshold - self.large_gap:
            return Decision("re-index", f"recovery of {judged} is {interval}, below {at}")
        return Decision(
            "unclear",
            f"recovery of {judged} is {interval}, a little below {at}, and re-indexing is long",
            BACKBONE_STEPS,
        )
