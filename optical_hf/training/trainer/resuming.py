"""How a run goes on from a checkpoint: not at all where it had come to its end, and with the learning rates of now.

What a checkpoint must hold is in checkpoints.py.
"""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import EarlyStoppingCallback, TrainerCallback, TrainerState, TrainingArguments
from transformers.trainer_utils import TrainOutput

from optical_hf.models import Encoder, token_projection
from optical_hf.training.arguments import OTDistillationArguments
from optical_hf.training.callbacks.agreement import is_main_process
from optical_hf.training.checkpoints.checkpoint_io import StudentTrainer
from optical_hf.training.checkpoints.checkpoints import STATE, lacks_states, saved_arguments

logger = logging.getLogger(__name__)

# Settings that the optimizer's state is bound to, and those that a resumed optimizer takes from it.
OF_THE_STATE = ("freeze_embeddings", "optim")
KEPT_IN_THE_STATE = ("weight_decay", "adam_beta1", "adam_beta2", "adam_epsilon")


def finished_run(trainer: StudentTrainer, checkpoint: str) -> TrainOutput | None:
    """Take the student of a run that had come to its end, and say so; None where the run goes on."""
    args, state = trainer.args, TrainerState.load_from_json(str(Path(checkpoint) / STATE))
    why = run_ended(state, args, trainer.callback_handler.callbacks)
    if why is None:
        return None
    state.is_local_process_zero, state.is_world_process_zero = args.local_process_index == 0, is_main_process()
    trainer.state = state
    trainer._load_from_checkpoint(checkpoint)
    if args.load_best_model_at_end and state.best_model_checkpoint is not None:
        trainer._load_best_model()
    if is_main_process():
        logger.warning("already finished: %s (%s); nothing is trained", why, Path(checkpoint).name)
    return TrainOutput(state.global_step, float("nan"), {})


@contextmanager
def resuming(trainer: StudentTrainer, checkpoint: str | None) -> Iterator[None]:
    """Train from a checkpoint with the learning rates of now, and name the setting where its optimizer has other weights.

    Raises:
        ValueError: where the checkpoint's optimizer is that of other weights.
    """
    if checkpoint is None:
        yield
        return
    saved = saved_arguments(checkpoint)
    if not lacks_states(checkpoint):
        check_same_optimizer(checkpoint, saved, trainer.args)
    rates = RatesOfNow(saved, projection_parameters(trainer.student))
    trainer.add_callback(rates)
    try:
        yield
    except ValueError as error:
        if "parameter group" not in str(error):
            raise
        raise ValueError(
            f"the optimizer of {checkpoint!r} has other weights than this run: the same weights must be trainable (requires_grad, "
            "peft_config) as when it was saved; or start a new run from the student in the checkpoint (load_student)"
        ) from error
    finally:
        trainer.remove_callback(rates)


def projection_parameters(student: Encoder) -> set[int]:
    """The ids of the parameters of a student's projection."""
    return {id(parameter) for parameter in token_projection(student).parameters()}


def set_projection_rate(optimizer: torch.optim.Optimizer, projection: set[int], rate: float) -> None:
    """Give the parameters of the projection groups of their own, with their own learning rate."""
    for group in list(optimizer.param_groups):
        own = [p for p in group["params"] if id(p) in projection]
        others = [p for p in group["params"] if id(p) not in projection]
        if own and others:
            group["params"] = others
            optimizer.add_param_group({**group, "params": own, "lr": rate})
        elif own:  # frozen backbones, and a second call of train() with the optimizer of the first
            group["lr"] = rate


class RatesOfNow(TrainerCallback):
    """Give a resumed optimizer the learning rates of the arguments, where they are not those it was saved with.

    transformers takes the rates from the checkpoint. A schedule is a factor of its rate, so it is the rate that is changed.

    Args:
        saved: the arguments of the run that saved the checkpoint.
        projection: the ids of the projection's parameters.
    """

    def __init__(self, saved: Mapping[str, Any], projection: set[int]) -> None:
        self.saved, self.projection = saved, projection

    def on_train_begin(self, args, state, control, optimizer=None, lr_scheduler=None, **kwargs: Any) -> None:
        """Change the rates, after transformers has loaded the checkpoint."""
        if "learning_rate" not in self.saved:
            return
        before, now = _rates(self.saved), _rates(args.to_dict())
        if before == now:
            return
        if not all(before):
            raise ValueError(
                f"the checkpoint was saved with a learning rate of 0 and the run has {now}: a schedule cannot leave 0; start "
                "a new run from the student in the checkpoint (load_student)"
            )
        factors = []
        for group in optimizer.param_groups:
            own = any(id(p) in self.projection for p in group["params"]) and args.projection_learning_rate is not None
            factors.append(now[own] / before[own])
            for name in ("lr", "initial_lr"):
                if name in group:
                    group[name] = group[name] * factors[-1]
        schedule = lr_scheduler.state_dict()
        for name in ("base_lrs", "_last_lr"):
            if name in schedule:
                schedule[name] = [rate * factor for rate, factor in zip(schedule[name], factors, strict=True)]
        lr_scheduler.load_state_dict(schedule)
        if state.is_world_process_zero:
            logger.info("learning rates changed from %s to %s (of the weights, of the projection)", before, now)


def run_ended(state: TrainerState, args: TrainingArguments, callbacks: Iterable[TrainerCallback]) -> str | None:
    """Why the run that saved `state` had nothing left to do, None where it had.

    Args:
        state: of a checkpoint.
        args: of now, which may have more steps.
        callbacks: of now, which may have more patience.
    """
    if args.max_steps > 0:
        if state.global_step >= args.max_steps:
            return f"max_steps={args.max_steps} were taken"
    elif state.epoch is not None and state.epoch >= args.num_train_epochs:
        return f"num_train_epochs={args.num_train_epochs:g} were trained"
    for callback in callbacks:
        if isinstance(callback, EarlyStoppingCallback):
            kept = state.stateful_callbacks.get("EarlyStoppingCallback", {})
            kept = kept[0] if isinstance(kept, list) else kept
            counted = kept.get("attributes", {}).get("early_stopping_patience_counter", 0)
            if counted >= callback.early_stopping_patience:
                return f"early stopping ended the run at step {state.global_step}"
    return None


def _rates(arguments: Mapping[str, Any]) -> tuple[float, float]:
    """Of the weights and of the projection."""
    rate, own = arguments["learning_rate"], arguments.get("projection_learning_rate")
    return float(rate), float(rate if own is None else own)


def check_same_optimizer(checkpoint: str, saved: Mapping[str, Any], args: OTDistillationArguments) -> None:
    """Name the setting where the optimizer of a checkpoint is that of other weights; say what it keeps of its own."""
    now = json.loads(json.dumps(args.to_dict(), default=str))
    changed = [name for name in OF_THE_STATE if _plain(saved.get(name, now[name])) != _plain(now[name])]
    rate = "projection_learning_rate"
    if "learning_rate" in saved and (saved.get(rate) is None) != (now[rate] is None):
        changed.append(rate)
    if changed:
        old = ", ".join(f"{name}={saved.get(name)!r} and the run has {now[name]!r}" for name in changed)
        raise ValueError(
            f"{checkpoint!r} was saved with {old}: the state of its optimizer belongs to other weights; set it as it was, or "
            "start a new run from the student in the checkpoint (load_student)"
        )
    kept = [f"{name}={saved[name]}" for name in KEPT_IN_THE_STATE if saved.get(name, now[name]) != now[name]]
    if kept and is_main_process():
        logger.warning("the optimizer goes on as the checkpoint was saved, with %s", ", ".join(kept))


def _plain(value: Any) -> Any:
    """A fused optimizer has the state of the same one unfused."""
    return value.removesuffix("_fused") if isinstance(value, str) else value
