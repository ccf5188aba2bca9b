"""A rank that dies: the launcher of `torchrun` and `accelerate launch` names it, and nobody waits for it."""

import os
import signal
import time

import pytest
import torch
from fault_runs import At, Send, started, trainer, weights
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from optical_hf.training.checkpoints import checkpoints, damage


def rank_of_two(folder, resume, doomed):
    """What the launcher starts twice."""
    torch.set_num_threads(1)
    (folder / f"pid-{os.environ['RANK']}").write_text(str(os.getpid()))
    run = trainer(folder, callbacks=[At(5, Send(signal.SIGKILL, rank=1))] if doomed else [])
    run.train(resume_from_checkpoint=resume)
    if run.is_world_process_zero():
        torch.save(weights(run.model), folder / "weights.pt")


def launched(folder, resume, at, options):
    """The elastic agent of torchrun (which accelerate launch runs too), with workers forked from it."""
    config = LaunchConfig(
        min_nodes=1, max_nodes=1, nproc_per_node=2, run_id="faults", rdzv_backend="c10d", rdzv_endpoint="127.0.0.1:0",
        max_restarts=0, monitor_interval=0.1, start_method="fork",
    )  # fmt: skip
    elastic_launch(config, rank_of_two)(folder, resume, options["doomed"])


def alive(folder, rank):
    try:
        os.kill(int((folder / f"pid-{rank}").read_text()), 0)
    except ProcessLookupError:
        return False
    return True


def test_the_dead_rank_is_named_within_a_minute_and_nothing_is_lost(tmp_path):
    folder = tmp_path / "run"
    begun = time.monotonic()
    codes, told = started(folder, launched, resume=False, doomed=True)
    assert time.monotonic() - begun < 60
    assert codes == [1]
    assert "ChildFailedError" in told
    named = told[told.index("ChildFailedError") :]
    assert "(local_rank: 1)" in named
    assert "Signal 9 (SIGKILL)" in named
    assert not alive(folder, 0)
    assert not alive(folder, 1)
    kept = [path for path in checkpoints(folder) if damage(path) is None]
    assert [path.name for path in kept] == ["checkpoint-2", "checkpoint-4"]

    codes, told = started(folder, launched, resume=True, doomed=False)
    assert codes == [0], told[-3000:]
    assert started(tmp_path / "whole", launched, resume=False, doomed=False)[0] == [0]
    ended = [torch.load(place / "weights.pt") for place in (folder, tmp_path / "whole")]
    assert ended[0] == pytest.approx(ended[1], abs=1e-6)
