"""Two processes under `accelerate launch` (gloo) retrace the loss curve of one, at equal global batch."""

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
WHOLE_BATCH = (
    "contrastive=0.1,relational=1.0,kl_dot=0.1,kl_maxsim=0.1,margin_mse=1.0,batch_transport=1.0,pooled_mse=1.0"
)
SCRIPT = """
import json, sys
import tiny_pairs
import torch
from optical_hf.training import OTDistillationArguments, OTDistillationTrainer
torch.set_num_threads(1)
out, batch, rows, objectives = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
student, teacher = tiny_pairs.pair()
args = OTDistillationArguments(
    out, max_steps=5, per_device_train_batch_size=batch, learning_rate=1e-3, logging_steps=1, report_to="none",
    save_strategy="no", disable_tqdm=True, alignment="ridge", objectives=objectives, transport_tolerance=1e-6,
)
evaluators = lambda model: {"R@1/so": 0.5}
trainer = OTDistillationTrainer(student, teacher, args, tiny_pairs.bitext().select(range(rows)), evaluators=evaluators)
trainer.train()
assert args.world_size == int(sys.argv[5])
assert trainer.evaluate()["eval_R@1/so"] == 0.5
trainer.save_model(out)
if trainer.is_world_process_zero():
    json.dump([e["loss"] for e in trainer.state.log_history if "loss" in e], open(out + "/losses.json", "w"))
trainer.accelerator.end_training()
"""


def run(folder: Path, processes: int, batch: int, rows: int, objectives: str) -> list[float]:
    folder.mkdir()
    script = folder / "script.py"
    script.write_text(SCRIPT)
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'tests'}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1"}
    config = str(ROOT / "examples" / "accelerate" / "cpu.yaml")
    launch = [
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        "--config_file",
        config,
        "--num_processes",
        str(processes),
    ]
    command = [
        *(launch if processes > 1 else [sys.executable]),
        str(script),
        str(folder / "out"),
        str(batch),
        str(rows),
        objectives,
        str(processes),
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((folder / "out" / "losses.json").read_text())


@pytest.mark.parametrize(
    ("rows", "objectives"),
    [(88, "transport=1.0,pooled_cosine=0.5"), (96, WHOLE_BATCH)],
)
def test_two_processes_retrace_one(tmp_path, rows, objectives):
    one = run(tmp_path / "one", 1, 16, rows, objectives)
    two = run(tmp_path / "two", 2, 8, rows, objectives)
    assert two == pytest.approx(one, rel=1e-4)
    texts = ["Drei Jungen schlafen.", "गाढव"]
    vectors = [SentenceTransformer(str(tmp_path / name / "out")).encode(texts) for name in ("one", "two")]
    assert np.abs(vectors[0] - vectors[1]).max() < 1e-3


def test_two_processes_come_out_as_one(tmp_path):
    (tmp_path / "two").mkdir()
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'tests'}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1"}
    config = str(ROOT / "examples" / "accelerate" / "cpu.yaml")
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", config, scenarios.__file__]
    done = subprocess.run(
        [*command, str(tmp_path / "two"), "2"],
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
