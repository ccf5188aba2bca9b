"""Ridge, contrastive map and re-indexing: R@1 into English by set and language, and the processor seconds of each fit.

    OMP_NUM_THREADS=1 python examples/benchmarks/contrastive_map.py DATA MODELS [--pairs 2000 --test 400 --vectors FOLDER]

Teacher all-MiniLM-L6-v2, student multilingual-e5-small ("query: "), one vector, at most 128 tokens. The bitext is of German
and French (captions), Finnish, Marathi and Tagalog (sentences), Swahili (news) and Somali (nine domains); pairs with a text of
a test set are left out. The two maps search the teacher's index. Re-indexing is the student's untrained checkpoint in an index
of its own, behind "query: " or "passage: ", whichever retrieves more in that set and language. The last column is the English
query through the contrastive map. `--vectors` keeps what was encoded, and a second run reads it.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor
from torch.nn.functional import normalize

from optical_hf import load_bitext
from optical_hf.models.alignment.contrastive_map import ContrastiveMap, ContrastiveSettings, fit_contrastive
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
parser.add_argument("--seed", type=int, default=0, help="of the rows drawn for each step")
options = parser.parse_args()
torch.set_num_threads(1)


class Pairs(NamedTuple):
    foreign: list[str]
    english: list[str]


def pairs(code: str, path: str) -> Pairs:
    """The pairs of a file in an order drawn once, without empty sides."""
    file = options.data / path
    source = (str(file), str(file.with_name("eng.txt.gz"))) if file.name == "som.txt.gz" else str(file)
    rows = load_bitext({code: source}, on_bad_row="drop").shuffle(seed=0)
    return Pairs(rows["target"][:], rows["source"][:])


class Encoders:
    """Pooled vectors before any normalisation; where a folder is given, each chunk of texts is kept there."""

    def __init__(self) -> None:
        self.models: dict[str, SentenceTransformer] = {}

    def __call__(self, name: str, texts: list[str]) -> Tensor:
        return torch.cat([self.chunk(name, texts[at : at + CHUNK]) for at in range(0, len(texts), CHUNK)])

    def chunk(self, name: str, texts: list[str]) -> Tensor:
        place = options.vectors and options.vectors / f"{text_hash(chr(0).join([name, *texts])).hex()}.pt"
        if place and place.exists():
            return torch.load(place)
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


def fitted() -> Iterator[tuple[str, Map, float]]:
    """The name of a map, the map, and the processor seconds of its fit."""
    sources, targets = [], []
    seen = {text for both in whole.values() for texts in both for text in texts}
    for code, path in TRAIN.items():
        both = [(f, e) for f, e in zip(*pairs(code, path), strict=True) if f not in seen and e not in seen]
        foreign, english = map(list, zip(*both[: options.pairs], strict=True))
        sources += [student(foreign), student(english)]
        targets += [teacher(english)] * 2
    source_ND, target_NK = torch.cat(sources), torch.cat(targets)
    english_MK = torch.cat(targets[::2])
    begun = time.process_time()
    sums = NormalEquations.zeros(source_ND.shape[1], target_NK.shape[1])
    sums.add(source_ND, target_NK)
    start = tuple(tensor.float() for tensor in sums.solve(PENALTY))
    yield "ridge", mapping(*start), time.process_time() - begun
    begun = time.process_time()
    settings = ContrastiveSettings(steps=options.steps, seed=options.seed)
    found: ContrastiveMap = fit_contrastive(source_ND, target_NK, english_MK, start, settings)
    yield "contrastive", mapping(found.weight_KD, found.bias_K), time.process_time() - begun


def mapping(weight_KD: Tensor, bias_K: Tensor) -> Map:
    return lambda source_ND: torch.nn.functional.linear(source_ND, weight_KD, bias_K)


def line(name: str, group: str, ridge: float, contrastive: float, own: float, english: float) -> str:
    return (
        f"| {name} | {group} | {ridge:.1f} | {contrastive:.1f} | {own:.1f} | {contrastive / own:.0%} | {english:.1f} |"
    )


whole = {(name, code): pairs(code, path) for (name, code), path in TEST.items()}
maps = list(fitted())
print(f"{' and '.join(f'{name} {seconds:.1f} s' for name, _, seconds in maps)}, {options.pairs} pairs a language\n")
print("| set | language | ridge | contrastive | re-indexing | recovery | English, contrastive |")
print("|---|---|---|---|---|---|---|")
found: dict[tuple[str, bool], list[list[float]]] = {}
for (name, code), both in whole.items():
    foreign, english = (side[: options.test] for side in both)
    document_SK, query_SD, english_SD = teacher(english), student(foreign), student(english)
    by_map = [recall_at_1(transform(query_SD), document_SK, english) for _, transform, _ in maps]
    own = max(recall_at_1(query_SD, own_SD, english) for own_SD in (english_SD, student(english, "passage: ")))
    figures = [*by_map, own, recall_at_1(maps[-1][1](english_SD), document_SK, english)]
    found.setdefault((name, code in TRAIN), []).append(figures)
    print(line(name, code, *figures), flush=True)
for (name, seen), rows in found.items():
    means = [sum(column) / len(column) for column in zip(*rows, strict=True)]
    print(line(f"**{name}**", f"mean of {len(rows)} {'with' if seen else 'without'} bitext", *means))
