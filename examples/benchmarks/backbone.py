"""Gradient steps of the backbone, by the recipe of `optical-hf train`: what they add to the contrastive map.

    OMP_NUM_THREADS=1 python examples/benchmarks/backbone.py DATA MODELS --vectors FOLDER [--steps 120 --sets "LAFAND dev" ...]

Models, bitext and test sets are those of contrastive_map.py. One student is fitted and trained for all sets together, whose
documents are the index. It starts from the contrastive map with pseudo-foreign documents, and takes its steps by
`OTDistillationTrainer`. Fields of `OTDistillationArguments` can be changed: --set learning_rate=1e-4. Figures are R@1 of the
foreign query, means over languages, and as a share of re-indexing; seconds are of the processor.

--others puts each set among other captions and sentences, of which the fit and the steps see a sample; re-indexing stands
behind "query: ". --mse adds the peer: MSE on pooled vectors by sentence-transformers (Reimers and Gurevych 2020,
arXiv:2004.09813) for so many seconds, its rows the same.
"""

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, concatenate_datasets
from peft import LoraConfig
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.losses import MSELoss
from switched_words import switched_words
from torch import Tensor
from torch.nn.functional import normalize
from transformers import TrainerCallback
from vector_sets import (
    TEST,
    TRAIN,
    Encoders,
    Queries,
    bitext_vectors,
    fields,
    first_places,
    fitted,
    other_texts,
    queries,
    r_at_1,
    read_and_unread,
    unseen_pairs,
)

from optical_hf import OTDistillationArguments, OTDistillationTrainer, load_student, load_teacher
from optical_hf.models.alignment.contrastive_map import ContrastiveRows
from optical_hf.models.alignment.hard_negatives import nearest_others
from optical_hf.models.alignment.map_descent import ContrastiveSettings
from optical_hf.models.alignment.projection_fit import assign_projection
from optical_hf.training.recipe import RECIPE

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("data", type=Path)
parser.add_argument("models", type=Path)
parser.add_argument("--vectors", type=Path, help="folder that keeps what was encoded")
parser.add_argument("--pairs", type=int, default=2000, help="pairs of each language of the bitext")
parser.add_argument("--test", type=int, default=400, help="documents of each test set and language")
parser.add_argument("--queries", type=int, default=200, help="queries of each, in the foreign language and in English")
parser.add_argument("--steps", type=int, nargs="+", default=[120], help="a run for each")
parser.add_argument("--at", type=int, nargs="*", default=[], help="steps after which a run is evaluated on its way")
parser.add_argument("--others", type=int, default=0, help="so many captions and sentences beside each set's documents")
parser.add_argument("--seen", type=int, default=10_000, help="with --others: documents that the fit and the steps see")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--sets", nargs="+", default=["Tatoeba v1", "LAFAND dev", "Multi30k 2017"])
parser.add_argument("--set", nargs="+", default=[], help="fields of OTDistillationArguments, as NAME=VALUE")
parser.add_argument("--lora", type=int, help="train an adapter of this rank in place of all weights")
parser.add_argument("--near", type=int, default=1, help="rows of a step come in groups of so many near targets")
parser.add_argument(
    "--layer-decay", type=float, default=1, help="learning rate of a layer as a share of the next one's"
)
parser.add_argument(
    "--switched", type=float, default=0, help="share of a document's words that are foreign, by dictionary"
)
parser.add_argument("--average", action="store_true", help="evaluate the mean of the weights before and after, too")
parser.add_argument("--mse", type=int, help="processor seconds of the peer, sentence-transformers' MSELoss")
options = parser.parse_args()
torch.set_num_threads(1)
torch.manual_seed(options.seed)
encode = Encoders(options.models, options.vectors)
changed = fields(options.set)

whole = {
    place: Queries(*(side[: options.test] for side in queries(options.data / path))) for place, path in TEST.items()
}
tested = {place: rows for place, rows in whole.items() if place[0] in options.sets}
beside = other_texts(options.data, options.others) if options.others else []
beside_ND, beside_NK = (read(beside or [""])[: len(beside)] for read in (encode.student, encode.teacher))


def bitext() -> Dataset:
    columns: dict[str, list[str]] = {"source": [], "target": [], "language": []}
    for language, path in TRAIN.items():
        foreign, english = unseen_pairs(options.data, path, options.pairs)
        columns["target"] += foreign
        columns["source"] += english
        columns["language"] += [language] * len(foreign)
    return Dataset.from_dict(columns)


def documents() -> tuple[list[str], Tensor, Tensor]:
    """The different documents, and both models' vectors of them; with --others a sample of the whole index."""
    texts = [text for rows in tested.values() for text in rows.documents]
    first = first_places(texts)
    own_ND, vector_NK = (
        torch.cat([read(rows.documents) for rows in tested.values()])[first]
        for read in (encode.student, encode.teacher)
    )
    texts, own_ND = [texts[row] for row in first] + beside, torch.cat([own_ND, beside_ND])
    vector_NK, seen = torch.cat([vector_NK, beside_NK]), torch.arange(len(texts))
    if beside:
        seen, _ = read_and_unread(len(texts), options.seen)
    return [texts[row] for row in seen.tolist()], own_ND[seen], vector_NK[seen]


def with_documents(rows: Dataset, index: Dataset) -> Dataset:
    """Bitext and documents as further pairs, of which the student reads the text, or the one with --switched words."""
    texts = index["text"][:]
    read = switched_words(texts, rows, options.switched, options.seed) if options.switched else texts
    return concatenate_datasets([rows, index.rename_column("text", "source").add_column("target", read)])


def in_groups(rows: Dataset, index: Dataset, count: int) -> Dataset:
    """At least `count` rows of bitext and documents, in random groups of --near rows whose targets are near each other."""
    vector_NK = normalize(torch.cat([target_NK, torch.as_tensor(index["vector"][:])]), dim=1)
    first_N = torch.randperm(len(vector_NK), generator=torch.Generator().manual_seed(options.seed))
    first_G = first_N[: -(-count // options.near)]
    near_GH = nearest_others(vector_NK[first_G], vector_NK, options.near - 1)
    places = torch.cat([first_G.unsqueeze(1), near_GH], dim=1).flatten()
    return with_documents(rows, index).select(places.tolist())


def optimizer(student: Any, rate: float) -> torch.optim.Optimizer:
    """AdamW whose rate falls from the projection and the last layer on by --layer-decay a layer."""
    layers = len(student[0].model.encoder.layer)
    rates: dict[float, list[Tensor]] = {}
    for name, weight in student.named_parameters():
        if weight.requires_grad:
            layer = re.search(r"encoder\.layer\.(\d+)\.", name)
            below = layers - 1 - int(layer[1]) if layer else layers if "embeddings" in name else 0
            rates.setdefault(rate * options.layer_decay**below, []).append(weight)
    return torch.optim.AdamW([{"params": weights, "lr": one} for one, weights in rates.items()], weight_decay=0)


def contrastive_start(own_ND: Tensor, vector_NK: Tensor) -> tuple[Tensor, Tensor]:
    """The map of `optical-hf align`, from vectors that were kept."""
    kinds = [
        ContrastiveRows(torch.cat([foreign_ND, english_ND]), target_NK.repeat(2, 1), 0.5),
        ContrastiveRows(own_ND, vector_NK, 0.5, foreign_ND - english_ND, 1.0),
    ]
    return fitted(kinds, torch.cat([target_NK, vector_NK]), ContrastiveSettings(seed=options.seed))


def figures(read: Any) -> dict[tuple[str, str, str], float]:
    """By set, whether its language has bitext, and the language of the query."""
    found: dict[tuple[str, str, str], list[float]] = {}
    for (name, language), rows in tested.items():
        document_SK = torch.cat([encode.teacher(rows.documents), beside_NK])
        for column, texts in (("foreign", rows.foreign), ("English", rows.english)):
            kind = ("with bitext" if language in TRAIN else "no bitext") if column == "foreign" else ""
            value = r_at_1(read(texts[: options.queries]), document_SK, rows.documents + beside)
            found.setdefault((name, kind, column), []).append(value)
    return {key: sum(values) / len(values) for key, values in found.items()}


def re_indexing() -> dict[tuple[str, str, str], float]:
    found: dict[tuple[str, str, str], list[float]] = {}
    for (name, language), rows in tested.items():
        kind = "with bitext" if language in TRAIN else "no bitext"
        for key, side in (((name, kind, "foreign"), rows.foreign), ((name, "", "English"), rows.english)):
            query_QD = encode.student(side)[: options.queries]
            prompts = ("query: ", "passage: ")[: 1 if beside else 2]
            own = [torch.cat([encode.student(rows.documents, prompt), beside_ND]) for prompt in prompts]
            found.setdefault(key, []).append(max(r_at_1(query_QD, one, rows.documents + beside) for one in own))
    return {key: sum(values) / len(values) for key, values in found.items()}


def line(name: str, found: dict[tuple[str, str, str], float], seconds: float | None) -> str:
    cells = [
        f"{found[key]:.1f}" + ("" if found is own or key[2] == "English" else f" ({found[key] / own[key]:.0%})")
        for key in own
    ]
    return f"| {name} | {' | '.join(cells)} | {'' if seconds is None else f'{seconds:.0f}'} |"


def reader(student: Any) -> Callable[[list[str]], Tensor]:
    """Reads queries, to 128 tokens as the documents are."""
    student.max_seq_length = 128
    return lambda texts: student.encode_query(texts, convert_to_tensor=True, show_progress_bar=False)


class Seconds(TrainerCallback):
    """Ends a run when its processor time is over."""

    def on_train_begin(self, *args: Any, **kwargs: Any) -> None:
        self.begun = time.process_time()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        control.should_training_stop = time.process_time() - self.begun > options.mse


class OnTheWay(TrainerCallback):
    """Prints the figures of a run after each step of --at, and counts the processor time of the steps alone."""

    def __init__(self, steps: int) -> None:
        self.steps, self.seconds, self.clock = steps, 0.0, time.process_time()

    def stop(self) -> float:
        self.seconds += time.process_time() - self.clock
        return self.seconds

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any, **kwargs: Any) -> None:
        if state.global_step in options.at and state.global_step < self.steps:
            name, length = f"the map, step {state.global_step} of {self.steps}", model.max_seq_length
            seconds = self.stop()
            print(line(name, figures(reader(model.eval())), seconds), flush=True)
            model.train().max_seq_length = length
            self.clock = time.process_time()


def mse_student(pairs: Dataset, texts: list[str], vector_NK: Tensor) -> tuple[SentenceTransformer, float]:
    """Both sides of the bitext and the documents take the place of the teacher's unit vectors, without a projection."""
    read = pairs["target"][:] + pairs["source"][:] + texts
    labels = normalize(torch.cat([target_NK, target_NK, vector_NK]), dim=1).tolist()
    student = SentenceTransformer(
        str(options.models / "multilingual-e5-small"), device="cpu", prompts={"query": "query: "}
    )
    student.max_seq_length = 64
    begun = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        args = SentenceTransformerTrainingArguments(
            folder, save_strategy="no", report_to="none", logging_steps=20, per_device_train_batch_size=48,
            learning_rate=2e-5, warmup_steps=24, max_steps=options.mse, seed=options.seed, use_cpu=True,
            lr_scheduler_type="constant_with_warmup",
        )  # fmt: skip
        rows = Dataset.from_dict({"sentence": ["query: " + text for text in read], "label": labels})
        trainer = SentenceTransformerTrainer(
            student, args, rows.shuffle(seed=options.seed), loss=MSELoss(student), callbacks=[Seconds()]
        )
        trainer.train()
    return student, time.process_time() - begun


own = re_indexing()
print(
    f"| | {' | '.join(', '.join(filter(None, key)) for key in own)} | seconds of the steps |\n|{'---|' * (len(own) + 2)}"
)
print(line("re-indexing", own, None), flush=True)
texts, own_ND, vector_NK = documents()
rows = bitext()
foreign_ND, english_ND, target_NK = bitext_vectors(encode, options.data, options.pairs)
start = contrastive_start(own_ND, vector_NK)
index = Dataset.from_dict({"text": texts, "vector": normalize(vector_NK, dim=1).tolist()})
teacher = load_teacher(options.models / "all-MiniLM-L6-v2", device="cpu")
for steps in options.steps:
    student = load_student(options.models / "multilingual-e5-small", teacher, query_prompt="query: ", device="cpu")
    assign_projection(student, *start)
    student.max_seq_length = 64
    clock = OnTheWay(steps)
    with tempfile.TemporaryDirectory() as folder:
        if steps:
            given = RECIPE | {"max_steps": steps, "alignment": "none", "seed": options.seed} | changed
            learnt: dict[str, Dataset] = {"train_dataset": rows, "documents": index}
            if options.near > 1:
                given["train_sampling_strategy"] = "sequential"
                learnt = {"train_dataset": in_groups(rows, index, steps * given["per_device_train_batch_size"])}
            elif options.switched:
                learnt = {"train_dataset": with_documents(rows, index)}
            args = OTDistillationArguments(folder, save_strategy="no", report_to="none", logging_steps=20, **given)
            adapter = options.lora and LoraConfig(
                r=options.lora, lora_alpha=2 * options.lora, target_modules="all-linear"
            )
            made = OTDistillationTrainer(
                student, teacher, args, peft_config=adapter or None, callbacks=[clock], **learnt
            )
            if options.layer_decay < 1:
                made.optimizer = optimizer(student, args.learning_rate)
            before = {name: weight.detach().clone() for name, weight in student.named_parameters()}
            made.train()
    seconds = clock.stop()
    print(
        line(f"the map, {steps} steps of the backbone" if steps else "the map alone", figures(reader(student)), seconds)
    )
    if options.average and steps:
        for name, weight in student.named_parameters():
            weight.data.lerp_(before[name], 0.5)
        print(line(f"the mean of the weights before and after {steps} steps", figures(reader(student)), None))
    sys.stdout.flush()
if options.mse:
    student, seconds = mse_student(rows, texts, vector_NK)
    print(line("MSE by sentence-transformers, no map", figures(reader(student)), seconds), flush=True)
