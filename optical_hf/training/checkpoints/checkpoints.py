"""Which checkpoints are whole, which one a run goes on from, and what a user is told when one cannot be written.

`transformers` writes a checkpoint file by file, `trainer_state.json` last on the main process; the state of the random numbers
of another process may come later still. So a checkpoint is whole where that file is there and every other can be read to
its end: a kill, a full disk or a copy that broke off leaves one that is not. No format of ours.
"""

import errno
import json
import logging
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from accelerate.utils import gather_object
from safetensors import SafetensorError, safe_open
from transformers import TrainerCallback, TrainingArguments
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from optical_hf.files import expand_path
from optical_hf.models.student_folder import student_folder
from optical_hf.training.callbacks.termination import CheckpointOnTermination
from optical_hf.training.checkpoints.checkpoint_checksums import CHECKSUMS, other_content

logger = logging.getLogger(__name__)

STATE = "trainer_state.json"
ARGUMENTS = "training_args.json"
CANNOT_WRITE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO}


def damage(checkpoint: str | Path, *, weights_only: bool = False) -> str | None:
    """What a checkpoint lacks to be gone on from.

    Args:
        checkpoint: a `checkpoint-N` folder.
        weights_only: it was saved with `save_only_model`, without the state of the optimizer and of the random numbers.

    Returns:
        The first thing that is missing or cannot be read, as the end of a sentence; None where the checkpoint is whole.
    """
    folder = Path(checkpoint)
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    if STATE not in files:
        return f"it has no {STATE}, which is written last"
    for name, path in files.items():
        if not name.startswith("."):
            problem = _unreadable(path)
            if problem:
                return f"{name} {problem}"
    return (
        _missing_weights(folder, files) or other_content(folder) or (None if weights_only else _missing_states(files))
    )


def resume_point(asked: str | bool | None, args: TrainingArguments) -> str | None:
    """The checkpoint a run goes on from.

    Args:
        asked: True for the newest whole checkpoint of `args.output_dir`; those that are not whole are named in a warning and
            skipped. A path for that one. None or False for none.
        args: of the run.

    Returns:
        The folder; None to start from the beginning, also where True was given and there is no whole checkpoint, as when a
        run was killed before its first one.

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
        _say(args, f"no whole checkpoint in {args.output_dir!r}: the run starts from the beginning")
        return None
    saved_by = saved_arguments(chosen).get("world_size")
    if saved_by not in (None, args.world_size):
        _say(
            args,
            f"{chosen.name} was saved by {saved_by} processes and {args.world_size} go on: the order of the data is not that of "
            "a run that was not interrupted",
        )
    if lacks_states(chosen):
        _say(
            args,
            f"{chosen.name} was saved with save_only_model=True: the run goes on from its step with a fresh optimizer, a schedule "
            "that starts anew, warm-up included, and other random numbers than a run that was not interrupted",
        )
    logger.info("the run goes on from %s", chosen)
    return str(chosen)


def saved_arguments(checkpoint: str | Path) -> dict[str, Any]:
    """The arguments of the run that saved a checkpoint; empty where it has none."""
    file = Path(checkpoint) / ARGUMENTS
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def lacks_states(checkpoint: str | Path) -> str | None:
    """What a checkpoint lacks of optimizer, schedule and random numbers, as the end of a sentence; None where it lacks nothing."""
    folder = Path(checkpoint)
    return _missing_states({path.relative_to(folder).as_posix(): path for path in folder.rglob("*")})


def begin_writing(checkpoint: Path) -> None:
    """Make a checkpoint that is about to be written again count as not whole until it is, and clear what was there of a student."""
    (checkpoint / STATE).unlink(missing_ok=True)
    (checkpoint / CHECKSUMS).unlink(missing_ok=True)
    before = student_folder(checkpoint)
    before.mend()
    for path in checkpoint.iterdir() if checkpoint.is_dir() else ():
        if path.is_file() and before.owned(path.name):
            path.unlink()


def check_writable(folder: str | Path) -> None:
    """Try to write where checkpoints will go, before the first hour of training and not after it.

    Raises:
        OSError: where nothing can be written, saying why.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(4096))
            file.flush()
    except OSError as error:
        raise OSError(
            error.errno,
            f"cannot write checkpoints to output_dir {str(folder)!r}: {os.strerror(error.errno or errno.EIO)}; nothing was trained "
            "yet: give a folder that can be written, or make room",
        ) from error


@contextmanager
def clear_errors(args: TrainingArguments, callbacks: Sequence[TrainerCallback]) -> Iterator[None]:
    """Say what it means for the run where a checkpoint cannot be written, and give signals back however the run ends."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        told = write_error(error, args)
        if told is None:
            raise
        raise told from error
    finally:
        for callback in callbacks:
            if isinstance(callback, CheckpointOnTermination):
                callback.restore()


def write_error(error: BaseException, args: TrainingArguments) -> OSError | None:
    """What to tell a user when `error` came from writing a checkpoint: None where it did not.

    A full disk surfaces as an OSError or, from torch.save, as a RuntimeError that names neither the disk nor the file.
    """
    text = str(error)
    if isinstance(error, OSError):
        number = error.errno if error.errno in CANNOT_WRITE else None
    elif isinstance(error, RuntimeError) and ("PytorchStreamWriter" in text or "unexpected pos" in text):
        number = errno.ENOSPC if shutil.disk_usage(args.output_dir).free < 2**20 else errno.EIO
    else:
        return None
    if number is None:
        return None
    found = [path for path in checkpoints(args.output_dir) if damage(path, weights_only=args.save_only_model) is None]
    kept = f"{found[-1].name} is whole and nothing before it is lost" if found else "there is no checkpoint before it"
    return OSError(
        number,
        f"{os.strerror(number)}: a checkpoint could not be written to {args.output_dir!r}; {kept}. Make room (save_total_limit "
        "keeps fewer checkpoints), then go on with resume_from_checkpoint=True",
    )


def checkpoints(folder: str | Path) -> list[Path]:
    """The `checkpoint-N` folders of a run, the oldest first."""
    found = [
        p for p in Path(folder).glob(f"{PREFIX_CHECKPOINT_DIR}-*") if p.is_dir() and p.name.split("-")[-1].isdigit()
    ]
    return sorted(found, key=_step)


def _say(args: TrainingArguments, text: str) -> None:
    if args.process_index == 0:
        logger.warning(text)


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.split("-")[-1])


def _newest_whole(args: TrainingArguments) -> Path | None:
    for checkpoint in reversed(checkpoints(args.output_dir)):
        problem = damage(checkpoint, weights_only=args.save_only_model)
        if problem is None:
            return checkpoint
        _say(args, f"{checkpoint} is not whole ({problem}): it is skipped for the one before it")
    return None


def _named(checkpoint: Path, args: TrainingArguments) -> Path:
    problem = (
        damage(checkpoint, weights_only=args.save_only_model) if checkpoint.is_dir() else "there is no such folder"
    )
    if problem is None:
        return checkpoint
    older = [
        path
        for path in checkpoints(checkpoint.parent)
        if path.name != checkpoint.name and damage(path, weights_only=args.save_only_model) is None
    ]
    if checkpoint.name.split("-")[-1].isdigit():
        older = [path for path in older if _step(path) < _step(checkpoint)] or older
    fix = f"go on from {str(older[-1])!r}, the newest whole one" if older else "start the run from the beginning"
    raise ValueError(
        f"cannot go on from {str(checkpoint)!r}: {problem}; {fix}, or pass resume_from_checkpoint=True to have the newest whole "
        "one of output_dir chosen"
    )


def _unreadable(path: Path) -> str | None:
    """What keeps a file from being read to its end: formats that end with an index, or say how long they are."""
    try:
        if path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                file.keys()
        elif path.suffix in (".pt", ".pth", ".bin"):
            with zipfile.ZipFile(path) as archive:
                broken = archive.testzip()
            if broken:
                return f"is damaged at {broken}"
    except (ValueError, SafetensorError, zipfile.BadZipFile, EOFError, OSError) as error:
        return f"is cut off or damaged ({' '.join(str(error).split())[:120]})"
    return None


def _missing_weights(folder: Path, files: dict[str, Path]) -> str | None:
    if any(name.split("/")[0].startswith("pytorch_model") for name in files):
        return None  # sharded by FSDP
    if "modules.json" not in files:
        return "it has no modules.json"
    if not {"model.safetensors", "adapter_model.safetensors", "model.safetensors.index.json"} & set(files):
        return "it has no weights (model.safetensors)"
    configuration = "adapter_config.json" if "adapter_model.safetensors" in files else "config.json"
    if configuration not in files:
        return f"it has no {configuration}"
    for entry in json.loads(files["modules.json"].read_text()):
        name = f"{entry['path']}/model.safetensors"
        if entry["type"].rsplit(".", 1)[-1] == "Dense" and name not in files:
            return f"it has no {name}"
    return None


def _missing_states(files: dict[str, Path]) -> str | None:
    tops = {name.split("/")[0] for name in files}
    if any(name.startswith("global_step") for name in tops):
        return None  # DeepSpeed keeps optimizer and schedule in a folder of its own
    if not any(name.startswith("optimizer") for name in tops):
        return "it has no optimizer.pt, without which the run would go on with a fresh optimizer"
    if "scheduler.pt" not in files:
        return "it has no scheduler.pt"
    processes = json.loads(files[ARGUMENTS].read_text()).get("world_size", 1) if ARGUMENTS in files else 1
    wanted = ["rng_state.pth"] if processes == 1 else [f"rng_state_{rank}.pth" for rank in range(processes)]
    return next((f"it has no {name}" for name in wanted if name not in files), None)
