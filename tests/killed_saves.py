"""Saves of a folder that are killed at every one of their file operations, run by test_folders.py in a small process.

`python killed_saves.py WAY FOLDER`. To fork a process that has imported torch takes ten times as long.
"""

import os
import sys
from pathlib import Path

from optical_hf import folders
from optical_hf.folders import WholeFolder

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


def over_another(beside, swaps):
    """Killed at every change it is the old one or the new one."""
    if not swaps:
        folders.exchange = lambda one, other: False
    seen = set()
    for place in range(1, 200):
        folder = beside / str(place) / "so"
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


def first_save(beside, there):
    """It is there whole or not at all."""
    for place in range(1, 100):
        folder = beside / str(place) / "so"
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


if __name__ == "__main__":
    os.fsync = lambda file: None  # no test can see it, and it takes longest
    {
        "exchanged": lambda beside: over_another(beside, swaps=True),
        "one by one": lambda beside: over_another(beside, swaps=False),
        "into an empty folder": lambda beside: first_save(beside, there=True),
        "where nothing is": lambda beside: first_save(beside, there=False),
    }[sys.argv[1]](Path(sys.argv[2]))
