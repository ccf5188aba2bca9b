"""Which loss the gradient steps after a closed form should have: chosen on held-out bitext, before any collection is searched.

Bitext, teacher, student and groups are those of a study file. The student learns from --size pairs a language, each loss from
the same closed form, at each learning rate, without and with a document bank where it reads one. Asked are --held-out pairs a
language that were not drawn, among the English sides of all languages. Prints mean R@1 of the low- and of the
high-resource group, in percent, and the seconds of the steps.

OMP_NUM_THREADS=1 python examples/benchmarks/losses.py examples/benchmarks/claim_small.yaml "late MiniLM" "e5 12 layers" \\
    pooled_mse kl_maxsim pooled_mse=1.0,kl_maxsim=0.01 --set data=DATA --set models=MODELS --set late=runs/late
"""

import argparse
import copy
import itertools
import tempfile
import time
from pathlib import Path

from datasets import Dataset

from optical_hf import OTDistillationArguments, OTDistillationTrainer, RetrievalCollection, evaluate_retrieval
from optical_hf.evaluation.report.report_tables import percent
from optical_hf.models import fit_alignment, kind_of, load_student, load_teacher
from optical_hf.models.teachers.token_cache import TeacherCache
from optical_hf.study import load_study
from optical_hf.study.run.run_data import read_bitext, sample_bitext
from optical_hf.study.run.students import prepared_student

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("study", type=Path)
parser.add_argument("teacher", help="its name in the study")
parser.add_argument("student", help="its name in the study")
parser.add_argument("losses", nargs="+", help="as for optical-hf train --losses")
parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="as for optical-hf study")
parser.add_argument("--size", type=int, default=500)
parser.add_argument("--held-out", type=int, default=200)
parser.add_argument("--steps", type=int, default=100)
parser.add_argument("--batch", type=int, default=32)
parser.add_argument("--learning-rate", type=float, nargs="+", default=[3e-5])
parser.add_argument(
    "--bf16", action="store_true", help="for processors with bf16 instructions; others are slower with it"
)
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()


def held_out() -> RetrievalCollection:
    """Pairs that nothing is learnt from: none was drawn, and no English side stands twice."""
    seen = {row["source"] for row in drawn}
    kept: dict[str, list[dict]] = {}
    for row in bitext.shuffle(seed=options.seed):
        of_language = kept.setdefault(row["language"], [])
        if len(of_language) < options.held_out and row["source"] not in seen:
            seen.add(row["source"])
            of_language.append(row)
    rows = [row for of_language in kept.values() for row in of_language]
    names = [f"pair-{number}" for number in range(len(rows))]
    queries = {
        "id": names,
        "group": names,
        "language": [r["language"] for r in rows],
        "text": [r["target"] for r in rows],
    }
    documents = {"id": names, "text": [row["source"] for row in rows]}
    qrels = {name: {name: 1} for name in names}
    return RetrievalCollection.build("held-out", Dataset.from_dict(queries), Dataset.from_dict(documents), qrels)


config = load_study(options.study, dict(entry.split("=", 1) for entry in options.set))
spec = config.teachers[options.teacher]
teacher = load_teacher(spec.path, kind=spec.kind)
teacher.max_seq_length = config.max_seq_length
search = "maxsim" if kind_of(teacher) == "late_interaction" else "vector"
bitext = read_bitext(config.bitext)
drawn = sample_bitext(bitext, options.size, options.seed)
collection = held_out()

with tempfile.TemporaryDirectory() as folder:
    path = prepared_student(config.students[options.student], sorted({*bitext["target"][:]}), Path(folder))
    started = load_student(path, teacher, max_seq_length=config.max_seq_length)
    cache = TeacherCache.build(teacher, drawn, folder + "/tokens", progress=False)
    fit_alignment(started, cache, drawn, method="transport", seed=options.seed, progress=False)
    print("| after the closed form | learning rate | low group | high group | seconds of the steps |", flush=True)
    print("|---|---|---|---|---|", flush=True)
    for losses, rate in [(None, "-"), *itertools.product(options.losses, options.learning_rate)]:
        student, clock = copy.deepcopy(started), time.perf_counter()
        if losses:
            args = OTDistillationArguments(
                folder + "/trainer", losses=losses, alignment="none", max_steps=options.steps, bf16=options.bf16,
                per_device_train_batch_size=options.batch, learning_rate=rate, save_strategy="no",
                train_sampling_strategy="group_by_length", seed=options.seed, report_to="none", disable_tqdm=True,
                logging_strategy="no",
            )  # fmt: skip
            OTDistillationTrainer(model=student, teacher=cache, args=args, train_dataset=drawn).train()
        seconds = time.perf_counter() - clock
        present = set(collection.languages)
        high, low = ([code for code in group or () if code in present] for group in (config.high, config.low))
        report = evaluate_retrieval(
            student.eval(), teacher, collection, search=search, high=high, low=low, middle=present - {*high, *low},
            progress=False,
        )  # fmt: skip
        gap = report.systems["student"].gap
        shown = (percent(*(gap[group][end] for end in ("value", "low", "high"))) for group in ("low_mean", "high_mean"))
        print(f"| {losses or 'no steps'} | {rate} | {' | '.join(shown)} | {seconds:.0f} |", flush=True)
