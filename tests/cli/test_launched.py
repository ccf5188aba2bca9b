"""`accelerate launch -m optical_hf.cli`: what stands in a log, and what becomes of an error."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_pairs

import optical_hf

pytestmark = [pytest.mark.slow, pytest.mark.full]  # two processes a test, which import everything

LAUNCH = ["-m", "accelerate.commands.launch", "--quiet", "--cpu", "--num_processes", "1", "-m", "optical_hf.cli"]


def launched(*words):
    environment = {**os.environ, "PYTHONPATH": str(Path(optical_hf.__file__).parents[1])}
    command = [sys.executable, *LAUNCH, *map(str, words)]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=environment)


def test_a_log_has_no_bars_and_few_lines(tmp_path):
    tiny_pairs.teacher().save_pretrained(str(tmp_path / "teacher"))
    tiny_pairs.backbone().save_pretrained(str(tmp_path / "student"))
    rows = [row for row in tiny_pairs.bitext() if row["language"] == "de"]
    bitext = tmp_path / "deu-eng.tsv"
    bitext.write_text("".join(f"{row['target']}\t{row['source']}\n" for row in rows), encoding="utf-8")
    ended = launched(
        "train", "--teacher", tmp_path / "teacher", "--student", tmp_path / "student", "--bitext", bitext, "--output",
        tmp_path / "out", "--max_steps", 4, "--report_to", "none", "--evaluate", bitext, "--eval_strategy", "steps",
        "--eval_steps", 2,
    )  # fmt: skip
    told = ended.stdout + ended.stderr
    assert ended.returncode == 0, told
    assert "eval_R@1/de" in told
    assert "%|" not in told
    assert len(told.splitlines()) < 20, told


def test_wrong_usage_is_one_line(tmp_path):
    ended = launched("train", "--teecher", "T")
    assert ended.returncode == 1  # what accelerate makes of every failure
    lines = [line for line in ended.stderr.splitlines() if line.startswith("optical-hf")]
    assert lines == [
        "optical-hf: error: unknown option '--teecher'; did you mean 'teacher'; `optical-hf train --help` lists the options"
    ]
    assert "Traceback" not in ended.stderr
