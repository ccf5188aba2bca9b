"""German for an English-only backbone: R@1 on Multi30k by the start of the new pieces' embeddings.

The student's backbone is the teacher itself. Pieces are learnt and aligned on all training pairs; the closed form is then
fitted on some of them. Queries are the first German captions of test_2018_flickr, documents their English originals.

python examples/benchmarks/vocabulary.py all-MiniLM-L6-v2 multi30k/ [--fit 1500] [--queries 300]
"""

import argparse
import time
from pathlib import Path

from optical_hf.data import load_bitext
from optical_hf.models import fit_alignment, load_student, load_teacher
from optical_hf.models.held_out import held_out_score
from optical_hf.models.vocabulary import extend_vocabulary

LANGUAGE = "de"

parser = argparse.ArgumentParser()
parser.add_argument("model")
parser.add_argument("multi30k", type=Path)
parser.add_argument("--fit", type=int, default=1500)
parser.add_argument("--queries", type=int, default=300)
parser.add_argument("--size", type=int, default=8000)
options = parser.parse_args()

bitext = load_bitext(options.multi30k / f"train.{LANGUAGE}.gz")
fitted = bitext.shuffle(seed=0).select(range(options.fit))
test = list(load_bitext(options.multi30k / f"test_2018_flickr.{LANGUAGE}.gz"))[: options.queries]
teacher = load_teacher(options.model, device="cpu")

STARTS: dict[str, dict | None] = {
    "transport": {},
    "random": {"start": "random"},
    "crumbs": {"start": "crumbs"},
    "no new pieces": None,
    "co-occurrence (no plans)": {"rounds": 0},
    "transport, nearest piece only": {"neighbours": 1},
    "transport, 8 neighbours": {"neighbours": 8},
    "transport, epsilon 0.1": {"epsilon": 0.1},
}
print(
    f"{len(bitext)} pairs for the pieces, {len(fitted)} for the closed form, {len(test)} queries; R@1, vector / MaxSim"
)
print("| new embeddings | pieces a text | before any fit | after ridge | after transport | extend s | fit s |")
print("|---|---|---|---|---|---|---|", flush=True)
for name, arguments in STARTS.items():
    student = load_student(options.model, teacher, device="cpu")
    started = time.perf_counter()
    pieces = ""
    if arguments is not None:
        report = extend_vocabulary(student, bitext, LANGUAGE, size=options.size, progress=False, **arguments)
        pieces = f"{report.length_before:.1f} -> {report.length_after:.1f}"
    extend_seconds = time.perf_counter() - started
    scores = [held_out_score(student, teacher, test)]
    started = time.perf_counter()
    for method in ("ridge", "transport"):
        fit_alignment(student, teacher, fitted, method=method, progress=False)
        scores.append(held_out_score(student, teacher, test))
    cells = " | ".join(f"{100 * s.vector:.1f} / {100 * s.maxsim:.1f}" for s in scores)
    print(f"| {name} | {pieces} | {cells} | {extend_seconds:.0f} | {time.perf_counter() - started:.0f} |", flush=True)
