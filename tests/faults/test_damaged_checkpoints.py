"""A checkpoint with a file that is cut off or missing is recognised, named, and skipped for the one before it."""

import json
import logging
import shutil

import fault_runs
import pytest
import torch
from safetensors.torch import load_file, save_file

from optical_hf.training import OTDistillationArguments, load_weights
from optical_hf.training.checkpoints.checkpoints import begin_writing, checkpoints, damage, resume_point

FILES = (
    "model.safetensors", "2_Dense/model.safetensors", "modules.json", "config.json", "tokenizer.json", "optimizer.pt",
    "scheduler.pt", "rng_state.pth",
    "trainer_state.json",
)  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "run"
    fault_runs.trainer(folder, max_steps=4).train()
    return folder


@pytest.fixture
def run(made, tmp_path):
    """A run with the checkpoints 2 and 4, and its arguments."""
    shutil.copytree(made, tmp_path / "run")
    return tmp_path / "run", OTDistillationArguments(str(tmp_path / "run"), report_to="none")


def cut(path):
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def test_checkpoints_are_whole_and_the_newest_is_taken(run):
    folder, args = run
    assert [path.name for path in checkpoints(folder)] == ["checkpoint-2", "checkpoint-4"]
    assert [damage(path) for path in checkpoints(folder)] == [None, None]
    assert resume_point(True, args) == str(folder / "checkpoint-4")
    assert resume_point(str(folder / "checkpoint-2"), args) == str(folder / "checkpoint-2")
    assert resume_point(None, args) is resume_point(False, args) is None


@pytest.mark.parametrize("how", [cut, lambda path: path.unlink()], ids=["cut", "missing"])
@pytest.mark.parametrize("file", FILES)
def test_a_damaged_checkpoint_is_named_and_skipped(run, caplog, file, how):
    folder, args = run
    how(folder / "checkpoint-4" / file)
    assert file in damage(folder / "checkpoint-4")
    with caplog.at_level(logging.WARNING):
        assert resume_point(True, args) == str(folder / "checkpoint-2")
    assert "checkpoint-4 is not whole" in caplog.text
    assert file in caplog.text
    with pytest.raises(
        ValueError, match=rf"cannot go on from .*checkpoint-4.*{file}.*go on from .*checkpoint-2"
    ) as error:
        resume_point(str(folder / "checkpoint-4"), args)
    assert "\n" not in str(error.value)


def turn_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def lose_half(path):
    """As a disk does that lost power: the name and the size are there."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] + bytes(len(content) - len(content) // 2))


@pytest.mark.parametrize("how", [turn_a_bit, lose_half])
@pytest.mark.parametrize("file", ["optimizer.pt", "model.safetensors", "2_Dense/model.safetensors"])
def test_content_that_is_not_what_was_written_is_found_and_the_checkpoint_before_is_taken(run, file, how):
    folder, args = run
    how(folder / "checkpoint-4" / file)
    assert file in damage(folder / "checkpoint-4")
    assert resume_point(True, args) == str(folder / "checkpoint-2")


def test_a_checkpoint_without_checksums_is_gone_on_from(run):
    """Those of version 0.1."""
    folder, args = run
    (folder / "checkpoint-4" / "checksums.json").unlink()
    assert resume_point(True, args) == str(folder / "checkpoint-4")
    (folder / "checkpoint-4" / "optimizer.pt").unlink()
    assert "fresh optimizer" in damage(folder / "checkpoint-4")


def test_a_best_student_that_is_damaged_is_not_loaded(run, caplog):
    folder, _ = run
    turn_a_bit(folder / "checkpoint-2" / "model.safetensors")
    made = fault_runs.trainer(folder, max_steps=4)
    before = fault_runs.weights(made.model)
    made.state.best_model_checkpoint = str(folder / "checkpoint-2")
    made._load_best_model()
    assert torch.equal(fault_runs.weights(made.model), before)
    assert "checkpoint-2, is not whole (model.safetensors does not hold what was written" in caplog.text


def test_without_a_whole_checkpoint_the_run_starts_from_the_beginning_and_says_so(run, caplog):
    folder, args = run
    for path in checkpoints(folder):
        cut(path / "optimizer.pt")
    with caplog.at_level(logging.WARNING):
        assert resume_point(True, args) is None
    assert "starts from the beginning" in caplog.text
    with pytest.raises(ValueError, match="start the run from the beginning"):
        resume_point(str(folder / "checkpoint-2"), args)


def test_a_folder_that_is_not_there_is_an_error_that_names_one_that_is(run):
    folder, args = run
    with pytest.raises(ValueError, match=r"checkpoint-3.*no such folder.*checkpoint-2"):
        resume_point(str(folder / "checkpoint-3"), args)


def test_the_state_of_every_process_belongs_to_a_checkpoint(run, caplog):
    folder, args = run
    newest = folder / "checkpoint-4"
    (newest / "checksums.json").unlink()
    told = json.loads((newest / "training_args.json").read_text())
    (newest / "training_args.json").write_text(json.dumps(told | {"world_size": 2}))
    (newest / "rng_state.pth").rename(newest / "rng_state_0.pth")
    assert "rng_state_1.pth" in damage(newest)
    shutil.copy(newest / "rng_state_0.pth", newest / "rng_state_1.pth")
    assert damage(newest) is None
    with caplog.at_level(logging.WARNING):
        resume_point(True, args)
    assert "saved by 2 processes and 1 go on" in caplog.text


def test_a_checkpoint_without_optimizer_is_whole_only_where_that_was_asked_for(run):
    folder, _ = run
    newest = folder / "checkpoint-4"
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
        (newest / name).unlink()
    assert "it has no optimizer.pt" in damage(newest)
    assert damage(newest, weights_only=True) is None


def test_a_checkpoint_that_is_written_again_counts_as_cut_off_until_it_is_done(run):
    folder, _ = run
    (folder / "checkpoint-4" / ".saving-left").mkdir()
    begin_writing(folder / "checkpoint-4")
    assert "trainer_state.json" in damage(folder / "checkpoint-4")
    left = {path.name for path in (folder / "checkpoint-4").iterdir()}
    assert not left & {".saving-left", "model.safetensors", "config.json", "checksums.json"}
    assert "rng_state.pth" in left  # another process may have been quicker


def test_weights_of_a_module_that_are_missing_are_not_passed_over(run):
    folder, _ = run
    student = fault_runs.trainer(folder).model
    (folder / "checkpoint-4" / "2_Dense" / "model.safetensors").unlink()
    with pytest.raises(ValueError, match="2_Dense"):
        load_weights(student, folder / "checkpoint-4")


def test_weights_of_another_shape_are_refused(run):
    folder, _ = run
    student = fault_runs.trainer(folder).model
    file = folder / "checkpoint-4" / "2_Dense" / "model.safetensors"
    save_file({name: value[:1] for name, value in load_file(file).items()}, file)
    with pytest.raises(ValueError, match="cannot read the weights"):
        load_weights(student, folder / "checkpoint-4")
