"""The contrastive map with and without bitext and index documents, beside ridge and re-indexing: R@1 into English by set.

    OMP_NUM_THREADS=1 python examples/benchmarks/contrastive_map.py DATA MODELS [--pairs 2000 --test 400 --vectors FOLDER]

Teacher all-MiniLM-L6-v2, student multilingual-e5-small ("query: "), one vector, at most 128 tokens. The bitext is of German
and French (captions), Finnish, Marathi and Tagalog (sentences), Swahili (news) and Somali (nine domains); pairs with a text of
a test set are left out. The index of a set holds the English sides of all its languages, and each language searches its own. Index
documents are those, read without their translations. Re-indexing is the student's untrained checkpoint in an index of its own,
behind "query: " or "passage: ", whichever retrieves more in that set and language. Seconds are of the processor, for one fit on
vectors that were read. `--vectors` keeps what was encoded, and a second run reads it.
"""

import argparse
import gzip
import json
import math
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor
from torch.nn.functional import linear, normalize

from optical_hf import load_bitext
from optical_hf.models.alignment.contrastive_map import ContrastiveRows, fit_contrastive
from optical_hf.models.alignment.map_descent import ContrastiveSettings
from optical_hf.models.alignment.own_rank import own_rank, same_targets, text_numbers
from optical_hf.models.alignment.ridge_regression import NormalEquations
from optical_hf.models.teachers.token_cache.cache_shards import text_hash

TRAIN = {
    "de": "multi30k/train.de.gz",
    "fr": "multi30k/train.fr.gz",
    "fi": "tatoeba_train/fin-eng.tsv.gz",
    "mr": "tatoeba_train/mar-eng.tsv.gz",
    "tl": "tatoeba_train/tgl-eng.tsv.gz",
    "sw": "lafand_mt/swa-eng.train.tsv.gz",
    "so": "hornmt/som.txt.gz",
}
TATOEBA = {"de": "deu", "fr": "fra", "fi": "fin", "mr": "mar", "tl": "tgl", "sw": "swh"}
TATOEBA |= {"id": "ind", "tr": "tur", "hi": "hin", "vi": "vie"}
LAFAND = {"sw": "swa", "ha": "hau", "ig": "ibo", "yo": "yor", "zu": "zul", "xh": "xho"}
TEST = {("Tatoeba v1", code): f"tatoeba_v1/{name}-eng.tsv.gz" for code, name in TATOEBA.items()}
TEST |= {("LAFAND dev", code): f"lafand_mt/{name}-eng.dev.tsv.gz" for code, name in LAFAND.items()}
TEST |= {("Multi30k 2017", code): f"multi30k/test_2017_flickr.{code}.gz" for code in ("de", "fr")}
TEST |= {("AfriQA dev", code): f"afriqa/{name}-en.dev.jsonl.gz" for code, name in {"ha": "hau", "zu": "zul"}.items()}
PENALTY = 3e-4
CHUNK = 500
Map = Callable[[Tensor], Tensor]

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("data", type=Path)
parser.add_argument("models", type=Path)
parser.add_argument("--pairs", type=int, default=2000, help="pairs of each language of the bitext")
parser.add_argument("--test", type=int, default=400, help="pairs of each test set and language")
parser.add_argument("--vectors", type=Path, help="folder that keeps what was encoded")
parser.add_argument("--steps", type=int, default=600, help="gradient steps")
parser.add_argument(
    "--seeds", type=int, nargs="+", default=[0], help="of the rows of each step; figures are means over them"
)
parser.add_argument("--by-language", action="store_true", help="print each language too")
options = parser.parse_args()
torch.set_num_threads(1)


class Queries(NamedTuple):
    """Foreign queries, their English documents, and the queries in English."""

    foreign: list[str]
    documents: list[str]
    english: list[str]


def queries(path: str) -> Queries:
    """The pairs of a file in an order drawn once, without empty sides; or the questions and passages of AfriQA."""
    file = options.data / path
    if "jsonl" in file.name:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
        return Queries(*([row[key] for row in rows] for key in ("question", "passage", "question_pivot")))
    source = (str(file), str(file.with_name("eng.txt.gz"))) if file.name == "som.txt.gz" else str(file)
    pairs = load_bitext({"de": source}, on_bad_row="drop").shuffle(seed=0)
    return Queries(pairs["target"][:], pairs["source"][:], pairs["source"][:])


class Encoders:
    """Pooled vectors before any normalisation; where a folder is given, each chunk of texts is kept there."""

    def __init__(self) -> None:
        self.models: dict[str, SentenceTransformer] = {}

    def __call__(self, name: str, texts: list[str]) -> Tensor:
        return torch.cat([self.chunk(name, texts[at : at + CHUNK]) for at in range(0, len(texts), CHUNK)])

    def chunk(self, name: str, texts: list[str]) -> Tensor:
        place = options.vectors and options.vectors / f"{text_hash(chr(0).join([name, *texts])).hex()}.pt"
        if place and place.exists():
            return torch.load(place, weights_only=True)
        if name not in self.models:
            whole = SentenceTransformer(str(options.models / name), device="cpu")
            self.models[name] = SentenceTransformer(modules=[whole[0], whole[1]], device="cpu")
            self.models[name].max_seq_length = 128
        found = self.models[name].encode(texts, convert_to_tensor=True, show_progress_bar=False).float()
        if place:
            place.parent.mkdir(parents=True, exist_ok=True)
            torch.save(found, place)
        return found


encode = Encoders()


def student(texts: list[str], prompt: str = "query: ") -> Tensor:
    return encode("multilingual-e5-small", [prompt + text for text in texts])


def teacher(texts: list[str]) -> Tensor:
    return encode("all-MiniLM-L6-v2", texts)


def recall_at_1(query_SK: Tensor, document_SK: Tensor, texts: list[str]) -> float:
    query_SK, document_SK = normalize(query_SK, dim=1), normalize(document_SK, dim=1)
    ranks = own_rank(query_SK @ document_SK.T, same_targets(text_numbers(texts), document_SK))
    return float((ranks == 1).float().mean() * 100)


whole = {place: Queries(*(side[: options.test] for side in queries(path))) for place, path in TEST.items()}
SETS = list(dict.fromkeys(name for name, _ in whole))


@cache
def bitext() -> tuple[Tensor, Tensor, Tensor]:
    """The student's vectors of the foreign and the English sides, and the teacher's of the English sides."""
    seen = {text for path in TEST.values() for side in queries(path) for text in side}
    sides: list[list[Tensor]] = [[], [], []]
    for path in TRAIN.values():
        pairs = queries(path)
        kept = [(f, e) for f, e in zip(*pairs[:2], strict=True) if f not in seen and e not in seen]
        foreign, english = map(list, zip(*kept[: options.pairs], strict=True))
        for side, found in zip(sides, (student(foreign), student(english), teacher(english)), strict=True):
            side.append(found)
    return torch.cat(sides[0]), torch.cat(sides[1]), torch.cat(sides[2])


@cache
def index(name: str) -> tuple[Tensor, Tensor]:
    """The student's and the teacher's vectors of a set's different documents."""
    places = [place for place in whole if place[0] == name]
    texts = [text for place in places for text in whole[place].documents]
    first = list({text: row for row, text in reversed(list(enumerate(texts)))}.values())
    both = (torch.cat([read(whole[place].documents) for place in places]) for read in (student, teacher))
    own_ND, vector_NK = (vectors[first] for vectors in both)
    return own_ND, vector_NK


def ridge(source_ND: Tensor, target_NK: Tensor) -> tuple[Tensor, Tensor]:
    sums = NormalEquations.zeros(source_ND.shape[1], target_NK.shape[1])
    sums.add(source_ND, normalize(target_NK, dim=1))
    weight_KD, bias_K = sums.solve(PENALTY)
    return weight_KD.float(), bias_K.float()


def fit(name: str, share: float, shifted: float, seed: int) -> Map:
    """The map for one index; `share` of a step is its documents, 1 where there is no bitext."""
    foreign, english, target = bitext()
    kinds, negatives = [], []
    if share < 1:
        kinds.append(ContrastiveRows(torch.cat([foreign, english]), target.repeat(2, 1), 1 - share))
        negatives.append(target)
    if share:
        kinds.append(ContrastiveRows(*index(name), share, foreign - english, shifted))
        negatives.append(index(name)[1])
    start = ridge(
        *(torch.cat(side) for side in zip(*((kind.source_ND, kind.target_NK) for kind in kinds), strict=True))
    )
    settings = ContrastiveSettings(steps=options.steps, seed=seed)
    found = fit_contrastive(kinds, torch.cat(negatives), start, settings)
    return lambda source_ND: linear(source_ND, found.weight_KD, found.bias_K)


def of_ridge(name: str, seed: int) -> Map:
    foreign, english, target = bitext()
    weight_KD, bias_K = ridge(torch.cat([foreign, english]), target.repeat(2, 1))
    return lambda source_ND: linear(source_ND, weight_KD, bias_K)


SYSTEMS: dict[str, Callable[[str, int], Map]] = {
    "ridge, bitext": of_ridge,
    "contrastive, bitext": lambda name, seed: fit(name, 0.0, 0.0, seed),
    "bitext and documents": lambda name, seed: fit(name, 0.5, 0.0, seed),
    "... half of them pseudo-foreign": lambda name, seed: fit(name, 0.5, 0.5, seed),
    "... all of them pseudo-foreign": lambda name, seed: fit(name, 0.5, 1.0, seed),
    "... and three quarters of a step": lambda name, seed: fit(name, 0.75, 1.0, seed),
    "documents, no bitext": lambda name, seed: fit(name, 1.0, 0.0, seed),
}
Figures = dict[tuple[str, str], tuple[float, float]]


def of_map(system: Callable[[str, int], Map]) -> tuple[Figures, float]:
    """R@1 of the foreign and of the English query, by set and language; and the seconds of a fit."""
    found: Figures = {}
    seconds = 0.0
    for name in SETS:
        begun = time.process_time()
        maps = [system(name, seed) for seed in options.seeds]
        seconds += time.process_time() - begun
        for place, rows in whole.items():
            if place[0] == name:
                document_SK = teacher(rows.documents)
                both = [
                    [recall_at_1(one(student(side)), document_SK, rows.documents) for one in maps]
                    for side in (rows.foreign, rows.english)
                ]
                found[place] = (sum(both[0]) / len(maps), sum(both[1]) / len(maps))
    return found, seconds / len(SETS) / len(options.seeds)


def re_indexing() -> Figures:
    found: Figures = {}
    for place, rows in whole.items():
        own = [student(rows.documents, prompt) for prompt in ("query: ", "passage: ")]
        both = [
            max(recall_at_1(student(side), documents, rows.documents) for documents in own)
            for side in (rows.foreign, rows.english)
        ]
        found[place] = (both[0], both[1])
    return found


def of_teacher() -> Figures:
    found: Figures = {}
    for place, rows in whole.items():
        found[place] = (float("nan"), recall_at_1(teacher(rows.english), teacher(rows.documents), rows.documents))
    return found


GROUPS = [
    (name, seen)
    for name in SETS
    for seen in (True, False)
    if any(p[0] == name and (p[1] in TRAIN) == seen for p in whole)
]


def row(name: str, found: Figures, own: Figures, seconds: float | None) -> str:
    """Means by set, with bitext and without, behind each the share of re-indexing; and the English query by set."""
    cells = []
    for group in GROUPS:
        places = [place for place in whole if (place[0], place[1] in TRAIN) == group]
        mean, bar = (sum(figures[place][0] for place in places) / len(places) for figures in (found, own))
        cells.append("" if math.isnan(mean) else f"{mean:.1f}" if found is own else f"{mean:.1f} ({mean / bar:.0%})")
    for name_of_set in SETS:
        places = [place for place in whole if place[0] == name_of_set]
        cells.append(f"{sum(found[place][1] for place in places) / len(places):.1f}")
    return f"| {name} | {' | '.join(cells)} | {'' if seconds is None else f'{seconds:.0f}'} |"


own = re_indexing()
print(f"{options.pairs} pairs a language, {options.test} queries a set and language, seeds {options.seeds}\n")
heads = [f"{name}, {'with' if seen else 'no'} bitext" for name, seen in GROUPS] + [f"English, {name}" for name in SETS]
print(f"| | {' | '.join(heads)} | seconds |\n|{'---|' * (len(heads) + 2)}")
print(row("re-indexing", own, own, None))
print(row("teacher, English", of_teacher(), own, None), flush=True)
for name, system in SYSTEMS.items():
    found, seconds = of_map(system)
    print(row(name, found, own, seconds), flush=True)
    if options.by_language:
        print(
            "\n".join(
                f"    {set_} {code} {f:.1f} English {e:.1f} re-indexing {own[set_, code][0]:.1f}"
                for (set_, code), (f, e) in found.items()
            )
        )
