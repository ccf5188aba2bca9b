"""A folder that takes the place of another: killed at every one of its file operations, it is the old one or the new one."""

import os
import subprocess
import sys
from pathlib import Path

import killed_saves
import pytest
from killed_saves import NEW, OLD, OTHERS, held, of, put, student

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("way", ["exchanged", "one by one", "into an empty folder", "where nothing is"])
def test_killed_at_every_change_it_is_the_old_one_or_the_new_one(tmp_path, way):
    command = [sys.executable, killed_saves.__file__, way, str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_an_error_leaves_what_was_there(tmp_path):
    put(tmp_path / "so", OLD | OTHERS)

    def fail(beside):
        put(beside, {"config.json": "new"})
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        student(tmp_path / "so").write(fail)
    assert held(tmp_path / "so") == OLD | OTHERS
    assert [path.name for path in tmp_path.iterdir()] == ["so"]


def test_the_folder_a_process_works_in_stays_that_folder(tmp_path, monkeypatch):
    put(tmp_path / "so", OLD | OTHERS)
    monkeypatch.chdir(tmp_path / "so")
    before = os.stat(".").st_ino
    student(Path()).write(lambda beside: put(beside, NEW))
    assert os.stat(".").st_ino == before == os.stat(tmp_path / "so").st_ino
    assert held(tmp_path / "so") == NEW | OTHERS


def test_a_link_stays_a_link_and_the_rights_of_a_folder_stay(tmp_path):
    put(tmp_path / "real", OLD)
    (tmp_path / "real").chmod(0o750)
    (tmp_path / "so").symlink_to(tmp_path / "real")
    student(tmp_path / "so").write(lambda beside: put(beside, NEW))
    assert (tmp_path / "so").is_symlink()
    assert held(tmp_path / "real") == NEW
    assert (tmp_path / "real").stat().st_mode & 0o777 == 0o750
    student(tmp_path / "fresh").write(lambda beside: put(beside, NEW))
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "fresh").stat().st_mode & 0o777 == 0o777 & ~mask


def test_a_save_that_goes_on_is_left_alone_by_another(tmp_path):
    def fill(beside):
        put(beside, NEW)
        student(tmp_path / "so").write(lambda other: put(other, OLD))
        assert held(beside).items() >= NEW.items()

    student(tmp_path / "so").write(fill)
    assert of(held(tmp_path / "so"), NEW) == NEW
    assert [path.name for path in tmp_path.iterdir()] == ["so"]


def test_what_a_save_of_version_0_1_left_is_cleared_away(tmp_path):
    put(tmp_path / "so", OLD | {".saving-k3_x9ab2/config.json": "half"})
    student(tmp_path / "so").mend()
    assert held(tmp_path / "so") == OLD
    put(tmp_path, {".saving-so-x-0a1b2c3d/config.json": "that of another folder, so-x"})
    student(tmp_path / "so").mend()
    assert (tmp_path / ".saving-so-x-0a1b2c3d").exists()
