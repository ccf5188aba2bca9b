"""`LanguageEarlyStopping`: stop when the worst language, or the gap between languages, has stopped getting better.

`transformers.EarlyStoppingCallback` follows one metric, `metric_for_best_model`, and does not know by itself whether greater is
better, and keeps its count in memory. This one reads what evaluators report as `eval_R@1/xx`, and counts from the log of
the run, which a checkpoint holds: a run that is resumed stops where one that was not interrupted does.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from transformers import TrainerCallback, TrainerState

logger = logging.getLogger(__name__)

PREFIX = "eval_R@1/"
GAP = "eval_R@1_gap"


class Standing(NamedTuple):
    """What one evaluation says of the languages.

    Attributes:
        step: of the evaluation.
        worst: R@1 of the worst language, in [0, 1].
        language: which one that is.
        mean: R@1, mean over languages.
        gap: R@1 of the high-resource group minus that of the low-resource group; None where the evaluator has no groups.
    """

    step: int
    worst: float
    language: str
    mean: float
    gap: float | None


def standings(log_history: Sequence[Mapping[str, Any]]) -> list[Standing]:
    """The evaluations of a run that report languages, in order."""
    found = []
    for entry in log_history:
        languages = {
            name.removeprefix(PREFIX): float(value)
            for name, value in entry.items()
            if name.startswith(PREFIX) and name != f"{PREFIX}mean"
        }
        if languages:
            worst = min(languages, key=lambda name: languages[name])
            gap = float(entry[GAP]) if GAP in entry else None
            mean = sum(languages.values()) / len(languages)
            found.append(Standing(int(entry.get("step", 0)), languages[worst], worst, mean, gap))
    return found


class LanguageEarlyStopping(TrainerCallback):
    """Stop after `patience` evaluations in a row without progress.

    Args:
        on: "worst": progress is a higher R@1 of the worst language. "gap": progress is a smaller gap at no lower mean, or a
            higher mean; the gap alone would be smallest for a student that finds nothing.
        patience: evaluations without progress.
        threshold: by how much R@1, in [0, 1], must move to count.

    Raises:
        ValueError: an option out of range; at the start of training where the run never evaluates; at an evaluation that
            reports no `R@1/xx`, or no gap where that is asked for.
    """

    def __init__(self, on: Literal["worst", "gap"] = "worst", patience: int = 3, threshold: float = 0.0) -> None:
        if on not in ("worst", "gap"):
            raise ValueError(f"early stopping on {on!r}: expected 'worst' or 'gap'")
        if patience < 1 or threshold < 0:
            raise ValueError(f"expected patience >= 1 and threshold >= 0, got {patience} and {threshold}")
        self.on, self.patience, self.threshold = on, patience, threshold

    def on_train_begin(self, args, state, control, **kwargs: Any) -> None:
        """Refuse a run that would never stop early."""
        if args.eval_strategy == "no":
            raise ValueError("early stopping without evaluations never stops: set eval_strategy='steps' and eval_steps")

    def on_evaluate(self, args, state, control, metrics: Mapping[str, float] | None = None, **kwargs: Any) -> None:
        """Count the evaluations since the last progress."""
        metrics = {name: value for name, value in (metrics or {}).items() if name.startswith("eval_")}
        if not metrics:
            return  # a user's own evaluation
        found = standings([metrics])
        if not found or (self.on == "gap" and found[0].gap is None):
            wanted = "R@1_gap (languages of two groups)" if found else "R@1/xx for each language"
            raise ValueError(
                f"early stopping on {self.on!r} needs an evaluator that reports {wanted}, or the run never stops early; the "
                f"evaluations report {sorted(metrics)}"
            )
        best, since = self._progress(state)
        if since < self.patience:
            return
        control.should_training_stop = True
        if state.is_world_process_zero:
            logger.warning(
                "stopped at step %d: no progress on the %s in %d evaluations; the best was step %d: worst language %s at %.3f, "
                "mean %.3f, gap %s",
                state.global_step, {"worst": "worst language", "gap": "gap"}[self.on], since, best.step, best.language, best.worst,
                best.mean, "not known" if best.gap is None else f"{best.gap:.3f}",
            )  # fmt: skip

    def without_progress(self, state: TrainerState) -> int:
        """Evaluations in a row without progress, at the end of the log."""
        return self._progress(state)[1] if standings(state.log_history) else 0

    def _progress(self, state: TrainerState) -> tuple[Standing, int]:
        """The best evaluation, and how many came after it."""
        found = standings(state.log_history)
        best = 0
        for place, standing in enumerate(found):
            best = place if self._better(standing, found[best]) else best
        return found[best], len(found) - 1 - best

    def _better(self, new: Standing, best: Standing) -> bool:
        if self.on == "worst":
            return new.worst > best.worst + self.threshold
        if new.gap is None or best.gap is None:
            return best.gap is None and new.gap is not None
        risen = new.mean > best.mean + self.threshold
        return risen or (new.gap < best.gap - self.threshold and new.mean >= best.mean)
