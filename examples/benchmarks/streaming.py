"""Memory while the trainer's batches of a stream are read: pairs read, megabytes resident, pairs a second.

    OMP_NUM_THREADS=1 python examples/benchmarks/streaming.py [--pairs 1000000]

Bitext files in four languages are written first (3/8, 3/8, 1/8, 1/8 of the pairs); the batches are those of `OTDistillationTrainer`
on `stream_bitext`: mixed with temperature 2, shuffled in a buffer, grouped by length, tokenized.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

from optical_hf import OTDistillationArguments, OTDistillationTrainer
from optical_hf.data import stream_bitext
from optical_hf.models import build_student
from optical_hf.models.tiny import tiny_encoder
from optical_hf.scenes import scenes_bitext

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--pairs", type=int, default=1_000_000)
options = parser.parse_args()
BATCH, PARTS = 64, {"deu": ("de", 3), "spa": ("es", 3), "som": ("so", 1), "mar": ("mr", 1)}

with tempfile.TemporaryDirectory() as folder:
    files, texts = [], []
    for name, (code, eighths) in PARTS.items():
        rows = scenes_bitext({code: 2000}, seed=0)
        lines = [f"{row['target']}\t{row['source']}\n" for row in rows]
        texts += rows["target"][:] + rows["source"][:]
        files.append(Path(folder, f"{name}-eng.tsv"))
        with files[-1].open("w", encoding="utf-8") as file:
            for _ in range(options.pairs * eighths // 8 // len(lines)):
                file.writelines(lines)
    teacher = tiny_encoder(texts, width=16, vocabulary_size=500).requires_grad_(False).eval()
    student = build_student(tiny_encoder(texts, width=16, vocabulary_size=500, seed=1), teacher)
    begun = time.perf_counter()
    stream = stream_bitext(files, temperature=2.0)
    print(
        f"{sum(file.stat().st_size for file in files) / 2**20:.0f} MB of files, counted in {time.perf_counter() - begun:.0f} s"
    )
    args = OTDistillationArguments(
        folder,
        max_steps=10**6,
        per_device_train_batch_size=BATCH,
        train_sampling_strategy="group_by_length",
        report_to="none",
        use_cpu=True,
    )
    trainer = OTDistillationTrainer(student, teacher, args, stream)
    print("| pairs read | MB at most | pairs / s |\n|---|---|---|")
    begun, read, told = time.perf_counter(), 0, 0
    for batch in trainer.get_train_dataloader():
        read += len(batch["ids"])
        if read >= told + options.pairs // 10:
            told = read
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
            print(f"| {read:,} | {peak:.0f} | {read / (time.perf_counter() - begun):.0f} |", flush=True)
        if read >= options.pairs:
            break
