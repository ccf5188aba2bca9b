"""Runs in processes of their own that can be killed, and what they left: weights, checkpoints, and what the user was told."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tiny_pairs
import torch
from forked import forked
from torch import nn
from transformers import TrainerCallback, TrainerState

from optical_hf.models.teachers.token_cache import TeacherCache
from optical_hf.training import OTDistillationArguments, OTDistillationTrainer
from optical_hf.training.checkpoints import checkpoint_io

STEPS = 6  # more than an epoch of the 40 draws in batches of 4, accumulated by twos


class At(TrainerCallback):
    """Do something while a step is under way."""

    def __init__(self, step: int, action: Callable[[], None]) -> None:
        self.step, self.action = step, action

    def on_step_begin(self, args, state, control, **kwargs):
        if state.global_step + 1 == self.step:
            self.action()


class Send:
    """Send a signal to this process, on one rank or on all."""

    def __init__(self, number: int, rank: int | None = None) -> None:
        self.number, self.rank = number, rank

    def __call__(self) -> None:
        if self.rank in (None, int(os.environ.get("RANK", "0"))):
            os.kill(os.getpid(), self.number)


def bitext():
    return tiny_pairs.bitext().select(range(40, 80))


def cache(folder: Path) -> Path:
    TeacherCache.build(tiny_pairs.teacher(), bitext(), folder / "cache", progress=False)
    return folder / "cache"


def trainer(folder: Path, cached: Path | None = None, **kwargs: Any) -> OTDistillationTrainer:
    """A run in which everything that a checkpoint must bring back matters: order, languages, dropout, rates, accumulation."""
    student, teacher = tiny_pairs.pair()
    for module in student.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.1
    options = {
        "max_steps": STEPS, "per_device_train_batch_size": 4, "gradient_accumulation_steps": 2, "save_steps": 2, "logging_steps": 1,
        "learning_rate": 1e-3, "projection_learning_rate": 5e-3, "warmup_steps": 2, "sampling_temperature": 3.0,
        "alignment": "ridge", "report_to": "none", "disable_tqdm": True, "use_cpu": True,
        "losses": "transport=1.0,pooled_cosine=0.5",
    }  # fmt: skip
    callbacks, adapter = kwargs.pop("callbacks", None), kwargs.pop("peft_config", None)
    table = bitext().to_iterable_dataset().shuffle(seed=1, buffer_size=20) if kwargs.pop("stream", False) else bitext()
    args = OTDistillationArguments(str(folder), **(options | kwargs))
    source = teacher if cached is None else TeacherCache.open(cached)
    return OTDistillationTrainer(student, source, args, table, callbacks=callbacks, peft_config=adapter)


def train(folder: Path, resume: bool | str, at: tuple[int, Callable[[], None]] | None, options: dict[str, Any]) -> None:
    """Train to the end, or to where `at` ends it; the weights of a run that came to its end go to `weights.pt`."""
    run = trainer(folder, callbacks=[At(*at)] if at else [], **options)
    run.train(resume_from_checkpoint=resume)
    if run.is_world_process_zero():
        torch.save(weights(run.model), folder / "weights.pt")


def train_killed_writing(folder, resume, at, options) -> None:
    """Be killed when half of a part of a checkpoint is written."""
    part, checkpoint = options.pop("part"), options.pop("checkpoint")
    write, save, save_state = checkpoint_io.write_student, torch.save, TrainerState.save_to_json

    def cut(path: Path) -> None:
        if path == folder / checkpoint / part:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
            os.kill(os.getpid(), signal.SIGKILL)

    def write_half(student, place, weights, **kwargs):
        write(student, place, weights, **kwargs)
        cut(place / "model.safetensors")

    def save_half(value, file, **kwargs):
        save(value, file, **kwargs)
        cut(Path(file))

    def state_half(state, file):
        save_state(state, file)
        cut(Path(file))

    checkpoint_io.write_student, torch.save, TrainerState.save_to_json = write_half, save_half, state_half
    train(folder, resume, at, options)


def weights(model: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def end(folder: Path) -> torch.Tensor:
    """The weights of a run that came to its end."""
    return torch.load(folder / "weights.pt")


def started(
    folder: Path,
    function: Callable[..., None] = train,
    *,
    resume: bool | str = False,
    at: tuple[int, Callable[[], None]] | None = None,
    processes: int = 1,
    **options: Any,
) -> tuple[list[int], str]:
    """Run `function` in as many processes; their exit codes and what they printed."""
    folder.mkdir(exist_ok=True)
    return forked(folder / "log.txt", function, folder, resume, at, options, processes=processes)


KILLED, TERMINATED = -signal.SIGKILL, -signal.SIGTERM
