"""The processes of a study: launched, killed, stopped, and never two studies in one folder."""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sentence_transformers import SentenceTransformer

from optical_hf.models import averaged_layers, backbone
from optical_hf.study import StudyConfig, folders_of, launch_runs, runs_of
from optical_hf.study.run import launching, parent_process, running

pytestmark = pytest.mark.slow

FORK = multiprocessing.get_context("fork")  # importing torch anew takes longer than what the processes do
Written = Callable[[dict], StudyConfig]


@pytest.mark.full
def test_a_run_through_accelerate_launch(study_values: dict, loaded: Written) -> None:
    study_values["grid"] = {"systems": ["ridge"], "students": ["short"]}
    study_values["keep_students"] = True
    study_values["students"]["short"] |= {"layers": 2, "mixed_layers": [1, 2]}
    config = loaded(study_values)
    (entry,) = folders_of(config, runs_of(config))
    list(launch_runs(config, [entry]))
    assert entry.status == "done", (entry.folder / running.LOG).read_text(encoding="utf-8")
    student = SentenceTransformer(str(entry.folder / "student"))
    assert backbone(student).model.config.num_hidden_layers == 2
    assert averaged_layers(student) == {1: 0.5, 2: 0.5}


def test_a_run_that_dies_is_told_and_the_others_of_its_process_are_done(
    study_values: dict, loaded: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    study_values["together"] = 4
    config = loaded(study_values)
    entries = folders_of(config, runs_of(config))
    results = [repr(str(entry.folder / running.RESULT)) for entry in entries]
    codes = iter(
        [
            f"import os; open({results[0]}, 'w').write('{{}}'); os.abort()",
            f"open({results[2]}, 'w').write('{{}}'); open({results[3]}, 'w').write('{{}}')",
        ]
    )
    monkeypatch.setattr(launching, "command", lambda *_: [sys.executable, "-c", next(codes)])
    list(launch_runs(config, entries))
    assert [entry.status for entry in entries] == ["done", "failed", "done", "done"]
    assert "status -6" in entries[1].error


def test_a_stopped_study_takes_its_run_with_it(
    study_values: dict, loaded: Written, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = loaded(study_values)
    told = tmp_path / "pid"
    sleeper = f"import os, time; open({str(told)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    monkeypatch.setattr(launching, "command", lambda *_: [sys.executable, "-c", sleeper])
    under_way = launch_runs(config, folders_of(config, runs_of(config)))
    next(under_way)
    while not (told.exists() and told.read_text()):
        time.sleep(0.01)
    under_way.close()  # what an exception in the caller does: Ctrl-C, SIGTERM
    with pytest.raises(ProcessLookupError):
        os.kill(int(told.read_text()), signal.SIGTERM)


def sleep_in_a_run(config: StudyConfig, child: Path) -> None:
    launching.command = lambda *_: [sys.executable, str(child)]
    under_way = launch_runs(config, folders_of(config, runs_of(config)))
    next(under_way)
    time.sleep(60)


def test_children_end_with_a_study_that_is_killed(study_values: dict, tmp_path: Path, loaded: Written) -> None:
    """SIGKILL leaves the study no time to end anybody: whoever it started, and whoever they started, ends all the same."""
    told, child = tmp_path / "pids", tmp_path / "child.py"
    child.write_text(
        f"""
import subprocess, sys, time, os
with open({str(told)!r}, "a") as file:
    file.write(f"{{os.getpid()}}\\n")
if len(sys.argv) == 1:  # as accelerate does: it starts who works, and knows nothing of the study
    subprocess.run([sys.executable, __file__, "works"])
exec(open({parent_process.__file__!r}).read())
end_with_parent()
time.sleep(60)
""",
        encoding="utf-8",
    )
    study = FORK.Process(target=sleep_in_a_run, args=(loaded(study_values), child))
    study.start()
    while not told.exists() or told.read_text().count("\n") < 2:
        assert study.is_alive()
        time.sleep(0.02)
    study.kill()
    study.join()
    for pid in map(int, told.read_text().split()):
        while alive(pid):  # the clock of the test session ends a wait without end
            time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/status")
    return not (status.exists() and "State:\tZ" in status.read_text())


def test_runs_are_told_to_end_with_the_study(study_values: dict, loaded: Written) -> None:
    config = loaded(study_values)
    assert launching.command(config, folders_of(config, runs_of(config)))[-1] == "--end-with-parent"


def test_two_processes_do_not_do_one_study(study_values: dict, loaded: Written, in_process: list[str]) -> None:
    config = loaded(study_values)
    entries = folders_of(config, runs_of(config))
    first = launch_runs(config, entries)
    next(first)
    with pytest.raises(ValueError, match="another process is at work"):
        next(launch_runs(config, entries))
    first.close()
