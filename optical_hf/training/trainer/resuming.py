"""How a run goes on from a checkpoint: not at all where it had come to its end, and with the learning rates of now.

Knows nothing about what a checkpoint must hold (checkpoints.py), nor about losses.
"""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import EarlyStoppingCallback, TrainerCallback, TrainerState, TrainingArguments
from transformers.trainer_utils import TrainOutput

from optical_hf.models import token_projection
from optical_hf.training.arguments import OTDistillationArguments
from optical_hf.training.callbacks import LanguageEarlyStopping
from optical_hf.training.checkpoints.checkpoints import STATE, clear_errors, lacks_states, saved_arguments
from optical_hf.training.trainer.batching import BatchingTrainer

logger = logging.getLogger(__name__)

# Settings that the optimizer's state is bound to, and those that a resumed optimizer takes from it.
OF_THE_STATE = ("freeze_embeddings", "optim")
KEPT_IN_THE_STATE = ("weight_decay", "adam_beta1", "adam_beta2", "adam_epsilon")


class ResumingTrainer(BatchingTrainer):
    """A trainer that goes on from checkpoints, and whose projection may have a learning rate of its own."""

    args: OTDistillationArguments

    def train(self, resume_from_checkpoint: str | None = None, **kwargs: Any) -> TrainOutput:
        """Train from the beginning, or go on from a whole checkpoint, with the learning rates of `args`.

        Raises:
            ValueError: where the checkpoint's optimizer is that of other weights, naming the setting.
        """
        with clear_errors(self.args, self.callback_handler.callbacks):
            if resume_from_checkpoint is None:
                return super().train(**kwargs)
            saved = saved_arguments(resume_from_checkpoint)
            rates = RatesOfNow(saved, self._projection_parameters())
            self.add_callback(rates)
            try:
                with _same_weights(resume_from_checkpoint, saved, self.args):
                    return super().train(resume_from_checkpoint=resume_from_checkpoint, **kwargs)
            finally:
                self.remove_callback(rates)

    def already_finished(self, checkpoint: str) -> TrainOutput | None:
        """Take the student of a run that had come to its end, and say so; None where the run goes on."""
        state = TrainerState.load_from_json(str(Path(checkpoint) / STATE))
        why = run_ended(state, self.args, self.callback_handler.callbacks)
        if why is None:
            return None
        state.is_local_process_zero, state.is_world_process_zero = (
            self.is_local_process_zero(),
            self.is_world_process_zero(),
        )
        self.state = state
        self._load_from_checkpoint(checkpoint)
        if self.args.load_best_model_at_end and state.best_model_checkpoint is not None:
            self._load_best_model()
        if self.is_world_process_zero():
            logger.warning("already finished: %s (%s); nothing is trained", why, Path(checkpoint).name)
        return TrainOutput(state.global_step, float("nan"), {})

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """The optimizer of `transformers`, with the projection's parameters in groups of their own learning rate."""
        optimizer = super().create_optimizer(model) if model is not None else super().create_optimizer()
        rate = self.args.projection_learning_rate
        if rate is None:
            return optimizer
        projection = self._projection_parameters()
        for group in list(optimizer.param_groups):
            own = [p for p in group["params"] if id(p) in projection]
            others = [p for p in group["params"] if id(p) not in projection]
            if own and others:
                group["params"] = others
                optimizer.add_param_group({**group, "params": own, "lr": rate})
            elif own:  # frozen backbones, and a second call of train() with the optimizer of the first
                group["lr"] = rate
        return optimizer

    def _projection_parameters(self) -> set[int]:
        student = self.accelerator.unwrap_model(self.model, keep_torch_compile=False)
        return {id(p) for p in token_projection(student).parameters()}


class RatesOfNow(TrainerCallback):
    """Give a resumed optimizer the learning rates of the arguments, where they are not those it was saved with.

    transformers takes the rates from the checkpoint. A schedule is a factor of its rate, so it is the rate that is changed.

    Args:
        saved: the arguments of the run that saved the checkpoint.
        projection: the ids of the projection's parameters.
    """

    def __init__(self, saved: Mapping[str, Any], projection: set[int]) -> None:
        self.saved, self.projection = saved, projection

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: Any,
        optimizer: Any = None,
        lr_scheduler: Any = None,
        **kwargs: Any,
    ) -> None:
        """Change the rates, after transformers has loaded the checkpoint."""
        if "learning_rate" not in self.saved:
            return
        before, now = _rates(self.saved), _rates(args.to_dict())
        if before == now:
            return
        if not all(before):
            raise ValueError(
                f"the checkpoint was saved with a learning rate of 0 and the run asks for {now}: a schedule cannot leave 0; start "
                "a new run from the student in the checkpoint (load_student)"
            )
        factors = []
        for group in optimizer.param_groups:
            own = any(id(p) in self.projection for p in group["params"]) and args.projection_learning_rate is not None
            factors.append(now[own] / before[own])
            for name in ("lr", "initial_lr"):
                if name in group:
                    group[name] = group[name] * factors[-1]
        told = lr_scheduler.state_dict()
        for name in ("base_lrs", "_last_lr"):
            if name in told:
                told[name] = [rate * factor for rate, factor in zip(told[name], factors, strict=True)]
        lr_scheduler.load_state_dict(told)
        if state.is_world_process_zero:
            logger.info("learning rates changed from %s to %s (of the weights, of the projection)", before, now)


def run_ended(state: TrainerState, args: TrainingArguments, callbacks: Iterable[TrainerCallback]) -> str | None:
    """Why the run that saved `state` had nothing left to do, None where it had.

    Args:
        state: of a checkpoint.
        args: of now, which may ask for more steps.
        callbacks: of now, which may have more patience.
    """
    if args.max_steps > 0:
        if state.global_step >= args.max_steps:
            return f"max_steps={args.max_steps} were taken"
    elif state.epoch is not None and state.epoch >= args.num_train_epochs:
        return f"num_train_epochs={args.num_train_epochs:g} were trained"
    for callback in callbacks:
        if isinstance(callback, LanguageEarlyStopping) and callback.without_progress(state) >= callback.patience:
            return f"early stopping ended the run at step {state.global_step}"
        if isinstance(callback, EarlyStoppingCallback):
            told = state.stateful_callbacks.get("EarlyStoppingCallback", {})
            told = told[0] if isinstance(told, list) else told
            counted = told.get("attributes", {}).get("early_stopping_patience_counter", 0)
            if counted >= callback.early_stopping_patience:
                return f"early stopping ended the run at step {state.global_step}"
    return None


def _rates(arguments: Mapping[str, Any]) -> tuple[float, float]:
    """Of the weights and of the projection."""
    rate, own = arguments["learning_rate"], arguments.get("projection_learning_rate")
    return float(rate), float(rate if own is None else own)


def _plain(value: Any) -> Any:
    """A fused optimizer has the state of the same one unfused."""
    return value.removesuffix("_fused") if isinstance(value, str) else value


@contextmanager
def _same_weights(checkpoint: str, saved: Mapping[str, Any], args: OTDistillationArguments) -> Iterator[None]:
    """Name the setting where the optimizer of a checkpoint is that of other weights; say what it keeps of its own."""
    if lacks_states(checkpoint):
        yield
        return
    now = json.loads(json.dumps(args.to_dict(), default=str))
    changed = [name for name in OF_THE_STATE if name in saved and _plain(saved[name]) != _plain(now[name])]
    if "learning_rate" in saved and (saved.get("projection_learning_rate") is None) != (
        args.projection_learning_rate is None
    ):
        changed.append("projection_learning_rate")
    if changed:
        told = ", ".join(f"{name}={saved.get(name)!r} and the run has {now[name]!r}" for name in changed)
        raise ValueError(
            f"{checkpoint!r} was saved with {told}: the state of its optimizer belongs to other weights; set it as it was, or "
            "start a new run from the student in the checkpoint (load_student)"
        )
    kept = [f"{name}={saved[name]}" for name in KEPT_IN_THE_STATE if name in saved and saved[name] != now[name]]
    if kept and args.process_index == 0:
        logger.warning("the optimizer goes on as the checkpoint was saved, with %s", ", ".join(kept))
    try:
        yield
    except ValueError as error:
        if "parameter group" not in str(error):
            raise
        raise ValueError(
            f"the optimizer of {checkpoint!r} has other weights than this run: the same must ask for a gradient (requires_grad, "
            "peft_config) as when it was saved; or start a new run from the student in the checkpoint (load_student)"
        ) from error
