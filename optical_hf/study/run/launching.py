"""Do the runs of a study one after the other, in processes of their own: what is done is not done again, what fails is kept.

A run's folder is named by the hash of its configuration and of what it reads. A process does `together` runs, as starting one
costs more than a short run.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torch
from filelock import FileLock, Timeout

from optical_hf.bars import NO_BARS
from optical_hf.files import check_folder, write_text
from optical_hf.study.config.grid import RunConfig
from optical_hf.study.config.study_config import StudyConfig
from optical_hf.study.run.contents import Contents
from optical_hf.study.run.running import CONFIG, ERROR, LOG, RESULT

Status = Literal["done", "failed", "open"]
GRACE_SECONDS, POLL_SECONDS = 10, 0.2


@dataclass(frozen=True)
class RunFolder:
    """A run and where its files are."""

    run: RunConfig
    folder: Path

    @property
    def status(self) -> Status:
        """Done once its result is there and whole; failed where an error is, or a damaged file; else open."""
        if (self.folder / RESULT).exists():
            return "failed" if self._damage() else "done"
        return "failed" if (self.folder / ERROR).exists() else "open"

    @property
    def error(self) -> str:
        """Why it failed, in one line; empty where it did not."""
        if self.status != "failed":
            return ""
        done = (self.folder / RESULT).exists()
        return self._damage() if done else (self.folder / ERROR).read_text(encoding="utf-8").strip()

    def _damage(self) -> str:
        """Which file of a finished run cannot be read, and what to do; empty where all can."""
        try:
            result = _read(self.folder / RESULT)
            for name in result.get("reports", {}).values():
                _read(self.folder / name)
        except ValueError as error:
            return f"{error}: start the study again, which does this run again"
        return ""


def _read(path: Path) -> dict[str, Any]:
    """A JSON file that this package wrote.

    Raises:
        ValueError: it is not there, or damaged.
    """
    if not path.exists():
        raise ValueError(f"{path} is missing")
    stat = path.stat()
    return _read_once(path, stat.st_mtime_ns, stat.st_size)


@cache
def _read_once(path: Path, *_: int) -> dict[str, Any]:
    """The same of a file of this time and size."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error})") from None
    if not isinstance(values, dict):
        raise ValueError(f"{path} is damaged (no 'key: value' object)")
    return values


def folders_of(config: StudyConfig, runs: Sequence[RunConfig], *, fetch: bool = True) -> list[RunFolder]:
    """Where each run of a study has its files: a folder named by what decides the result, contents of files included.

    Args:
        config: the study.
        runs: of the study; of two that read the same from two places, the first is kept.
        fetch: bring models of the hub that are not on this machine, and keep the hashes of files for the next time. Without it
            nothing is brought or written.
    """
    output = Path(config.output)
    if fetch:
        output.mkdir(parents=True, exist_ok=True)
    contents = Contents(output, fetch)
    folders: dict[Path, RunFolder] = {}
    for run in runs:
        named = _named(run, contents, output / "runs")
        folders.setdefault(output / "runs" / named.key, RunFolder(named, output / "runs" / named.key))
    if fetch:
        contents.save()
    return list(folders.values())


def _named(run: RunConfig, contents: Contents, folder: Path) -> RunConfig:
    """The run with the hashes of what it reads; of what is no longer there, those of the last such run that is done."""
    found = contents.of(run)
    missing = [part for part, digest in found.items() if digest is None]
    before = _last_done(run, folder) if missing else {}
    known = {part: digest or before.get(part) for part, digest in found.items()}
    return replace(run, contents={part: digest for part, digest in known.items() if digest is not None})


def _last_done(run: RunConfig, folder: Path) -> dict[str, str]:
    """What the newest finished run of these settings read."""
    for result in sorted(folder.glob(f"*/{RESULT}"), key=lambda path: path.stat().st_mtime, reverse=True):
        with suppress(OSError, ValueError, KeyError):
            done = RunConfig.from_dict(json.loads((result.parent / CONFIG).read_text(encoding="utf-8")))
            if replace(done, contents={}) == run:
                return done.contents
    return {}


def launch_runs(config: StudyConfig, runs: Sequence[RunFolder]) -> Iterator[tuple[RunFolder, Status]]:
    """Do every run that is not done; a failed one is tried again, and does not end the study.

    Yields:
        Each run twice: as "open" before it starts, and with its status when it is over; done ones once.

    Raises:
        ValueError: another process is at work on this study.
    """
    output = check_folder(config.output)
    output.mkdir(parents=True, exist_ok=True)
    try:
        lock = FileLock(output / "study.lock").acquire(timeout=0)
    except Timeout:
        raise ValueError(
            f"another process is at work on the study in {output}: wait for it, or give this one another output"
        ) from None
    with lock:
        yield from ((entry, "done") for entry in runs if entry.status == "done")
        left = [entry for entry in runs if entry.status != "done"]
        while left:
            for entry, status in _launched(config, left[: config.together]):
                yield entry, status
                if status != "open":
                    left.remove(entry)


def _launched(config: StudyConfig, entries: Sequence[RunFolder]) -> Iterator[tuple[RunFolder, Status]]:
    """Do some runs in one process (or one a rank); where it dies, the run it was at has failed and the rest stays open."""
    for entry in entries:
        entry.folder.mkdir(parents=True, exist_ok=True)
        for left in (ERROR, RESULT):  # a damaged result as well
            (entry.folder / left).unlink(missing_ok=True)
        write_text(entry.folder / CONFIG, json.dumps(entry.run.to_dict(), indent=1, ensure_ascii=False))
    process = _start(config, entries)
    try:
        for entry in entries:
            yield entry, "open"
            while entry.status == "open" and process.poll() is None:
                time.sleep(POLL_SECONDS)
            died = entry.status == "open"
            if died:
                message = f"the process ended with status {process.returncode} without an error of its own: see {LOG}\n"
                write_text(entry.folder / ERROR, message)
            yield entry, entry.status
            if died:
                return
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)  # its work is over: let it end by itself
    finally:
        _stop(process)


def _start(config: StudyConfig, entries: Sequence[RunFolder]) -> "subprocess.Popen[bytes]":
    """Start a process in a session of its own, so that a signal reaches what accelerate started as well; it ends with this one."""
    environment = {"TOKENIZERS_PARALLELISM": "false", **NO_BARS, **os.environ}
    with (entries[0].folder / LOG).open("w", encoding="utf-8") as log:
        return subprocess.Popen(
            command(config, entries), stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            env=environment,
        )  # fmt: skip


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """End a process and all that it started, where it has not ended by itself."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdin is not None:
        process.stdin.close()


def command(config: StudyConfig, entries: Sequence[RunFolder]) -> list[str]:
    """The command line that does some runs."""
    settings = ["--num_processes", str(config.processes), "--num_machines", "1", "--mixed_precision", "no"]
    settings += ["--dynamo_backend", "no"]
    if config.processes > 1:
        settings.append("--multi_gpu")  # accelerate's name for its torchrun launcher, which needs no GPU
    elif not torch.accelerator.is_available():
        settings.append("--cpu")
    module = ["-m", "optical_hf.study.run.running", *running_arguments(config, entries), "--end-with-parent"]
    return [sys.executable, "-m", "accelerate.commands.launch", *settings, *config.launch, *module]


def running_arguments(config: StudyConfig, entries: Sequence[RunFolder]) -> list[str]:
    """Arguments of `optical_hf.study.run.running`."""
    keep = ["--keep-student"] if config.keep_students else []
    return [config.output, *(str(entry.folder) for entry in entries), *keep]
