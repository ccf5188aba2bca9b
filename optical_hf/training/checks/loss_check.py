"""Whether the losses of a run can learn from its batches, and the bank they need."""

import logging
from collections.abc import Iterable, Mapping

from optical_hf.losses import Loss, MaxSimLoss, SearchLoss, check_weights
from optical_hf.training.arguments import OTDistillationArguments

logger = logging.getLogger(__name__)
FEW = 32
"""Pairs of a batch below which losses that compare them alone are warned of."""


def bank_size(losses: Mapping[Loss, float]) -> int:
    """English texts of the largest bank that one of the losses searches; 0 for none."""
    return max((loss.bank for loss in losses if isinstance(loss, SearchLoss)), default=0)


def compares_tokens(losses: Iterable[Loss]) -> bool:
    """Whether one of the losses needs the teacher's tokens."""
    return any(loss.needs_tokens for loss in losses)


def compares_only(losses: Mapping[Loss, float]) -> bool:
    """Whether all losses compare the pairs of a batch and no bank is there: they cost nothing in a batch of one pair."""
    return all(isinstance(loss, SearchLoss | MaxSimLoss) for loss in losses) and not bank_size(losses)


def checked_losses(losses: Mapping[Loss, float], args: OTDistillationArguments) -> dict[Loss, float]:
    """The losses as a dict, if they are losses and learn something from batches of this size.

    Warns in the log where a batch holds few pairs to compare.

    Raises:
        ValueError: no losses, something that is none, a weight that is not positive, or losses that cost nothing in a batch of
            one pair where the batches are that small.
    """
    wrong = next((loss for loss in losses if not isinstance(loss, Loss)), None)
    if not losses or wrong is not None:
        got = "none" if not losses else f"a {type(wrong).__name__}"
        raise ValueError(
            f"losses hold {got}: expected loss objects and their weights, such as {{Contrastive(): 1.0}}, or "
            "None to take args.losses"
        )
    check_weights(losses)
    if compares_only(losses) and args.train_batch_size * args.world_size == 1:
        raise ValueError(
            f"the losses {', '.join(map(str, losses))} compare the pairs of a batch and cost nothing in a batch of one: "
            "raise per_device_train_batch_size (accumulation does not help), give contrastive a bank, or add pooled_mse"
        )
    if compares_only(losses) and args.train_batch_size * args.world_size < FEW and args.should_log:
        logger.warning(
            "the losses %s compare the %d pairs of a batch alone, which teaches little: give contrastive a bank, such as "
            "contrastive(bank=4096), or raise per_device_train_batch_size to %d or more (accumulation does not help)",
            ", ".join(map(str, losses)), args.train_batch_size * args.world_size, FEW,
        )  # fmt: skip
    return dict(losses)
