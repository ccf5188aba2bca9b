"""Run every example once, small: python .ci/examples.py FOLDER. An example without a line here fails the run.

Examples on real data and encoders run where ../shared and the encoders are present; where they are not, that is said.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("OPTICAL_HF_SHARED", ROOT.parent / "shared")) / "data"
MODELS = Path(os.environ.get("OPTICAL_HF_MODELS", Path.home() / ".cache" / "optical-hf-models"))
REAL = {"data": str(DATA), "minilm": str(MODELS / "all-MiniLM-L6-v2"), "e5": str(MODELS / "multilingual-e5-small")}
CPU = "examples/accelerate/cpu.yaml"
TINY = [
    "--teacher", "{out}/tiny_teacher", "--student", "{out}/tiny_student", "--bitext", "{out}/de-en.tsv", "{out}/so-en.tsv",
    "--max_seq_length", "64",
]  # fmt: skip
RUNS = {
    "train_bitext.py": [
        ["python", "examples/train_bitext.py", "examples/recipes/default.yaml", *TINY, "--max_steps", "4",
         "--output_dir", "{out}/one"],
        ["accelerate", "launch", "--config_file", CPU, "examples/train_bitext.py", "examples/recipes/optical.yaml", *TINY,
         "--max_steps=4", "--output_dir={out}/two"],
    ],
    "clip_student.py": [
        ["python", "examples/clip_student.py", "--data", "{data}/emoji_image_text", "--text", "{minilm}", "--student", "{e5}",
         "--high", "de", "--low", "sw", "--pairs", "200", "--teacher_steps", "5", "--mse_steps", "1"],
    ],
    "extend_vocabulary.py": [
        ["python", "examples/extend_vocabulary.py", "--teacher", "{minilm}", "--bitext", "{data}/tatoeba_train/urd-eng.tsv.gz",
         "--language", "ur", "--output_dir", "{out}/urdu", "--size", "500", "--trim"],
    ],
    "train_english_teacher.py": [
        ["python", "examples/train_english_teacher.py", "--model", "{minilm}", "--output_dir", "{out}/late",
         "--captions", "{data}/flickr30k_captions_train/train.1.en.gz", "{data}/flickr30k_captions_train/train.2.en.gz",
         "--questions", "{data}/afriqa/yor-en.train.jsonl.gz",
         "--test", "{data}/multi30k_task2/val.2.en.gz", "{data}/multi30k_task2/val.1.en.gz",
         "--steps", "1", "--batch", "4", "--max_seq_length", "32"],
    ],
}  # fmt: skip


def write_tiny(folder: Path) -> None:
    """Encoders with random weights and a little bitext, in place of hub ids and a user's files."""
    from optical_hf.models.tiny import tiny_encoder  # noqa: PLC0415
    from optical_hf.scenes import scenes_bitext  # noqa: PLC0415

    bitext = scenes_bitext({"de": 400, "so": 100}, seed=0)
    tiny_encoder(bitext["source"], width=64, vocabulary_size=500).save(str(folder / "tiny_teacher"))
    tiny_encoder(bitext["target"], width=64, vocabulary_size=1000, seed=1).save(str(folder / "tiny_student"))
    for code in ("de", "so"):
        rows = [row for row in bitext if row["language"] == code]
        lines = "".join(f"{row['target']}\t{row['source']}\n" for row in rows)
        (folder / f"{code}-en.tsv").write_text(lines, encoding="utf-8")


missing = {path.name for path in (ROOT / "examples").glob("*.py")} ^ set(RUNS)
if missing:
    raise SystemExit(f"examples without a run, or runs without an example: {sorted(missing)}")
write_tiny(Path(sys.argv[1]))
for commands in RUNS.values():
    for words in commands:
        real = any("{data}" in word or "{minilm}" in word or "{e5}" in word for word in words)
        if real and not (DATA.is_dir() and (MODELS / "COMPLETE").exists()):
            print("skipped, no real data or encoders here:", *words)
            continue
        command = [word.format(out=sys.argv[1], **REAL) for word in words]
        print("$", *command, flush=True)
        subprocess.run(command, check=True, cwd=ROOT)
