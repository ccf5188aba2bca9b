"""Training beside sentence-transformers' multilingual recipe: pairs a second, peak memory, the share of transport, time to R@1.

    OMP_NUM_THREADS=1 python examples/benchmarks/training.py DATA MODELS [--only throughput start processes cost first]

The recipe (Reimers and Gurevych 2020): `SentenceTransformerTrainer`, `MSELoss`, teacher vectors computed beforehand. Both sides
train the same student (multilingual-e5-small with a projection, from `load_student`) on the same pairs, half Multi30k German and
half Tatoeba Marathi, at most 48 tokens, batches of 32, one thread, each run a process of its own, interleaved.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import matplotlib.pyplot as plt
import torch
from datasets import Dataset, concatenate_datasets
from sentence_transformers import (
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer.losses import MSELoss
from transformers import TrainerCallback

from optical_hf import OTDistillationArguments, OTDistillationTrainer, load_bitext, load_student, load_teacher
from optical_hf.losses import Transport
from optical_hf.models import fit_alignment
from optical_hf.models.alignment.held_out import held_out_score
from optical_hf.models.teachers.token_cache import TeacherCache
from optical_hf.models.tokens import empty_ids

GROUPED = {"train_sampling_strategy": "group_by_length"}
OURS = {
    "ours, transport + cosine": {},
    "ours, grouped by length": GROUPED,
    "ours, grouped, embeddings frozen": {**GROUPED, "freeze_embeddings": True},
}
RECIPE = {"recipe, both sides": ["source", "target"], "recipe, foreign side only": ["target"]}
BATCH = 32

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("data", type=Path)
parser.add_argument("models", type=Path)
parser.add_argument("--only", nargs="+", default=["throughput", "start", "processes", "cost", "first"])
parser.add_argument("--pairs", type=int, default=512)
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--fit", type=int, default=400, help="pairs of the closed-form start")
parser.add_argument("--plot", type=Path, default=None)
parser.add_argument("--run", help=argparse.SUPPRESS)
parser.add_argument("--cache", help=argparse.SUPPRESS)
parser.add_argument("--seconds", type=float, help=argparse.SUPPRESS)
options = parser.parse_args()
torch.set_num_threads(1)


def pairs(count: int) -> Dataset:
    files = {"de": "multi30k/train.de.gz", "mr": "tatoeba_train/mar-eng.tsv.gz"}
    rows = [load_bitext({code: str(options.data / file)}).shuffle(seed=1) for code, file in files.items()]
    chosen = [row for half in rows for row in half.select(range(count // 2))]
    return Dataset.from_list(chosen).shuffle(seed=2)


def held_out() -> list[dict]:
    return list(load_bitext(str(options.data / "multi30k/test_2018_flickr.de.gz")).select(range(300)))


def teacher_and_student():
    teacher = load_teacher(options.models / "all-MiniLM-L6-v2", device="cpu")
    teacher.max_seq_length = 48
    return teacher, load_student(options.models / "multilingual-e5-small", teacher, max_seq_length=48, device="cpu")


class Clock(TrainerCallback):
    """Seconds, and seconds of the processor, from the first batch to the last; stops after `limit` of the latter."""

    def __init__(self, limit: float | None = None) -> None:
        self.limit, self.spent, self.cpu = limit, 0.0, 0.0

    def on_train_begin(self, *args, **kwargs) -> None:
        self.begun, self.cpu_begun = time.perf_counter(), time.process_time()

    def on_step_end(self, args, state, control, **kwargs) -> None:
        self.spent, self.cpu = time.perf_counter() - self.begun, time.process_time() - self.cpu_begun
        if self.limit is not None and self.cpu > self.limit:
            control.should_training_stop = True


def host(folder: str, **kwargs) -> dict:
    plain = {"num_train_epochs": 1, "learning_rate": 3e-5, "report_to": "none", "save_strategy": "no", "seed": 0}
    fixed = {"logging_strategy": "no", "disable_tqdm": True, "per_device_train_batch_size": BATCH, "use_cpu": True}
    return {"output_dir": folder, **plain, **fixed, **kwargs}


def recipe_trainer(folder: str, name: str, rows: Dataset, teacher, student, clock: Clock, **kwargs):
    columns = rows.select_columns(RECIPE[name])
    columns = columns.add_column("label", teacher.encode(rows["source"][:]).tolist())
    args = SentenceTransformerTrainingArguments(**host(folder, **kwargs))
    return SentenceTransformerTrainer(student, args, columns, loss=MSELoss(student), callbacks=[clock])


def measure_transport(spent: list[float]) -> None:
    """Run the transport loss once more on a leaf, forward and backward, and note the seconds."""
    real = Transport.__call__

    def timed(loss, batch):
        leaf = batch.student_BND.detach().float().requires_grad_()
        begun = time.perf_counter()
        real(loss, batch._replace(student_BND=leaf)).sum().backward()
        spent.append(time.perf_counter() - begun)
        return real(loss, batch)

    Transport.__call__ = timed


def run_one(name: str) -> None:
    """One training run in this process; its figures as a line of JSON."""
    teacher, student = teacher_and_student()
    rows, clock, transport = pairs(options.pairs), Clock(options.seconds), []
    student.encode(rows["target"][:8])  # what is done once, such as reading the vocabulary, is not timed
    empty_ids(student.tokenizer, len(student.tokenizer))
    epochs = 1000 if options.seconds else 1
    with tempfile.TemporaryDirectory() as folder:
        if name in RECIPE:
            trainer = recipe_trainer(folder, name, rows, teacher, student, clock, num_train_epochs=epochs)
        else:
            own = OURS[name.removesuffix(" +share")]
            if name.endswith("+share"):
                measure_transport(transport)
            args = OTDistillationArguments(**host(folder, alignment="none", num_train_epochs=epochs, **own))
            cache = TeacherCache.open(options.cache)
            del teacher
            trainer = OTDistillationTrainer(student, cache, args, rows, callbacks=[clock])
        trainer.train()
    found = {"pairs": len(rows) * float(trainer.state.epoch or 1), "seconds": clock.spent - sum(transport)}
    found |= {"cpu": clock.cpu - sum(transport), "transport": sum(transport), "steps": trainer.state.global_step}
    found["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    if options.seconds:
        teacher = load_teacher(options.models / "all-MiniLM-L6-v2", device="cpu")
        found["score"] = 100 * held_out_score(student, teacher, held_out()).vector
    if int(os.environ.get("RANK", "0")) == 0:
        print("RESULT", json.dumps(found), flush=True)


def other_process(name: str, *more: str, launch: tuple[str, ...] = ()) -> dict:
    command = [*(launch or (sys.executable,)), __file__, str(options.data), str(options.models), "--run", name]
    command += ["--pairs", str(options.pairs), *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
    if not lines:
        raise SystemExit(done.stderr[-3000:])
    return json.loads(lines[0].removeprefix("RESULT "))


def throughput(cache: str) -> None:
    names = [*RECIPE, *OURS]
    found: dict[str, list[dict]] = {name: [] for name in names}
    for _ in range(options.rounds):
        for name in names:
            found[name].append(other_process(name, "--cache", cache))
    base = found["recipe, both sides"]
    print(f"\n{options.pairs} pairs, {options.rounds} rounds: medians, and the ratio within a round")
    print("| run | pairs / s | pairs / cpu s | to the recipe | peak MB |\n|---|---|---|---|---|")
    for name, runs in found.items():
        rate, cpu = (median(r["pairs"] / r[key] for r in runs) for key in ("seconds", "cpu"))
        ratio = median(b["cpu"] / r["cpu"] for b, r in zip(base, runs, strict=True))
        peak = median(r["peak"] for r in runs)
        print(f"| {name} | {rate:.1f} | {cpu:.1f} | {ratio:.2f} | {peak:.0f} |", flush=True)
    run = other_process("ours, grouped by length +share", "--cache", cache)
    print(f"transport with cost, loss and gradient: {100 * run['transport'] / run['seconds']:.1f} % of the step")


def start() -> None:
    teacher, student = teacher_and_student()
    rows, asked = pairs(options.fit), held_out()
    begun = time.process_time()
    fit_alignment(student, teacher, rows, method="transport", progress=False)
    seconds = time.process_time() - begun
    ours = 100 * held_out_score(student, teacher, asked).vector
    print(
        f"\nclosed form on {options.fit} pairs: {seconds:.1f} cpu s, R@1 of {len(asked)} held-out German captions {ours:.1f}"
    )
    for name in RECIPE:
        found = other_process(name, "--pairs", "1000", "--seconds", str(20 * seconds))
        print(
            f"{name}, 20 times as long: {found['cpu']:.0f} cpu s, {found['steps']} steps, R@1 {found['score']:.1f}",
            flush=True,
        )


def processes(cache: str) -> None:
    config = Path(__file__).parents[1] / "accelerate" / "cpu.yaml"
    launch = (sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(config))
    name = "ours, grouped, embeddings frozen"
    rates: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(options.rounds):
        for count, measured in rates.items():
            found = other_process(name, "--cache", cache, launch=launch if count == 2 else ())
            measured.append(found["pairs"] / found["seconds"])
    one, two = (median(found) for found in rates.values())
    print(f"\n{name}: 1 process {one:.1f} pairs / s, 2 processes {two:.1f} ({two / one:.2f} times)", flush=True)


def cost() -> None:
    """Processor time of a step by tokens a text and by pairs a batch, embeddings frozen."""
    teacher, student = teacher_and_student()
    student.max_seq_length = teacher.max_seq_length = 128
    for model in (teacher, student):
        empty_ids(model.tokenizer, len(model.tokenizer))
    found: dict[int, list[tuple[int, float]]] = {}
    print("\n| pairs | tokens | cpu ms a step |\n|---|---|---|")
    for batch in (8, 32):
        for tokens in (8, 16, 32, 64, 128):
            if batch * tokens > 2048:
                continue
            text = " ".join(["Hund"] * (tokens - 2))
            rows = Dataset.from_dict(
                {"source": [" ".join(["dog"] * (tokens - 2))] * batch * 2, "target": [text] * batch * 2}
            )
            clock = Clock()
            with tempfile.TemporaryDirectory() as folder:
                kwargs = host(folder, alignment="none", per_device_train_batch_size=batch, learning_rate=0.0)
                args = OTDistillationArguments(**kwargs, freeze_embeddings=True)
                OTDistillationTrainer(student, teacher, args, rows, callbacks=[clock]).train()
            found.setdefault(batch, []).append((tokens, 1000 * clock.cpu / 2))
            print(f"| {batch} | {tokens} | {found[batch][-1][1]:.0f} |", flush=True)
    if options.plot is not None:
        for batch, points in found.items():
            plt.loglog(*zip(*points, strict=True), marker="o", label=f"{batch} pairs a batch", base=2)
        plt.xlabel("tokens a text"), plt.ylabel("cpu ms a step"), plt.legend()
        plt.savefig(options.plot, dpi=100)


def first() -> None:
    """Seconds until the first batch of 10^6 pairs stands."""
    teacher, student = teacher_and_student()
    rows = concatenate_datasets([pairs(20_000)] * 50)
    print(f"\n{len(rows):,} pairs\n| batches | seconds | cpu s |\n|---|---|---|")
    for name, more in (("at random", {}), ("grouped by length", GROUPED), ("4,096 tokens", {"tokens_per_batch": 4096})):
        with tempfile.TemporaryDirectory() as folder:
            args = OTDistillationArguments(**host(folder) | {"per_device_train_batch_size": 128} | more)
            trainer = OTDistillationTrainer(student, teacher, args, rows)
            begun, cpu_begun = time.perf_counter(), time.process_time()
            next(iter(trainer.get_train_dataloader()))
        spent, cpu = time.perf_counter() - begun, time.process_time() - cpu_begun
        print(f"| {name} | {spent:.1f} | {cpu:.1f} |", flush=True)


if options.run:
    run_one(options.run)
else:
    with tempfile.TemporaryDirectory() as folder:
        if {"throughput", "processes"} & set(options.only):
            teacher, _ = teacher_and_student()
            TeacherCache.build(teacher, pairs(options.pairs), folder, progress=False)
        for part, arguments in (
            ("throughput", (folder,)),
            ("start", ()),
            ("processes", (folder,)),
            ("cost", ()),
            ("first", ()),
        ):
            if part in options.only:
                globals()[part](*arguments)
