"""`BadBatches`: a loss that is not finite names its pairs, and the step it belongs to is not taken.

What one process saw is acted on by all of them, at the same step: after the last backward pass of the step and before the
weights move. A step is left out whole, on all devices and with all accumulated batches. So a step that is taken is always
that of a whole global batch.

Shapes: B pairs, N student tokens.
"""

import logging
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import torch
from accelerate.optimizer import AcceleratedOptimizer
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from optical_hf.training.callbacks.agreement import any_process, from_all_processes, is_main_process
from optical_hf.training.callbacks.batch import BatchCallback, TrainingBatch
from optical_hf.training.checks.guards import empty_pairs

logger = logging.getLogger(__name__)

SHOWN = 8  # pairs named in a message
IN_A_ROW = 10  # steps left out one after the other before the run is stopped all the same


class BadBatchError(ValueError):
    """A batch that cannot be learnt from; the message names its pairs and says what to do."""


class _Seen(NamedTuple):
    bad_B: Tensor
    ids: Sequence[Any]
    languages: Sequence[Any]
    input_ids_BN: Tensor | None


class BadBatches(BatchCallback):
    """Stop at, or leave out, steps with a loss that is not finite; refuse a first batch with pairs that have no token.

    Args:
        action: "stop" raises `BadBatchError`; "skip" leaves out the step (weights, optimizer state and decay; the schedule
            goes on) and says so, and stops after ten such steps in a row or where the student's own weights are not finite.
        tokenizer: the student's, to show the texts of pairs.
    """

    def __init__(self, action: Literal["stop", "skip"] = "stop", tokenizer: object = None) -> None:
        self.action, self.tokenizer = action, tokenizer
        self.skipped, self._in_a_row = 0, 0
        self._seen: list[_Seen] = []
        self._empty: _Seen | None = None
        self._first = True

    def on_batch(self, args, state, control, batch: TrainingBatch) -> None:
        """Remember which pairs have a loss that is not finite; nothing waits for the device here."""
        inputs = batch.inputs
        input_ids_BN = inputs.get("student", {}).get("input_ids")
        seen = _Seen(~batch.loss_B.isfinite(), inputs.get("ids", []), inputs.get("languages", []), input_ids_BN)
        self._seen.append(seen)
        if self._first:
            self._first = False
            empty_B = empty_pairs(batch.pairs)
            self._empty = seen._replace(bad_B=empty_B) if empty_B.any() else None

    def on_pre_optimizer_step(self, args, state, control, model=None, optimizer=None, **kwargs: Any) -> None:
        """Act on what was seen since the last step, on all processes alike."""
        seen, self._seen = self._seen, []
        empty, self._empty = self._empty, None
        if not seen:
            return
        bad = torch.stack([part.bad_B.any() for part in seen]).any()
        if not any_process(bad | (empty is not None)):
            self._in_a_row = 0
            return
        without = from_all_processes(self._describe(empty) if empty else [])
        if without:
            raise BadBatchError(
                f"the first batch has pairs in which a side has no token: {_listed(without)}. They would cost 0 and teach nothing; "
                "take them out of the bitext (optical_hf.data has checks of its quality), or look at what the tokenizer drops"
            )
        pairs = from_all_processes([text for part in seen for text in self._describe(part)])
        broken = [name for name, p in model.named_parameters() if not p.detach().isfinite().all()]
        step = state.global_step + 1
        if any_process(bool(broken)):
            raise BadBatchError(
                f"step {step}: the loss is not finite because the student's weights are not ({broken[0] if broken else '?'}): "
                "an earlier step broke them. Go on from a checkpoint before it with a lower learning_rate, or max_grad_norm=1.0"
            )
        self._in_a_row += 1
        if self.action == "stop" or self._in_a_row >= IN_A_ROW:
            often = f"{self._in_a_row} steps in a row, now " if self.action == "skip" else ""
            raise BadBatchError(
                f"{often}step {step}: the loss is not finite for {len(pairs)} pairs: {_listed(pairs)}. The weights are those of "
                f"step {step - 1}. Look at these pairs; on_bad_batch='skip' leaves out such steps. Where other pairs take their "
                "place, lower learning_rate or train without bf16 and fp16"
            )
        self.skipped += 1
        _forget_gradients(optimizer)
        if is_main_process():
            logger.warning(
                "step %d is left out: the loss is not finite for %d pairs: %s (on_bad_batch='skip'; %d so far)",
                step, len(pairs), _listed(pairs), self.skipped,
            )  # fmt: skip

    def logs(self) -> dict[str, float]:
        """How many steps were left out, once there was one."""
        return {"skipped_steps": float(self.skipped)} if self.skipped else {}

    def _describe(self, part: _Seen) -> list[str]:
        return [self._name(part, row) for row in part.bad_B.nonzero().flatten().tolist()]

    def _name(self, part: _Seen, row: int) -> str:
        identity, language = (str(column[row]) if row < len(column) else "" for column in (part.ids, part.languages))
        text = ""
        if part.input_ids_BN is not None and isinstance(self.tokenizer, PreTrainedTokenizerBase):
            text = self.tokenizer.decode(part.input_ids_BN[row], skip_special_tokens=True)[:60]
        inside = ": ".join(filter(None, [language, text and repr(text)]))
        return (repr(identity) if identity else f"row {row} of its batch") + (f" ({inside})" if inside else "")


def _forget_gradients(optimizer: AcceleratedOptimizer) -> None:
    """Let the step that follows move nothing, with the gradient scaler of fp16 or without.

    The scaler looks at the gradients alone, which are finite where the teacher gave the loss that is not.
    """
    scaler = optimizer.scaler
    if scaler is not None and scaler.is_enabled():
        scaler.update(scaler.get_scale())  # forgets what it has seen of these gradients, and keeps its scale
        optimizer.zero_grad(set_to_none=False)
        scaler.unscale_(optimizer.optimizer)  # it takes no step before it has looked at some
    optimizer.zero_grad(set_to_none=True)


def _listed(pairs: list[str]) -> str:
    more = f" and {len(pairs) - SHOWN} more" if len(pairs) > SHOWN else ""
    return ", ".join(pairs[:SHOWN]) + more
