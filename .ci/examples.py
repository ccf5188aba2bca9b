"""Run every example once: python .ci/examples.py FOLDER. An example without a line here fails the run."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
CPU = "examples/accelerate/cpu.yaml"
RUNS = {
    "train_bitext.py": [
        ["python", "examples/train_bitext.py", "--max_steps", "4", "--output_dir", "{out}/one"],
        [
            "accelerate",
            "launch",
            "--config_file",
            CPU,
            "examples/train_bitext.py",
            "--max_steps",
            "4",
            "--output_dir",
            "{out}/two",
        ],
    ],
}

missing = {path.name for path in (ROOT / "examples").glob("*.py")} ^ set(RUNS)
if missing:
    raise SystemExit(f"examples without a run, or runs without an example: {sorted(missing)}")
for commands in RUNS.values():
    for words in commands:
        print("$", *words, flush=True)
        subprocess.run([w.format(out=sys.argv[1]) for w in words], check=True, cwd=ROOT)
