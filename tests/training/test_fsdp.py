"""FSDP2 with two processes on the CPU: the loss curve of one process, resume, the best student, files that load anywhere."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny_pairs
from sentence_transformers import SentenceTransformer
from test_trainer import arguments, losses

from optical_hf.training import OTDistillationTrainer

ROOT = Path(__file__).parents[2]
TEXTS = ["Drei Jungen schlafen.", "गाढव"]


def test_two_shards_learn_what_one_process_learns_and_save_it_whole(tmp_path):
    settings = (
        (ROOT / "examples" / "accelerate" / "fsdp2.yaml")
        .read_text()
        .replace("mixed_precision: bf16", 'mixed_precision: "no"')
    )
    (tmp_path / "fsdp2.yaml").write_text(settings)
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(tmp_path / "fsdp2.yaml")]
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'tests'}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1"}
    run = [*command, str(Path(__file__).parent / "fsdp_run.py"), str(tmp_path)]
    done = subprocess.run(run, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]

    student, teacher = tiny_pairs.pair(layers=[1, 2])
    one = OTDistillationTrainer(
        student,
        teacher,
        arguments(
            tmp_path,
            max_steps=4,
            per_device_train_batch_size=16,
            alignment="ridge",
            losses="transport(tolerance=1e-6)=1.0,pooled_cosine=0.5",
        ),
        tiny_pairs.bitext(),
    )
    one.train()
    whole, rest = json.loads((tmp_path / "losses.json").read_text())
    assert whole == pytest.approx(losses(one), rel=1e-4)
    assert rest == pytest.approx(whole, rel=1e-4)

    end = SentenceTransformer(str(tmp_path / "whole" / "checkpoint-4")).encode(TEXTS)
    assert np.abs(end - one.model.encode(TEXTS)).max() < 1e-3
    again = SentenceTransformer(str(tmp_path / "rest" / "checkpoint-4")).encode(TEXTS)
    assert np.abs(again - end).max() < 1e-5
    best = SentenceTransformer(str(tmp_path / "best")).encode(TEXTS)
    assert np.abs(best - SentenceTransformer(str(tmp_path / "whole" / "checkpoint-2")).encode(TEXTS)).max() < 1e-6
    assert np.abs(best - end).max() > 1e-4
