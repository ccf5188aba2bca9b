"""A disk that is full and a path that is read-only: nothing that was written before is lost, and the user is told what to do."""

import errno
import os
import resource
import subprocess

import fault_runs
import pytest
import torch
from fault_runs import At, started

from optical_hf.training.checkpoints.checkpoints import checkpoints, damage, write_error


class Disk:
    """A small file system of its own."""

    def __init__(self, place):
        self.place = place
        place.mkdir()

    def mount(self, options):
        return subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", self.place], check=False, capture_output=True
        )


@pytest.fixture
def disk(tmp_path):
    """A mounted Disk of 1 MB."""
    made = Disk(tmp_path / "disk")
    done = made.mount("size=1m")
    if done.returncode:
        pytest.skip(f"cannot mount a file system here: {done.stderr.decode().strip()}")
    yield made
    subprocess.run(["umount", "-l", made.place], check=True)


@pytest.mark.slow
def test_a_full_disk_loses_nothing_and_the_run_goes_on_when_there_is_room(disk, tmp_path):
    folder = disk.place / "run"
    run = fault_runs.trainer(folder)
    with pytest.raises(
        OSError, match=r"No space left on device: a checkpoint could not be written.*checkpoint-\d is whole.*Make room"
    ) as error:
        run.train()
    assert error.value.errno == errno.ENOSPC
    kept = [path for path in checkpoints(folder) if damage(path) is None]
    assert kept
    assert kept[-1].name in str(error.value)
    assert int(kept[-1].name.split("-")[1]) == run.state.global_step - 2
    assert disk.mount("remount,size=20m").returncode == 0
    again = fault_runs.trainer(folder)
    again.train(resume_from_checkpoint=True)
    whole = fault_runs.trainer(tmp_path / "whole", save_strategy="no")
    whole.train()
    assert torch.equal(fault_runs.weights(again.model), fault_runs.weights(whole.model))


def test_a_student_that_does_not_fit_leaves_the_one_that_was_there(disk):
    run = fault_runs.trainer(disk.place / "run")
    run.save_model(disk.place / "student")
    before = {path: path.read_bytes() for path in (disk.place / "student").rglob("*") if path.is_file()}
    (disk.place / "filler").write_bytes(
        bytes(os.statvfs(disk.place).f_bavail * os.statvfs(disk.place).f_frsize - 50_000)
    )
    with torch.no_grad():
        next(run.model.parameters()).add_(1)
    with pytest.raises(OSError, match=r"No space left on device: .*what was there is as it was"):
        run.save_model(disk.place / "student")
    assert {path: path.read_bytes() for path in (disk.place / "student").rglob("*") if path.is_file()} == before


def limit():
    """No file of more than 120 kB from here on: what a quota looks like, without the right to mount."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (120_000, resource.RLIM_INFINITY))


@pytest.mark.slow
def test_a_file_that_grows_over_the_limit_is_told_of_in_one_line(tmp_path):
    codes, told = started(tmp_path / "run", at=(3, limit))
    assert codes == [1]
    last = told.strip().splitlines()[-1]
    assert "a checkpoint could not be written" in last
    assert "checkpoint-2 is whole" in last
    assert [path.name for path in checkpoints(tmp_path / "run") if damage(path) is None] == ["checkpoint-2"]


def test_a_read_only_path_is_refused_before_the_training(disk):
    folder = disk.place / "run"
    folder.mkdir()
    run = fault_runs.trainer(folder)
    assert disk.mount("remount,ro").returncode == 0
    with pytest.raises(OSError, match=r"Read-only file system: .* cannot be written; nothing was done yet") as error:
        run.train()
    assert error.value.errno == errno.EROFS
    assert run.state.global_step == 0


@pytest.mark.slow
def test_a_path_that_becomes_read_only_loses_nothing(disk):
    folder = disk.place / "run"
    run = fault_runs.trainer(folder, callbacks=[At(3, lambda: disk.mount("remount,ro"))])
    with pytest.raises(
        OSError, match=r"Read-only file system: a checkpoint could not be written.*checkpoint-2 is whole"
    ):
        run.train()
    assert damage(folder / "checkpoint-2") is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere; the tests above mount a read-only disk")
def test_a_folder_without_permission_is_refused_before_the_training(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    run = fault_runs.trainer(folder)
    folder.chmod(0o500)
    with pytest.raises(OSError, match="Permission denied"):
        run.train()


def test_errors_that_are_not_of_the_disk_are_left_as_they_are(tmp_path):
    run = fault_runs.trainer(tmp_path)
    for error in (
        RuntimeError("CUDA out of memory"),
        OSError("no such host"),
        ValueError("x"),
        FileNotFoundError(2, "gone"),
    ):
        assert write_error(error, run.args) is None
