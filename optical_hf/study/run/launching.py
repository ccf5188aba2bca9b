"""Do the runs of a study one after the other, in processes of their own: what is done is not done again, what fails is kept.

A run's folder is named by the hash of its configuration and of what it reads. A process does `together` runs, as starting one
costs more than a short run. Knows nothing about what a run does inside.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

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
        path = self.folder / ERROR
        return self._damage() or path.read_text(encoding="utf-8").strip()

    def _damage(self) -> str:
        """Which file of a finished run cannot be read, and what to do; empty where all can."""
        result = self.folder / RESULT
        damage = _unreadable(result)
        if not damage and result.exists():
            reports = json.loads(result.read_text(encoding="utf-8")).get("reports", {}).values()
            damage = next(filter(None, (_unreadable(self.folder / name) for name in reports)), "")
        return f"{damage}: start the study again, which does this run again" if damage else ""


def _unreadable(path: Path) -> str:
    """Why a JSON file that this package wrote cannot be read; empty where it can, or where it is not there and need not be."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return "" if path.name == RESULT else f"{path} is missing"
    return _not_an_object(path, stat.st_mtime_ns, stat.st_size)


@cache
def _not_an_object(path: Path, *_: int) -> str:
    """The same of a file of this time and size, which is read once."""
    try:
        whole = isinstance(json.loads(path.read_text(encoding="utf-8")), dict)
    except ValueError as error:
        return f"{path} is damaged ({error})"
    return "" if whole else f"{path} is damaged (no 'key: value' object)"


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
    with _alone(Path(config.output)):
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
                told = f"the process ended with status {process.returncode} without an error of its own: see {LOG}\n"
                write_text(entry.folder / ERROR, told)
            yield entry, entry.status
            if died:
                return
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)  # its work is over: let it end by itself
    finally:
        _stop(process)


@contextmanager
def _alone(output: Path) -> Iterator[None]:
    check_folder(output).mkdir(parents=True, exist_ok=True)
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
    """What `optical_hf.study.run.running` is told."""
    keep = ["--keep-student"] if config.keep_students else []
    anew = [] if config.share_bodies else ["--read-anew"]
    return [config.output, *(str(entry.folder) for entry in entries), *keep, *anew]
