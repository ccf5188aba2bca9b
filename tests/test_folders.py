"""A folder that takes the place of another: killed at every one of its file operations, it is the old one or the new one."""

import os
import sys
from pathlib import Path

import pytest

from optical_hf import folders
from optical_hf.folders import WholeFolder

pytestmark = pytest.mark.slow

CHANGES = ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree", "ctypes.dlsym", "os.chmod")
OLD = {"config.json": "old", "weights": "old", "adapter_config.json": "old", "1_Dense/weights": "old"}
NEW = {"config.json": "new", "weights": "new", "1_Dense/weights": "new", "2_Dense/weights": "new"}
OTHERS = {"checkpoint-4/weights": "kept", "notes.txt": "kept", "1_Dense/notes.txt": "kept", "runs/events": "kept"}


def student(path):
    return WholeFolder(path, lambda name: name in (*OLD, *NEW), ("config.json", "adapter_config.json"))


def put(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def held(folder):
    return {p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*") if p.is_file()}


def of(files, names):
    return {name: text for name, text in files.items() if name in names}


def in_a_child(action, kill_at=None):
    """Do something in a process of its own, which is killed at its `kill_at`th change to files; how it ended."""
    child = os.fork()
    if child == 0:
        left = [kill_at]

        def count(event, arguments):
            if (
                left[0] is not None
                and event in CHANGES
                and (event != "open" or "w" in str(arguments[1]) or arguments[2] & 3)
            ):
                left[0] -= 1
                if left[0] == 0:
                    os._exit(9)

        sys.addaudithook(count)
        try:
            action()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("swaps", [True, False], ids=["exchanged", "one by one"])
def test_killed_at_every_change_it_is_the_old_one_or_the_new_one(tmp_path, monkeypatch, swaps):
    if not swaps:
        monkeypatch.setattr(folders, "exchange", lambda one, other: False)
    seen = set()
    for place in range(1, 200):
        folder = tmp_path / str(place) / "so"
        put(folder, OLD | OTHERS)
        ended = in_a_child(lambda folder=folder: student(folder).write(lambda beside: put(beside, NEW)), kill_at=place)
        read = held(folder)
        whole = of(read, OLD) == OLD or (of(read, NEW) == NEW and "adapter_config.json" not in read)
        # One by one, nothing that opens it is there while it is neither.
        assert whole or (not swaps and "config.json" not in read), (place, read)
        if place % 3 == 0:
            in_a_child(student(folder).mend, kill_at=1 + place % 7)  # and what is mended is killed too
        student(folder).mend()
        read = held(folder)
        new = of(read, NEW) == NEW
        assert new or of(read, OLD) == OLD
        assert read == (NEW | OTHERS if new else OLD | OTHERS)
        assert [path.name for path in folder.parent.iterdir()] == ["so"]
        seen.add((new, ended))
        if ended == 0:
            break
    assert seen == {(False, 9), (True, 9), (True, 0)}


@pytest.mark.parametrize("there", [True, False], ids=["empty folder", "nothing there"])
def test_a_first_save_is_there_whole_or_not_at_all(tmp_path, there):
    for place in range(1, 100):
        folder = tmp_path / str(place) / "so"
        if there:
            folder.mkdir(parents=True)
        ended = in_a_child(lambda folder=folder: student(folder).write(lambda beside: put(beside, NEW)), kill_at=place)
        assert not folder.exists() or of(held(folder), NEW) in ({}, NEW)
        student(folder).write(lambda beside: put(beside, NEW))
        assert held(folder) == NEW
        assert [path.name for path in folder.parent.iterdir()] == ["so"]
        if ended == 0:
            return
    raise AssertionError("it never came to its end")


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
