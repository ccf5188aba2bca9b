"""Functions in processes of their own, alone or as the ranks of a launch: forked from the tests, which have imported everything."""

import logging
import multiprocessing
import os
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate.state import AcceleratorState

FORK = multiprocessing.get_context("fork")


def forked(
    log: Path,
    function: Callable[..., None],
    *arguments: Any,
    processes: int = 1,
    environment: Mapping[str, str] | None = None,
) -> tuple[list[int], str]:
    """Run `function` in as many processes; their exit codes and what they printed, which goes to `log`."""
    log.unlink(missing_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ranks = [
        FORK.Process(target=_begin, args=(log, rank, processes, port, environment or {}, function, *arguments))
        for rank in range(processes)
    ]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join(300)
    hung = [rank for rank in ranks if rank.is_alive()]
    for rank in hung:
        rank.kill()
        rank.join()
    text = log.read_text()
    assert not hung, f"still running after five minutes: {text[-3000:]}"
    return [rank.exitcode for rank in ranks], text


def _begin(log, rank, processes, port, environment, function, *arguments) -> None:
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s", force=True)
    torch.set_num_threads(1)
    AcceleratorState._reset_state(reset_partial_state=True)  # that of the tests
    os.environ |= environment
    if processes > 1:
        os.environ |= {
            "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes),
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
        }  # fmt: skip
    function(*arguments)
