"""Gradient steps on English alone, and together with bitext, by budget: questions in African languages into English passages.

    OMP_NUM_THREADS=1 python examples/benchmarks/english_first.py DATA MODELS --vectors FOLDER [--at 100 240 500 --rows english]

AfriQA dev in Hausa and Zulu, the first 300 questions of each; the index holds their passages. Teacher all-MiniLM-L6-v2, student
multilingual-e5-small ("query: "), one vector. Each run starts from the map of `contrastive_map.py` fitted on everything:
bitext, passages and their sentences, and the questions of AfriQA's training set in English and in seven languages. Its steps
are `OTDistillationTrainer`'s with the recipe of `optical-hf train`, at a constant learning rate, so that one run gives every
budget. They read what --rows says: "english" (passages, their sentences, English questions), "both" (those, bitext and
question pairs), or "first" (English for half of the steps, then both). Seconds are of the processor.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor
from torch.nn.functional import normalize
from transformers import TrainerCallback
from vector_sets import (
    TEST,
    TRAIN,
    Encoders,
    Queries,
    bitext_vectors,
    fitted,
    queries,
    r_at_1,
    test_texts,
    unseen_pairs,
)

from optical_hf import OTDistillationArguments, OTDistillationTrainer, load_student, load_teacher
from optical_hf.models.alignment.contrastive_map import ContrastiveRows
from optical_hf.models.alignment.map_descent import ContrastiveSettings
from optical_hf.models.alignment.projection_fit import assign_projection
from optical_hf.stores.documents.document_sentences import cut_sentences
from optical_hf.training.recipe import RECIPE

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("data", type=Path)
parser.add_argument("models", type=Path)
parser.add_argument("--vectors", type=Path, help="folder that keeps what was encoded")
parser.add_argument("--pairs", type=int, default=2000, help="pairs of each language of the bitext")
parser.add_argument("--queries", type=int, default=300, help="questions of each language")
parser.add_argument("--at", type=int, nargs="+", default=[100, 240, 500], help="steps after which it is evaluated")
parser.add_argument("--rows", nargs="+", choices=["english", "both", "first"], default=["english", "both"])
parser.add_argument("--learning-rate", type=float, default=RECIPE["learning_rate"])
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()
torch.set_num_threads(1)
torch.manual_seed(options.seed)
encode = Encoders(options.models, options.vectors)
tested: dict[str, Queries] = {
    language: queries(options.data / path) for (name, language), path in TEST.items() if name == "AfriQA dev"
}


def unseen_questions() -> tuple[list[str], list[str]]:
    """Questions of AfriQA's training set, and in English, without any that is tested."""
    seen = test_texts(options.data)
    rows = [queries(file) for file in sorted((options.data / "afriqa").glob("*-en.train.jsonl.gz"))]
    pairs = [pair for row in rows for pair in zip(row.foreign, row.english, strict=True) if not seen & {*pair}]
    foreign, english = map(list, zip(*pairs, strict=True))
    return foreign, english


foreign, english = [], []
for path in TRAIN.values():
    pairs = unseen_pairs(options.data, path, options.pairs)
    foreign += pairs[0]
    english += pairs[1]
asked, asked_english = unseen_questions()
passages = list(dict.fromkeys(text for rows in tested.values() for text in rows.documents))
sentences = [text for text in dict.fromkeys(s for passage in passages for s in cut_sentences(passage)) if text.strip()]
texts = list(dict.fromkeys(passages + sentences))


def contrastive_start() -> tuple[Tensor, Tensor]:
    foreign_ND, english_ND, target_NK = bitext_vectors(encode, options.data, options.pairs)
    asked_ND, asked_english_ND, asked_NK = (
        encode.student(asked),
        encode.student(asked_english),
        encode.teacher(asked_english),
    )
    index_ND, index_NK = encode.student(texts), encode.teacher(texts)
    kinds = [
        ContrastiveRows(torch.cat([foreign_ND, english_ND]), target_NK.repeat(2, 1), 0.5),
        ContrastiveRows(index_ND, index_NK, 0.5, foreign_ND - english_ND, 1.0),
        ContrastiveRows(torch.cat([asked_ND, asked_english_ND]), asked_NK.repeat(2, 1), 1 / 3),
    ]
    return fitted(kinds, torch.cat([target_NK, index_NK, asked_NK]), ContrastiveSettings(seed=options.seed))


def line(name: str, student: Any, seconds: float) -> str:
    """R@1 of each language's questions, of the questions in English, and of the teacher's documents."""
    student.eval()
    length, student.max_seq_length = student.max_seq_length, 128
    cells: list[list[float]] = [[], []]
    for rows in tested.values():
        document_SK = encode.teacher(rows.documents)
        for cell, side in zip(cells, (rows.foreign, rows.english), strict=True):
            read = student.encode_query(side[: options.queries], convert_to_tensor=True, show_progress_bar=False)
            cell.append(r_at_1(read, document_SK, rows.documents))
    student.max_seq_length = length
    student.train()
    own, own_english = (sum(side) / len(side) for side in bars)
    found, found_english = (sum(side) / len(side) for side in cells)
    return (
        f"| {name} | {found:.1f} ({found / own:.0%}) | {found_english:.1f} ({found_english / own_english:.0%}) | "
        f"{found / found_english:.0%} | {seconds:.0f} |"
    )


class Budgets(TrainerCallback):
    """Evaluates after each budget, and counts the seconds of the steps alone."""

    def __init__(self, name: str, before: int = 0, seconds: float = 0.0) -> None:
        self.name, self.before, self.seconds = name, before, seconds

    def on_train_begin(self, *args: Any, **kwargs: Any) -> None:
        self.clock = time.process_time()

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any, **kwargs: Any) -> None:
        if state.global_step + self.before in options.at:
            self.seconds += time.process_time() - self.clock
            print(line(f"{self.name}, {state.global_step + self.before} steps", model, self.seconds), flush=True)
            self.clock = time.process_time()


def train(student: Any, name: str, rows: str, steps: int, before: int = 0) -> None:
    pairs = None
    if rows == "both":
        columns = {"source": english + asked_english, "target": foreign + asked}
        pairs = Dataset.from_dict(columns | {"language": ["xx"] * len(columns["source"])})
    vector_NK = normalize(encode.teacher(texts), dim=1)
    index = Dataset.from_dict({"text": texts, "vector": vector_NK.tolist()})
    given = RECIPE | {
        "max_steps": steps,
        "alignment": "none",
        "seed": options.seed,
        "lr_scheduler_type": "constant_with_warmup",
    }
    given |= {"learning_rate": options.learning_rate}
    with tempfile.TemporaryDirectory() as folder:
        args = OTDistillationArguments(folder, save_strategy="no", report_to="none", logging_steps=50, **given)
        OTDistillationTrainer(
            student, teacher, args, train_dataset=pairs, documents=index, query_texts=asked_english,
            callbacks=[Budgets(name, before)],
        ).train()  # fmt: skip


bars: list[list[float]] = [[], []]
of_teacher = []
for rows in tested.values():
    own = [encode.student(rows.documents, prompt) for prompt in ("query: ", "passage: ")]
    for bar, side in zip(bars, (rows.foreign, rows.english), strict=True):
        query_QD = encode.student(side)[: options.queries]
        bar.append(max(r_at_1(query_QD, one, rows.documents) for one in own))
    of_teacher.append(
        r_at_1(encode.teacher(rows.english)[: options.queries], encode.teacher(rows.documents), rows.documents)
    )
means = [sum(bar) / len(bar) for bar in bars]
print(
    f"{len(foreign)} pairs, {len(asked)} pairs of questions, {len(passages)} passages, {len(texts)} with their sentences\n"
)
print(
    "| | R@1, foreign question (recovery) | R@1, English question (of re-indexing's) | foreign / English | seconds |\n"
    "|---|---|---|---|---|"
)
print(f"| re-indexing | {means[0]:.1f} | {means[1]:.1f} | {means[0] / means[1]:.0%} | |")
print(f"| teacher, English question | | {sum(of_teacher) / len(of_teacher):.1f} | | |", flush=True)
start = contrastive_start()
teacher = load_teacher(options.models / "all-MiniLM-L6-v2", device="cpu")
for kind in options.rows:
    student = load_student(options.models / "multilingual-e5-small", teacher, query_prompt="query: ", device="cpu")
    assign_projection(student, *start)
    student.max_seq_length = 64
    if kind == options.rows[0]:
        print(line("the map alone", student, 0), flush=True)
    name, last = {"english": "English", "both": "English and bitext", "first": "English first"}[kind], max(options.at)
    if kind == "first":
        train(student, name, "english", last // 2)
        train(student, name, "both", last - last // 2, last // 2)
    else:
        train(student, name, kind, last)
