"""Do the runs of a study one after the other, each in its own processes: what is done is not done again, what fails is kept.

A run's folder is named by the hash of its configuration. Knows nothing about what a run does inside.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from filelock import FileLock, Timeout

from optical_hf.evaluation.files import write_text
from optical_hf.study.config import StudyConfig
from optical_hf.study.grid import RunConfig
from optical_hf.study.running import CONFIG, ERROR, LOG, RESULT

Status = Literal["done", "failed", "open"]
GRACE_SECONDS = 10


@dataclass(frozen=True)
class RunFolder:
    """A run and where its files are."""

    run: RunConfig
    folder: Path

    @property
    def status(self) -> Status:
        """Done once its result is there; failed where an error is; else open."""
        if (self.folder / RESULT).exists():
            return "done"
        return "failed" if (self.folder / ERROR).exists() else "open"

    @property
    def error(self) -> str:
        """Why it failed, in one line; empty where it did not."""
        path = self.folder / ERROR
        return path.read_text(encoding="utf-8").strip() if self.status == "failed" else ""


def folders_of(config: StudyConfig, runs: Sequence[RunConfig]) -> list[RunFolder]:
    """Where each run of a study has its files."""
    return [RunFolder(run, Path(config.output) / "runs" / run.key) for run in runs]


def launch_runs(config: StudyConfig, runs: Sequence[RunFolder]) -> Iterator[tuple[RunFolder, Status]]:
    """Do every run that is not done; a failed one is tried again, and does not end the study.

    Yields:
        Each run twice: as "open" before it starts, and with its status when it is over; done ones once.

    Raises:
        ValueError: another process is at work on this study.
    """
    with _alone(Path(config.output)):
        for entry in runs:
            if entry.status == "done":
                yield entry, "done"
                continue
            yield entry, "open"
            _launch(config, entry)
            yield entry, entry.status


@contextmanager
def _alone(output: Path) -> Iterator[None]:
    output.mkdir(parents=True, exist_ok=True)
    lock = FileLock(output / "study.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ValueError(
            f"another process is at work on the study in {output}: wait for it, or give this one another output"
        ) from None
    try:
        yield
    finally:
        lock.release()


def _launch(config: StudyConfig, entry: RunFolder) -> None:
    entry.folder.mkdir(parents=True, exist_ok=True)
    (entry.folder / ERROR).unlink(missing_ok=True)
    write_text(entry.folder / CONFIG, json.dumps(entry.run.to_dict(), indent=1, ensure_ascii=False))
    with (entry.folder / LOG).open("w", encoding="utf-8") as log:
        # A session of its own, so that a signal reaches what accelerate started as well.
        process = subprocess.Popen(
            command(config, entry), stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, "TOKENIZERS_PARALLELISM": os.environ.get("TOKENIZERS_PARALLELISM", "false")},
        )  # fmt: skip
        try:
            status = process.wait()
        except BaseException:
            _stop(process)
            raise
    if status and not (entry.folder / ERROR).exists():
        write_text(
            entry.folder / ERROR, f"the process ended with status {status} without an error of its own: see {LOG}\n"
        )


def _stop(process: "subprocess.Popen[bytes]") -> None:
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def command(config: StudyConfig, entry: RunFolder) -> list[str]:
    """The command line of a run."""
    settings = ["--num_processes", str(config.processes), "--num_machines", "1", "--mixed_precision", "no"]
    settings += ["--dynamo_backend", "no"]
    if config.processes > 1:
        settings.append("--multi_gpu")  # accelerate's name for its torchrun launcher, which needs no GPU
    elif not torch.accelerator.is_available():
        settings.append("--cpu")
    module = ["-m", "optical_hf.study.running", str(entry.folder), config.output]
    keep = ["--keep-student"] if config.keep_students else []
    return [sys.executable, "-m", "accelerate.commands.launch", *settings, *config.launch, *module, *keep]
