"""A run that is killed and resumed ends with the weights of a run that was not; SIGTERM leaves a checkpoint."""

import signal

import fault_runs
import pytest
import torch
from fault_runs import KILLED, STEPS, TERMINATED, At, Send, end, started

from optical_hf.training.checkpoints.checkpoints import damage

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The weights of a run that nothing happened to."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert started(folder, save_strategy="no")[0] == [0]
    return end(folder)


def test_killed_again_and_again(tmp_path, whole):
    """Before the first checkpoint, after it, and in the last step; checkpoints are written every second step."""
    folder = tmp_path / "run"
    for step in (1, 3, 4, STEPS):
        codes, told = started(folder, resume=True, at=(step, Send(signal.SIGKILL)))
        assert codes == [KILLED]
        assert ("starts from the beginning" in told) == (step <= 3)
    assert started(folder, resume=True)[0] == [0]
    assert torch.equal(end(folder), whole)


def test_killed_while_each_part_of_a_checkpoint_is_written(tmp_path, whole):
    """A checkpoint that is cut off is named and skipped for the one before it, and written again when the run comes there."""
    folder = tmp_path / "run"
    for part, resume in (("model.safetensors", False), ("optimizer.pt", True), ("trainer_state.json", True)):
        codes, told = started(
            folder, fault_runs.train_killed_writing, resume=resume, at=None, part=part, checkpoint="checkpoint-4"
        )
        assert codes == [KILLED], told[-3000:]
        assert ("checkpoint-4 is not whole" in told) == resume
        assert damage(folder / "checkpoint-4")
    codes, told = started(folder, resume=True)
    assert codes == [0]
    assert "checkpoint-4 is not whole (trainer_state.json is cut off" in told
    assert "skipped for the one before it" in told
    assert torch.equal(end(folder), whole)
    assert damage(folder / "checkpoint-4") is None
    assert not list(folder.rglob(".saving-*"))


def test_the_same_trainer_goes_on_after_an_interruption(tmp_path, whole):
    def interrupt():
        raise KeyboardInterrupt

    at = At(5, interrupt)
    run = fault_runs.trainer(tmp_path, callbacks=[at])
    with pytest.raises(KeyboardInterrupt):
        run.train()
    run.remove_callback(at)
    run.train(resume_from_checkpoint=True)
    assert torch.equal(fault_runs.weights(run.model), whole)


def test_sigterm_leaves_a_checkpoint_of_the_step_it_came_in(tmp_path, whole):
    folder = tmp_path / "run"
    codes, told = started(folder, at=(3, Send(signal.SIGTERM)))
    assert codes == [TERMINATED]
    assert "checkpoint-3 holds the run at step 3; go on with resume_from_checkpoint=True" in told
    assert damage(folder / "checkpoint-3") is None
    assert started(folder, resume=True)[0] == [0]
    assert torch.equal(end(folder), whole)
