"""Closed-form alignment on the reference sets: R@1 in percent, one vector / MaxSim, and the seconds of the fit.

    OMP_NUM_THREADS=1 python examples/benchmarks/alignment.py DATA MODELS [--variants | --growth]

2,400 pairs drawn at random from Multi30k German and Tatoeba Marathi together; queries into English in German and Czech (the
first 500 lines of Multi30k test_2018_flickr) and in Swahili, Tagalog, Marathi and Finnish (the first 400 of Tatoeba v1; MaxSim
on the first 300 queries). `--variants` prints a line for everything that was tried, and what it does on other sets.
`--growth` prints seconds and peak memory for 10^3 to 10^5 pairs, each in a process of its own, with one round of plans: tiny
encoders that keep nothing in memory, and the real ones.
"""

import argparse
import resource
import subprocess
import sys
from pathlib import Path

import torch
from alignment_variants import VARIANTS, table
from reference_sets import other_sets, reference_sets, training_pairs, translations

from optical_hf import evaluate_retrieval, fit_alignment, load_student, load_teacher
from optical_hf.models import build_student
from optical_hf.models.tiny import tiny_encoder

ROWS = {
    "ridge on pooled vectors": {"method": "ridge"},
    "transport (default)": {},
    "English sides not read by the student": {"also_english": False},
    "penalty 3e-4": {"regularisation": 3e-4},
    "layers 10 and 12 averaged": {"layers": [10, 12]},
    "layers 10 and 12 averaged, weights 1 and 3": {"layers": {10: 1, 12: 3}},
}
GROWTH = {"tiny": (1_000, 10_000, 100_000), "real": (1_000, 10_000)}
BUDGET = {"tiny": 0, "real": 2 * 2**30}  # bytes of tokens kept: 0 encodes them again in every round

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("data", type=Path)
parser.add_argument("models", type=Path)
parser.add_argument("--only", nargs="+", choices=[*ROWS, *VARIANTS], help="these rows, or with --variants these")
parser.add_argument("--variants", action="store_true", help="a line for each variant tried")
parser.add_argument("--features", type=Path, help="folder that keeps what --variants encodes")
parser.add_argument("--growth", action="store_true", help="seconds and memory by the number of pairs")
parser.add_argument("--grown", nargs=2, help=argparse.SUPPRESS)  # encoders and pairs of one process of --growth
options = parser.parse_args()
torch.set_num_threads(1)


def real_pair(layers: list[int] | None = None) -> tuple:
    teacher = load_teacher(options.models / "all-MiniLM-L6-v2")
    teacher.max_seq_length = 48
    return load_student(options.models / "multilingual-e5-small", teacher, max_seq_length=48, layers=layers), teacher


def grown(encoders: str, count: int) -> str:
    """Fit on `count` pairs and say what it took."""
    rows = training_pairs(options.data, "de", "mr", "fi")
    if encoders == "real":
        student, teacher = real_pair()
    else:
        some = rows.select(range(2000))
        teacher = tiny_encoder(some["source"], width=64)
        student = build_student(tiny_encoder(some["target"], width=96, seed=1), teacher)
    before = resource.getrusage(resource.RUSAGE_SELF)
    report = fit_alignment(
        student,
        teacher,
        rows.select(range(count)),
        method="transport",
        rounds=1,
        memory_budget=BUDGET[encoders],
        progress=False,
    )
    after = resource.getrusage(resource.RUSAGE_SELF)
    seconds = after.ru_utime - before.ru_utime
    return (
        f"| {encoders} | {report.pairs} | {seconds:.0f} | {before.ru_maxrss / 1e3:.0f} | {after.ru_maxrss / 1e3:.0f} |"
    )


def print_growth() -> None:
    print(
        "| encoders | pairs | processor seconds | peak MB before the fit | peak MB |\n|---|---|---|---|---|", flush=True
    )
    for encoders, counts in GROWTH.items():
        for count in counts:
            again = [sys.executable, __file__, str(options.data), str(options.models), "--grown", encoders, str(count)]
            print(subprocess.run(again, check=True, capture_output=True, text=True).stdout.strip(), flush=True)


def print_rows() -> None:
    sets = reference_sets(options.data)
    print(f"| variant | {' | '.join(sets)} | mean | penalty | seconds |\n{'|---' * (len(sets) + 4)}|")
    for name in options.only or ROWS:
        settings = dict(ROWS[name])
        student, teacher = real_pair(settings.pop("layers", None))
        report = fit_alignment(
            student, teacher, training_pairs(options.data, "de", "mr").select(range(2400)), progress=False, **settings
        )
        cells: dict[str, list[float]] = {}
        for search, limit in (("vector", None), ("maxsim", 300)):
            asked = [collection.select(limit=limit) if limit else collection for collection in sets.values()]
            told = evaluate_retrieval(
                student, teacher, asked, systems=("student",), search=search, rounds=100, progress=False
            )
            languages = told.systems["student"].languages
            cells[search] = [100 * languages[code].recall_at_1.value for code in sets]
        row = [f"{vector:.0f} / {maxsim:.0f}" for vector, maxsim in zip(*cells.values(), strict=True)]
        means = " / ".join(f"{sum(values) / len(values):.1f}" for values in cells.values())
        print(
            f"| {name} | {' | '.join(row)} | {means} | {report.regularisation:g} | {report.seconds:.0f} |", flush=True
        )


if options.grown:
    print(grown(options.grown[0], int(options.grown[1])))
elif options.growth:
    print_growth()
elif options.variants:
    asked = [
        {name: translations(c) for name, c in sets.items()}
        for sets in (reference_sets(options.data), other_sets(options.data))
    ]
    fitted = training_pairs(options.data, "de", "mr").select(range(2400))
    for line in table(*real_pair(), fitted, *asked, options.features, options.only or VARIANTS):
        print(line, flush=True)
else:
    print_rows()
