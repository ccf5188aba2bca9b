"""Ctrl-C, really sent, at the moment at which it would do most harm: one line, status 130, nothing half-written."""

import gzip
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiny_pairs
import yaml
from sentence_transformers import SentenceTransformer

from optical_hf import files
from optical_hf.cli import command_line, demo, main
from optical_hf.data import load_bitext  # noqa: F401 (what a verb imports is imported before the fork)
from optical_hf.study.run import launching
from optical_hf.training import OTDistillationTrainer

pytestmark = pytest.mark.slow

INTERRUPTED = "optical-hf: interrupted"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("interrupt")
    tiny_pairs.teacher().save_pretrained(str(root / "teacher"))
    tiny_pairs.backbone().save_pretrained(str(root / "student"))
    with gzip.open(root / "deu-eng.tsv.gz", "wt", encoding="utf-8") as file:
        rows = [row for row in tiny_pairs.bitext() if row["language"] == "de"]
        file.writelines(f"{row['target']}\t{row['source']}\n" for row in rows)
    return root


def interrupted_by(monkeypatch, owner, name, after=True, calls=1):
    """Let the `calls`-th call of a function send Ctrl-C to the process it is in, when its work is done or before it."""
    original, left = getattr(owner, name), [calls]

    def sending(*arguments, **options):
        left[0] -= 1
        if left[0] == 0 and not after:
            os.kill(os.getpid(), signal.SIGINT)
        result = original(*arguments, **options)
        if left[0] == 0 and after:
            os.kill(os.getpid(), signal.SIGINT)
        return result

    monkeypatch.setattr(owner, name, sending)


def status_and_words(words, log):
    """Run the command in a fork of this process, which has loaded all libraries; its status, and what it said."""
    child = os.fork()
    if child == 0:
        status = 99
        try:
            with log.open("w") as told:
                for stream in (1, 2):
                    os.dup2(told.fileno(), stream)
            sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            sys.argv = ["optical-hf", *map(str, words)]
            main()
        except SystemExit as ended:
            status = ended.code
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    _, ended = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(ended), log.read_text()


def check_interrupted(words, tmp_path):
    status, told = status_and_words(words, tmp_path / "told")
    assert status == 130, told
    assert told.splitlines()[-1] == INTERRUPTED
    assert "Traceback" not in told
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith(".partial") or ".saving-" in path.name]


def of_two(folder):
    return ["--teacher", folder / "teacher", "--student", folder / "student"]


def test_align_while_the_student_is_saved(folder, tmp_path, monkeypatch):
    interrupted_by(monkeypatch, SentenceTransformer, "save_pretrained")
    check_interrupted(
        ["align", *of_two(folder), "--bitext", folder / "deu-eng.tsv.gz", "--output", tmp_path / "out"], tmp_path
    )
    assert not list(tmp_path.glob("out/*"))


def test_train_in_a_step(folder, tmp_path, monkeypatch):
    interrupted_by(monkeypatch, OTDistillationTrainer, "training_step", calls=3)
    words = ["train", *of_two(folder), "--bitext", folder / "deu-eng.tsv.gz", "--output", tmp_path / "out"]
    words += ["--max_steps", 5, "--save_steps", 1, "--report_to", "none", "--use_cpu", "true"]
    check_interrupted(words, tmp_path)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["checkpoint-1", "checkpoint-2"]


def test_evaluate_while_a_report_is_written_over_another(folder, tmp_path, monkeypatch):
    interrupted_by(monkeypatch, files.os, "fsync")
    (tmp_path / "r.json").write_text("before")
    words = ["evaluate", *of_two(folder), "--student", folder / "teacher", "--queries", folder / "deu-eng.tsv.gz"]
    check_interrupted([*words, "--json", tmp_path / "r.json"], tmp_path)
    assert (tmp_path / "r.json").read_text() == "before"


def test_study_ends_the_run_that_is_under_way(folder, tmp_path, monkeypatch):
    started = []

    def start(config, entries):
        started.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True))
        (tmp_path / "pid").write_text(str(started[0].pid))
        return started[0]

    monkeypatch.setattr(launching, "_start", start)
    interrupted_by(monkeypatch, time, "sleep", after=False)
    study = {
        "name": "tiny",
        "output": str(tmp_path / "out"),
        "teachers": {"T": {"path": str(folder / "teacher")}},
        "students": {"S": {"path": str(folder / "student")}},
        "systems": {"ridge": {"alignment": "ridge"}},
        "bitext": {"de": str(folder / "deu-eng.tsv.gz")},
        "sizes": [12],
        "collections": {"lines": {"kind": "bitext", "queries": {"de": str(folder / "deu-eng.tsv.gz")}}},
    }
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    check_interrupted(["study", tmp_path / "study.yaml"], tmp_path)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    assert not list(tmp_path.rglob("result.json"))
    assert not list(tmp_path.rglob("error.txt"))


def test_demo_while_the_teacher_is_trained(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "HIGH_PAIRS", 20)
    interrupted_by(monkeypatch, demo.SentenceTransformerTrainer, "training_step", calls=2)
    check_interrupted(["demo", "--output", tmp_path / "out"], tmp_path)
    assert not [path for path in tmp_path.rglob("out/*") if path.name != "runs"]


def test_a_command_that_is_still_loading(tmp_path):
    listening = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    code = listening + "print('started', flush=True); from optical_hf.cli import main; main()"
    root = str(Path(files.__file__).parents[1])
    with subprocess.Popen(
        [sys.executable, "-c", code, "demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": root},
    ) as process:
        process.stdout.readline()
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert process.returncode == 130
    assert err.splitlines() == [INTERRUPTED]


def test_a_command_that_ignores_it_ignores_it_while_loading_too():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as of a command in the background
    try:
        with command_line._left_at_once():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
