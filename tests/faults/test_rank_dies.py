"""A rank that dies: the launcher of `torchrun` and `accelerate launch` names it, and nobody waits for it."""

import os
import signal
import time

import pytest
import torch
from fault_runs import At, started, trainer
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from optical_hf.training.checkpoints.checkpoints import checkpoints, damage

pytestmark = pytest.mark.slow


def rank_of_two(folder):
    """What the launcher starts twice."""
    torch.set_num_threads(1)
    (folder / f"pid-{os.environ['RANK']}").write_text(str(os.getpid()))

    def die():
        if os.environ["RANK"] == "1":
            (folder / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        trainer(folder, callbacks=[At(5, die)]).train()
    except RuntimeError:
        # The agent names one rank, the lowest it finds dead at one look: the one left behind waits until it has looked.
        time.sleep(2)
        raise


def launched(folder, resume, at, options):
    """The elastic agent of torchrun (which accelerate launch runs too), with workers forked from it."""
    config = LaunchConfig(
        min_nodes=1, max_nodes=1, nproc_per_node=2, run_id="faults", rdzv_backend="c10d", rdzv_endpoint="127.0.0.1:0",
        max_restarts=0, monitor_interval=0.1, start_method="fork",
    )  # fmt: skip
    elastic_launch(config, rank_of_two)(folder)


def alive(folder, rank):
    try:
        os.kill(int((folder / f"pid-{rank}").read_text()), 0)
    except ProcessLookupError:
        return False
    return True


def test_the_dead_rank_is_named_within_a_minute_and_nothing_is_lost(tmp_path):
    folder = tmp_path / "run"
    codes, told = started(folder, launched)
    assert codes == [1]
    assert time.time() - (folder / "died").stat().st_mtime < 60
    assert "ChildFailedError" in told
    named = told[told.index("ChildFailedError") :]
    assert "(local_rank: 1)" in named
    assert "Signal 9 (SIGKILL)" in named
    assert not alive(folder, 0)
    assert not alive(folder, 1)
    kept = [path for path in checkpoints(folder) if damage(path) is None]
    assert [path.name for path in kept] == ["checkpoint-2", "checkpoint-4"]
