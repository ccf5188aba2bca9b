"""The bitext and test sets of contrastive_map.py, what is found of them, and the vectors of their texts, kept in a folder."""

import gzip
import json
import random
from collections.abc import Set
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor
from torch.nn.functional import normalize

from optical_hf import load_bitext
from optical_hf.languages import language_info
from optical_hf.metrics.bootstrap import resampled_means
from optical_hf.metrics.observations import observe
from optical_hf.metrics.resource_groups import split_resource_groups
from optical_hf.metrics.seeds import over_seeds, ratio_over_seeds
from optical_hf.models.alignment.contrastive_map import ContrastiveRows, fit_contrastive
from optical_hf.models.alignment.map_descent import ContrastiveSettings
from optical_hf.models.alignment.own_rank import SAME, own_rank, text_numbers
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
CHUNK = 500
PENALTY = 3e-4


class Queries(NamedTuple):
    """Foreign queries, their English documents, and the queries in English."""

    foreign: list[str]
    documents: list[str]
    english: list[str]


def queries(file: Path) -> Queries:
    """The pairs of a file in an order drawn once, without empty sides; or the questions and passages of AfriQA."""
    if "jsonl" in file.name:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
        return Queries(*([row[key] for row in rows] for key in ("question", "passage", "question_pivot")))
    source = (str(file), str(file.with_name("eng.txt.gz"))) if file.name == "som.txt.gz" else str(file)
    pairs = load_bitext({"de": source}, on_bad_row="drop").shuffle(seed=0)
    return Queries(pairs["target"][:], pairs["source"][:], pairs["source"][:])


@cache
def test_texts(data: Path) -> set[str]:
    return {text for path in TEST.values() for side in queries(data / path) for text in side}


@cache
def unseen_pairs(data: Path, path: str, count: int) -> tuple[list[str], list[str]]:
    """The first pairs of a file without a text of a test set: foreign sides, English sides."""
    pairs, seen = queries(data / path), test_texts(data)
    kept = [(f, e) for f, e in zip(*pairs[:2], strict=True) if f not in seen and e not in seen]
    foreign, english = map(list, zip(*kept[:count], strict=True))
    return foreign, english


def other_texts(data: Path, count: int) -> list[str]:
    """Different English captions and sentences, half and half, in an order drawn once, without those of a test set."""
    seen, parts = test_texts(data), []
    captions = [data / "multi30k/train.en.gz", *sorted((data / "flickr30k_captions_train").glob("*.en.gz"))]
    sentences = sorted((data / "tatoeba_train").glob("*-eng.tsv.gz"))
    for files, column in ((captions, 0), (sentences, 1)):
        found: dict[str, None] = {}
        for file in files:
            with gzip.open(file, "rt", encoding="utf-8") as lines:
                found |= dict.fromkeys(line.rstrip("\n").split("\t")[column] for line in lines)
        kept = [text for text in found if text.strip() and text not in seen]
        half = random.Random(0).sample(kept, len(kept))[: (count + 1 - column) // 2]
        parts.append(half)
    return [text for part in parts for text in part]


def fields(given: list[str]) -> dict[str, Any]:
    """Settings that were given as NAME=VALUE: numbers, true and false as JSON has them, else text."""
    found: dict[str, Any] = {}
    for name, value in (one.split("=", 1) for one in given):
        try:
            found[name] = json.loads(value)
        except json.JSONDecodeError:
            found[name] = value
    return found


def first_places(texts: list[str]) -> list[int]:
    """The first row of each different text, in order."""
    return list({text: row for row, text in reversed(list(enumerate(texts)))}.values())


def read_and_unread(count: int, read: int) -> tuple[Tensor, Tensor]:
    """The rows of a large index that a fit reads, and the others, in an order drawn once."""
    row_N = torch.randperm(count, generator=torch.Generator().manual_seed(0))
    return row_N[:read], row_N[read:]


def hits(query_SK: Tensor, document_CK: Tensor, texts: list[str]) -> np.ndarray:
    """Whether each of the queries finds its own document first, (S,): the first S documents, in order."""
    query_SK, document_CK = normalize(query_SK, dim=1), normalize(document_CK, dim=1)
    number_C, rows = text_numbers(texts), slice(len(query_SK))
    same_SC = (number_C[rows].unsqueeze(1) == number_C) | (document_CK[rows] @ document_CK.T >= SAME)
    return (own_rank(query_SK @ document_CK.T, same_SC) == 1).numpy().astype(float)


def r_at_1(query_SK: Tensor, document_CK: Tensor, texts: list[str]) -> float:
    """Their share in percent."""
    return float(100 * hits(query_SK.cpu().float(), document_CK, texts).mean())


Hits = dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]
"""By set and language: the foreign query and the English one, (N, S) of N seeds."""


def recovery(found: Hits, own: Hits, whole: dict[tuple[str, str], Queries], places: list[tuple[str, str]]) -> str:
    """The mean over languages as a share of re-indexing; of several seeds, with its 95 % interval over seeds and queries."""
    hit_NQ, own_1Q = (np.concatenate([hit[place][0] for place in places], axis=1) for hit in (found, own))
    languages = [place[1] for place in places for _ in range(found[place][0].shape[1])]
    texts = [text for place in places for text in whole[place].documents]  # translations of one text are one group
    return share(hit_NQ, own_1Q, languages, texts)


def share(hit_NQ: np.ndarray, own_1Q: np.ndarray, languages: list[str], groups: list[str]) -> str:
    """As `recovery`, of N seeds and Q queries, those of a group resampled together."""
    code_Q = np.array(languages)
    mean, bar = (sum(hit[:, code_Q == code].mean() for code in dict.fromkeys(languages)) for hit in (hit_NQ, own_1Q))
    if len(hit_NQ) < 2:
        return f"{mean / bar:.0%}"
    seen = observe(list(np.concatenate([hit_NQ, own_1Q])), languages, groups, least=1)
    weights_L = np.full(len(seen.languages), 1 / len(seen.languages))
    estimate = ratio_over_seeds(seen, resampled_means(seen, 2000, seed=0), weights_L).estimate(0.95)
    return f"{estimate.value:.0%}, {100 * (estimate.low or 0):.0f} to {100 * (estimate.high or 0):.0f}"


def gap(found: Hits, whole: dict[tuple[str, str], Queries], name: str, seeds: int) -> str:
    """R@1 of the high- minus that of the low-resource languages (classes 4 and 5, 0 to 2), in points, over seeds and queries."""
    places = [place for place in whole if place[0] == name]
    runs_NQ = np.concatenate(
        [np.broadcast_to(found[place][0], (seeds, found[place][0].shape[1])) for place in places], axis=1
    )
    languages = [place[1] for place in places for _ in whole[place].foreign]
    texts = [text for place in places for text in whole[place].documents]
    resource_groups = split_resource_groups(
        {code: language_info(code).resource_class for _, code in places}, high_from=4, low_to=2
    )
    seen = observe(list(runs_NQ), languages, texts, least=1)
    signs = [
        (code in resource_groups.high) / len(resource_groups.high)
        - (code in resource_groups.low) / len(resource_groups.low)
        for code in seen.languages
    ]
    estimate = over_seeds(seen, resampled_means(seen, 2000, seed=0), np.array(signs)).estimate(0.95)
    groups = f"{' '.join(resource_groups.high)} - {' '.join(resource_groups.low)}"
    return (
        f"gap {groups}: {100 * estimate.value:.1f} [{100 * (estimate.low or 0):.1f}, {100 * (estimate.high or 0):.1f}]"
    )


def ridge(source_ND: Tensor, target_NK: Tensor) -> tuple[Tensor, Tensor]:
    """Weight and bias of a ridge regression on targets of unit length."""
    sums = NormalEquations.zeros(source_ND.shape[1], target_NK.shape[1])
    sums.add(source_ND, normalize(target_NK, dim=1))
    weight_KD, bias_K = sums.solve(PENALTY)
    return weight_KD.float(), bias_K.float()


def fitted(kinds: list[ContrastiveRows], negatives_MK: Tensor, settings: ContrastiveSettings) -> tuple[Tensor, Tensor]:
    """Weight and bias of the contrastive map from the ridge regression of the same rows."""
    start = ridge(torch.cat([kind.source_ND for kind in kinds]), torch.cat([kind.target_NK for kind in kinds]))
    found = fit_contrastive(kinds, negatives_MK, start, settings)
    assert found.bias_K is not None
    return found.weight_KD, found.bias_K


class Encoders:
    """Pooled vectors before any normalisation; where a folder is given, each chunk of texts is kept there."""

    def __init__(self, models: Path, folder: Path | None) -> None:
        self.folders, self.kept = models, folder
        self.models: dict[str, SentenceTransformer] = {}

    def student(self, texts: list[str], prompt: str = "query: ", layers: int | None = None) -> Tensor:
        """Of multilingual-e5-small behind a prompt; of its first layers alone."""
        return self("multilingual-e5-small" + (f"/{layers}" if layers else ""), [prompt + text for text in texts])

    def teacher(self, texts: list[str]) -> Tensor:
        """Of all-MiniLM-L6-v2."""
        return self("all-MiniLM-L6-v2", texts)

    def __call__(self, name: str, texts: list[str]) -> Tensor:
        return torch.cat([self.chunk(name, texts[at : at + CHUNK]) for at in range(0, len(texts), CHUNK)])

    def chunk(self, name: str, texts: list[str]) -> Tensor:
        place = self.kept and self.kept / f"{text_hash(chr(0).join([name, *texts])).hex()}.pt"
        if place and place.exists():
            return torch.load(place, weights_only=True)
        if name not in self.models:
            folder, _, layers = name.partition("/")
            config = {"num_hidden_layers": int(layers)} if layers else {}
            whole = SentenceTransformer(str(self.folders / folder), device="cpu", config_kwargs=config)
            self.models[name] = SentenceTransformer(modules=[whole[0], whole[1]], device="cpu")
            self.models[name].max_seq_length = 128
        found = self.models[name].encode(texts, convert_to_tensor=True, show_progress_bar=False).float()
        if place:
            place.parent.mkdir(parents=True, exist_ok=True)
            torch.save(found, place)
        return found


def bitext_vectors(
    encode: Encoders, data: Path, count: int, layers: int | None = None, tested: Set[str] = frozenset()
) -> tuple[Tensor, Tensor, Tensor]:
    """Of the bitext, without pairs of `tested` texts: the student's vectors of both sides, and the teacher's of the English one."""
    sides: list[list[Tensor]] = [[], [], []]
    for path in TRAIN.values():
        foreign, english = unseen_pairs(data, path, count)
        kept = [row for row, pair in enumerate(zip(foreign, english, strict=True)) if not tested & {*pair}]
        read = encode.student(foreign, layers=layers), encode.student(english, layers=layers), encode.teacher(english)
        for side, found in zip(sides, read, strict=True):
            side.append(found[kept])
    return torch.cat(sides[0]), torch.cat(sides[1]), torch.cat(sides[2])
