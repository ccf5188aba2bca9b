"""Closed-form alignment on the reference sets: R@1 in percent, one vector / MaxSim, and the seconds of the fit.

    OMP_NUM_THREADS=1 python examples/benchmarks/alignment.py DATA MODELS

2,400 pairs drawn at random from Multi30k German and Tatoeba Marathi together; queries into English in German and Czech (the
first 500 lines of Multi30k test_2018_flickr) and in Swahili, Tagalog, Marathi and Finnish (the first 400 of Tatoeba v1; MaxSim
on the first 300 queries).
"""

import argparse
from pathlib import Path

import torch

from optical_hf import RetrievalCollection, evaluate_retrieval, fit_alignment, load_bitext, load_student, load_teacher

VARIANTS = {
    "ridge on pooled vectors": {"method": "ridge"},
    "transport (default)": {},
    "epsilon 0.05": {"epsilon": 0.05},
    "epsilon 0.01": {"epsilon": 0.01},
    "special tokens and punctuation in": {"special_tokens": True},
    "pooled equations left out": {"pooled_weight": 0.0},
    "penalty 1e-4": {"regularisation": 1e-4},
    "six rounds": {"rounds": 6},
}
LANGUAGES = ("de", "cs", "sw", "tl", "mr", "fi")

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("data", type=Path)
parser.add_argument("models", type=Path)
parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
options = parser.parse_args()
torch.set_num_threads(1)

files = {"de": options.data / "multi30k/train.de.gz", "mr": options.data / "tatoeba_train/mar-eng.tsv.gz"}
bitext = load_bitext({code: str(path) for code, path in files.items()}).shuffle(seed=0).select(range(2400))
caption = str(options.data / "multi30k/test_2018_flickr.{}.gz")
collections = [
    RetrievalCollection.from_lines(
        "captions", {c: caption.format(c) for c in ("de", "cs")}, caption.format("en"), limit=500
    )
] + [
    RetrievalCollection.from_bitext(code, str(options.data / f"tatoeba_v1/{name}-eng.tsv.gz"), code, limit=400)
    for code, name in (("sw", "swh"), ("tl", "tgl"), ("mr", "mar"), ("fi", "fin"))
]
teacher = load_teacher(options.models / "all-MiniLM-L6-v2")
teacher.max_seq_length = 48

print(f"| variant | {' | '.join(LANGUAGES)} | mean | seconds |\n{'|---' * (len(LANGUAGES) + 3)}|")
for name in options.only:
    student = load_student(options.models / "multilingual-e5-small", teacher, max_seq_length=48)
    report = fit_alignment(student, teacher, bitext, progress=False, **VARIANTS[name])
    cells = {}
    for search, limit in (("vector", None), ("maxsim", 300)):
        asked = [collection.select(limit=limit) if limit else collection for collection in collections]
        found = evaluate_retrieval(student, teacher, asked, search=search, rounds=100, progress=False).systems[
            "student"
        ]
        cells[search] = {code: 100 * result.recall_at_1.value for code, result in found.languages.items()}
    row = [f"{cells['vector'][code]:.0f} / {cells['maxsim'][code]:.0f}" for code in LANGUAGES]
    means = " / ".join(f"{sum(values.values()) / len(LANGUAGES):.1f}" for values in cells.values())
    print(f"| {name} | {' | '.join(row)} | {means} | {report.seconds:.0f} |", flush=True)
