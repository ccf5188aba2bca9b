"""Which checkpoints are whole, which one a run goes on from, and what a user reads when one cannot be written.

`transformers` writes a checkpoint file by file, `trainer_state.json` last on the main process. When every process has written
its part, checksums of all files follow (checkpoint_checksums.py). No format of ours.
"""

import errno
import json
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from accelerate.utils import gather_object
from transformers import TrainerCallback, TrainingArguments
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from optical_hf.files import expand_path
from optical_hf.models.student_folder import student_folder
from optical_hf.training.callbacks.agreement import is_main_process
from optical_hf.training.callbacks.termination import CheckpointOnTermination
from optical_hf.training.checkpoints.checkpoint_checksums import CHECKSUMS, other_content

logger = logging.getLogger(__name__)

STATE = "trainer_state.json"
ARGUMENTS = "training_args.json"
STATES = ("optimizer", "scheduler", "scaler", "rng_state", "global_step")
"""How the files begin that hold no weights of the student."""
CANNOT_WRITE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO}


def damage(checkpoint: str | Path, *, weights_only: bool = False) -> str | None:
    """What a checkpoint lacks to be resumed from.

    Args:
        checkpoint: a `checkpoint-N` folder.
        weights_only: the student is what is wanted, not the optimizer, the schedule and the random numbers.

    Returns:
        The first thing that is missing or is not what was written, as the end of a sentence; None where the checkpoint is whole.
    """
    folder = Path(checkpoint)
    try:
        json.loads((folder / STATE).read_text(encoding="utf-8"))
    except OSError:
        return f"it has no {STATE}, which is written last"
    except ValueError:
        return f"{STATE} is cut off or damaged"
    return other_content(folder, STATES) if weights_only else other_content(folder) or lacks_states(folder)


def resume_point(asked: str | bool | None, args: TrainingArguments) -> str | None:
    """The checkpoint a run goes on from.

    Args:
        asked: True for the newest whole checkpoint of `args.output_dir`; those that are not whole are named in a warning and
            skipped. A path for that one. None or False for none.
        args: of the run.

    Returns:
        The folder; None to start from the beginning. It is None also where True was given and there is no whole checkpoint: the run
        was killed before its first one.

    Raises:
        ValueError: where the checkpoint that was named is not there or not whole, naming the newest whole one before it.
    """
    if not asked:
        return None
    chosen = _newest_whole(args) if asked is True else _named(expand_path(asked), args)
    if args.world_size > 1:
        everywhere = gather_object([None if chosen is None else chosen.name])
        if len(set(everywhere)) > 1:
            raise ValueError(
                f"the processes see different checkpoints in {args.output_dir!r} ({everywhere}): put output_dir where all of them "
                "read the same files, or name one that all have"
            )
    if chosen is None:
        _warn(f"no whole checkpoint in {args.output_dir!r}: the run starts from the beginning")
        return None
    saved_by = saved_arguments(chosen).get("world_size")
    if saved_by not in (None, args.world_size):
        _warn(
            f"{chosen.name} was saved by {saved_by} processes and {args.world_size} go on: the order of the data is not that of "
            "a run that was not interrupted"
        )
    if lacks_states(chosen):
        _warn(
            f"{chosen.name} was saved with save_only_model=True: the run goes on from its step with a fresh optimizer, a schedule "
            "that starts anew, warm-up included, and other random numbers than a run that was not interrupted"
        )
    logger.info("the run goes on from %s", chosen)
    return str(chosen)


def saved_arguments(checkpoint: str | Path) -> dict[str, Any]:
    """The arguments of the run that saved a checkpoint; empty where it has none."""
    file = Path(checkpoint) / ARGUMENTS
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def lacks_states(checkpoint: str | Path) -> str | None:
    """What a checkpoint lacks of optimizer, schedule and random numbers, as the end of a sentence; None where it lacks nothing."""
    names = {path.name for path in Path(checkpoint).iterdir()}
    if any(name.startswith("global_step") for name in names):
        return None  # DeepSpeed keeps optimizer and schedule in a folder of its own
    if not any(name.startswith("optimizer") for name in names):
        return "it has no optimizer.pt, without which the run would go on with a fresh optimizer"
    processes = saved_arguments(checkpoint).get("world_size", 1)
    states = ["rng_state.pth"] if processes == 1 else [f"rng_state_{rank}.pth" for rank in range(processes)]
    return next((f"it has no {name}" for name in ["scheduler.pt", *states] if name not in names), None)


def begin_writing(checkpoint: Path) -> None:
    """Make a checkpoint that is about to be written again count as not whole until it is, and clear what was there of a student."""
    (checkpoint / STATE).unlink(missing_ok=True)
    (checkpoint / CHECKSUMS).unlink(missing_ok=True)
    before = student_folder(checkpoint)
    before.mend()
    for path in checkpoint.iterdir() if checkpoint.is_dir() else ():
        if path.is_file() and before.owned(path.name):
            path.unlink()


@contextmanager
def clear_errors(args: TrainingArguments, callbacks: Sequence[TrainerCallback]) -> Iterator[None]:
    """Say what it means for the run where a checkpoint cannot be written, and give signals back however the run ends."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        clearer = write_error(error, args)
        if clearer is None:
            raise
        raise clearer from error
    finally:
        for callback in callbacks:
            if isinstance(callback, CheckpointOnTermination):
                callback.restore()


def write_error(error: BaseException, args: TrainingArguments) -> OSError | None:
    """What a user reads when `error` came from writing a checkpoint: None where it did not.

    A full disk surfaces as an OSError or, from torch.save, as a RuntimeError that names neither the disk nor the file.
    """
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, RuntimeError) and any(
        word in str(error) for word in ("PytorchStreamWriter", "unexpected pos")
    ):
        number = errno.ENOSPC if shutil.disk_usage(args.output_dir).free < 2**20 else errno.EIO
    if number not in CANNOT_WRITE:
        return None
    whole = _whole(args.output_dir, args)
    kept = f"{whole[-1].name} is whole and nothing before it is lost" if whole else "there is no checkpoint before it"
    return OSError(
        number,
        f"{os.strerror(number)}: a checkpoint could not be written to {args.output_dir!r}; {kept}. Make room (save_total_limit "
        "keeps fewer checkpoints), then go on with resume_from_checkpoint=True",
    )


def checkpoints(folder: str | Path) -> list[Path]:
    """The `checkpoint-N` folders of a run, the oldest first."""
    found = [path for path in Path(folder).glob(f"{PREFIX_CHECKPOINT_DIR}-*") if path.is_dir() and _step(path) >= 0]
    return sorted(found, key=_step)


def _step(checkpoint: Path) -> int:
    """The N of a checkpoint-N folder; -1 for another name."""
    number = checkpoint.name.split("-")[-1]
    return int(number) if number.isdigit() else -1


def _whole(folder: str | Path, args: TrainingArguments) -> list[Path]:
    return [path for path in checkpoints(folder) if damage(path, weights_only=args.save_only_model) is None]


def _newest_whole(args: TrainingArguments) -> Path | None:
    for checkpoint in reversed(checkpoints(args.output_dir)):
        problem = damage(checkpoint, weights_only=args.save_only_model)
        if problem is None:
            return checkpoint
        _warn(f"{checkpoint} is not whole ({problem}): it is skipped for the one before it")
    return None


def _named(checkpoint: Path, args: TrainingArguments) -> Path:
    there = checkpoint.is_dir()
    problem = damage(checkpoint, weights_only=args.save_only_model) if there else "there is no such folder"
    if problem is None:
        return checkpoint
    whole = _whole(checkpoint.parent, args)
    older = [path for path in whole if _step(path) < _step(checkpoint)] or whole
    fix = f"go on from {str(older[-1])!r}, the newest whole one" if older else "start the run from the beginning"
    raise ValueError(
        f"cannot go on from {str(checkpoint)!r}: {problem}; {fix}, or pass resume_from_checkpoint=True to have the newest whole "
        "one of output_dir chosen"
    )


def _warn(text: str) -> None:
    if is_main_process():
        logger.warning(text)
