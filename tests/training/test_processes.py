"""Two processes under `accelerate launch` (gloo) retrace the loss curves of one, at equal global batch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scenarios
from sentence_transformers import SentenceTransformer

ROOT = Path(__file__).parents[2]


def test_two_processes_come_out_as_one(tmp_path):
    (tmp_path / "two").mkdir()
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'tests'}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1"}
    config = str(ROOT / "examples" / "accelerate" / "cpu.yaml")
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", config, "--num_processes", "2"]
    done = subprocess.run(
        [*command, scenarios.__file__, str(tmp_path / "two"), "2"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    two = [json.loads((tmp_path / "two" / f"found-{rank}.json").read_text()) for rank in (0, 1)]
    one = scenarios.run_all(tmp_path / "one", 1)
    for name, expected in one.items():
        assert two[0][name] == pytest.approx(expected, rel=1e-4), name
        assert two[1][name] == pytest.approx(two[0][name], rel=1e-6), name
    students = [tmp_path / count / "losses_of_the_whole_batch" / "student" for count in ("one", "two")]
    vectors = [SentenceTransformer(str(student)).encode(["Drei Jungen schlafen.", "गाढव"]) for student in students]
    assert np.abs(vectors[0] - vectors[1]).max() < 1e-3
