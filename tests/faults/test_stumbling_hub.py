"""A hub that answers 500 while a run trains: the run goes on, what was to be pushed is pushed, and a failure is told."""

import logging
import threading

import pytest
import tiny_pairs
from hub_server import LocalHub
from huggingface_hub import constants
from test_trainer import arguments

from optical_hf.training import OTDistillationTrainer

TOKEN = "hf_" + "RecognisableTokenThatNobodyMaySee"


@pytest.fixture
def hub(monkeypatch):
    """A hub that the client of this process speaks to, without waiting between its tries."""
    with LocalHub(TOKEN) as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.endpoint)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(
            "transformers.utils.hub._hf_api", None, raising=False
        )  # it remembers the hub it was made for
        monkeypatch.setattr("time.sleep", lambda seconds: None)
        yield server


def trainer(folder):
    student, teacher = tiny_pairs.pair()
    args = arguments(
        folder, max_steps=2, save_strategy="steps", save_steps=1, push_to_hub=True, hub_model_id="tester/run", hub_token=TOKEN,
    )  # fmt: skip
    return OTDistillationTrainer(student, teacher, args, tiny_pairs.bitext())


@pytest.mark.slow
def test_a_run_trains_through_answers_of_500(hub, tmp_path):
    run = trainer(tmp_path)
    for route in ("preupload", "batch", "upload", "commit"):
        hub.fail(route, 1)
    run.train()
    run.push_to_hub()
    assert run.state.global_step == 2
    assert hub.files("tester/run", "main")["model.safetensors"] == (tmp_path / "model.safetensors").read_bytes()


@pytest.mark.slow
def test_a_push_that_failed_for_good_is_told_and_the_next_one_brings_it(hub, tmp_path, caplog):
    run = trainer(tmp_path)
    hub.fail("commit", 1000)
    with caplog.at_level(logging.WARNING):
        run.train()
    assert run.state.global_step == 2
    told: list[str] = []
    for _ in range(100):  # the last one is told by the thread that pushes, just after the run has seen it end
        told = [record.getMessage() for record in caplog.records if "a push to the hub failed" in record.getMessage()]
        if len(told) == 2:
            break
        threading.Event().wait(0.05)
    assert len(told) == 2
    assert "500" in told[0]
    assert "the next push brings it" in told[0]
    assert not any(TOKEN in text for text in told)
    assert {path.name for path in tmp_path.glob("checkpoint-*")} == {"checkpoint-1", "checkpoint-2"}
    hub._faults.clear()
    run.push_to_hub()
    assert hub.files("tester/run", "main")["model.safetensors"] == (tmp_path / "model.safetensors").read_bytes()
