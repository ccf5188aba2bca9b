"""Runs from a token cache, over a stream, with an adapter and of two processes, killed and resumed, end where they would have."""

import signal

import fault_runs
import pytest
import torch
from fault_runs import KILLED, TERMINATED, Send, end, started
from peft import LoraConfig

from optical_hf.training.checkpoints.checkpoints import checkpoints, damage


@pytest.mark.slow
def test_from_the_token_cache_with_batches_by_length(tmp_path):
    cached = fault_runs.cache(tmp_path)
    options = {"cached": cached, "tokens_per_batch": 160}
    assert started(tmp_path / "whole", **options)[0] == [0]
    assert started(tmp_path / "run", at=(5, Send(signal.SIGKILL)), **options)[0] == [KILLED]
    assert started(tmp_path / "run", resume=True, **options)[0] == [0]
    assert torch.equal(end(tmp_path / "run"), end(tmp_path / "whole"))


@pytest.mark.slow
def test_a_stream_goes_on_where_it_was(tmp_path):
    options = {"stream": True, "sampling_temperature": None}
    assert started(tmp_path / "whole", **options)[0] == [0]
    assert started(tmp_path / "run", at=(6, Send(signal.SIGKILL)), **options)[0] == [KILLED]
    assert started(tmp_path / "run", resume=True, **options)[0] == [0]
    assert torch.equal(end(tmp_path / "run"), end(tmp_path / "whole"))


@pytest.mark.slow
def test_an_adapter_that_is_killed_before_and_after_its_first_checkpoint(tmp_path):
    options = {"peft_config": LoraConfig(r=2, target_modules=["query"], lora_dropout=0.1)}
    assert started(tmp_path / "whole", **options)[0] == [0]
    for step in (1, 5):
        assert started(tmp_path / "run", resume=True, at=(step, Send(signal.SIGKILL)), **options)[0] == [KILLED]
    assert started(tmp_path / "run", resume=True, **options)[0] == [0]
    assert torch.equal(end(tmp_path / "run"), end(tmp_path / "whole"))


@pytest.mark.slow
def test_two_processes_agree_on_the_step_they_stop_at_and_end_where_they_would_have(tmp_path):
    """SIGTERM reaches one of them only; then both are killed."""
    folder = tmp_path / "run"
    codes, told = started(folder, processes=2, at=(3, Send(signal.SIGTERM, rank=1)))
    assert codes == [TERMINATED, TERMINATED], told[-3000:]
    assert [path.name for path in checkpoints(folder)] == ["checkpoint-2", "checkpoint-3"]
    assert damage(folder / "checkpoint-3") is None
    assert started(folder, processes=2, resume=True, at=(6, Send(signal.SIGKILL)))[0] == [KILLED, KILLED]
    assert started(folder, processes=2, resume=True)[0] == [0, 0]
    assert started(tmp_path / "whole", processes=2)[0] == [0, 0]
    assert (end(folder) - end(tmp_path / "whole")).abs().max() <= 1e-6
