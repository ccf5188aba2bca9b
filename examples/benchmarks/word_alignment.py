"""Transport plans as word aligners, scored on gold alignments: a check of transport that knows nothing of retrieval.

    OMP_NUM_THREADS=1 python examples/benchmarks/word_alignment.py DATA MODELS [--sentences 300] [--teacher]

DATA/word_alignment holds XL-WA dev (es, hu, et: 315 sentences, Martelli et al. 2023) and the gold of en-fr (447, Och and Ney 2003)
and ro-en (248, Mihalcea and Pedersen 2003). Layer, epsilon and the rest are chosen on XL-WA; the other two are for reporting.
Untrained multilingual-e5-small reads both sides. A pair of words is aligned where a pair of their pieces is. The figure is the
alignment error rate in percent, less is better, with sure links S and possible links P of the gold:

    AER = 1 - (|A and S| + |A and P|) / (|A| + |S|)

Argmax, itermax and match are SimAlign's methods (Jalili Sabet et al. 2020, arXiv:2004.08728), written anew on the same vectors. The
plan of a pair is read as argmax is: a link where two pieces give each other most of their mass. --teacher reads the English side by
all-MiniLM-L6-v2 and the other by students aligned with it on 4,000 captions, German and French; then all but en-fr is unseen.
"""

import argparse
import gzip
import math
import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from datasets import Dataset
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn.functional import normalize
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModel, AutoTokenizer
from vector_sets import unseen_pairs

from optical_hf import fit_alignment, load_student, load_teacher
from optical_hf.models.views import as_late_interaction
from optical_hf.ot import solve

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("data", type=Path)
parser.add_argument("models", type=Path)
parser.add_argument("--sentences", type=int, default=10**6, help="of each language")
parser.add_argument("--prefix", default="query: ", help="in front of each sentence, left out of the alignment")
parser.add_argument(
    "--teacher", action="store_true", help="the teacher's English tokens and an aligned student's others"
)
options = parser.parse_args()
torch.set_num_threads(1)
torch.set_grad_enabled(False)
CHOICE = ("es", "hu", "et")
Words = set[tuple[int, int]]


class Sentence(NamedTuple):
    """A pair of sentences, English first, and its gold links by word."""

    english: list[str]
    other: list[str]
    sure: Words
    possible: Words


def lines(file: Path) -> list[str]:
    with gzip.open(file, "rt", encoding="utf-8") as opened:
        return opened.read().splitlines()


def gold() -> dict[str, list[Sentence]]:
    folder, found = options.data / "word_alignment", {}
    for code in CHOICE:
        cut = [line.split("\t") for line in lines(folder / f"xlwa.{code}.dev.tsv.gz")]
        found[code] = [Sentence(one.split(), other.split(), *(links(pairs, 0)[0],) * 2) for one, other, pairs in cut]
    for name, code in (("enfr", "fr"), ("roen", "ro")):
        texts = [line.split("|||") for line in lines(folder / f"{name}.src-tgt.gz")]
        both = [links(pairs, 1) for pairs in lines(folder / f"{name}.gold.gz")]
        found[code] = [Sentence(a.split(), b.split(), *two) for (a, b), two in zip(texts, both, strict=True)]
    found["ro"] = [turned(sentence) for sentence in found["ro"]]
    return {code: rows[: options.sentences] for code, rows in found.items()}


def turned(sentence: Sentence) -> Sentence:
    sides = ({(b, a) for a, b in kind} for kind in (sentence.sure, sentence.possible))
    return Sentence(sentence.other, sentence.english, *sides)


def links(line: str, first: int) -> tuple[Words, Words]:
    """Sure links, and all of them; counted from `first`."""
    read = [(int(a) - first, int(b) - first, kind) for a, kind, b in re.findall(r"(\d+)([-p])(\d+)", line)]
    return {(a, b) for a, b, kind in read if kind == "-"}, {(a, b) for a, b, _ in read}


class Pieces(NamedTuple):
    """Of a sentence: vectors of its pieces by layer (L, N, D), and the word of each."""

    layer_LND: Tensor
    word_N: list[int]


def read(
    tokenizer: Any, states: Callable[[Any], Tensor], sentences: list[list[str]], prefix: list[str]
) -> list[Pieces]:
    """`states` gives the vectors (L, 1, N, D) of a tokenized sentence."""
    found = []
    for words in sentences:
        features = tokenizer([*prefix, *words], is_split_into_words=True, truncation=True, return_tensors="pt")
        kept = [(at, word - len(prefix)) for at, word in enumerate(features.word_ids()) if word is not None]
        kept = [(at, word) for at, word in kept if word >= 0]
        layer_LND = normalize(states(features)[:, 0, [at for at, _ in kept]].float(), dim=-1)
        found.append(Pieces(layer_LND, [word for _, word in kept]))
    return found


Scores = list[Tensor]
"""Cosines (N, M) of the pieces of each pair of sentences."""
Links = list[Tensor]
"""Which pieces are aligned, (N, M) bool."""


def mutual(score_NM: Tensor) -> Tensor:
    """The highest of its row and of its column."""
    return (score_NM == score_NM.amax(1, keepdim=True)) & (score_NM == score_NM.amax(0)) & (score_NM > 0)


def itermax(score_NM: Tensor, rounds: int = 2, discount: float = 0.9) -> Tensor:
    """Argmax again among what is left, in which a side that is aligned counts less and a pair of aligned sides nothing."""
    found_NM = mutual(score_NM)
    for _ in range(rounds - 1):
        row_N1, column_M = found_NM.any(1, keepdim=True), found_NM.any(0)
        weight_NM = torch.where(row_N1 ^ column_M, discount, 1.0).masked_fill(row_N1 & column_M, 0.0)
        found_NM = found_NM | mutual(((score_NM + 1) / 2) * weight_NM)
    return found_NM


def match(score_NM: Tensor) -> Tensor:
    """The one-to-one alignment of the highest sum."""
    found_NM = torch.zeros_like(score_NM, dtype=torch.bool)
    found_NM[linear_sum_assignment(score_NM.numpy(), maximize=True)] = True
    return found_NM


def by_plan(masses: str = "pieces", **given: Any) -> Callable[[Scores], Links]:
    """Argmax on the plan of each pair. Masses: alike for "pieces", for "words", or "idf" of the pieces' words."""

    def aligned(scores: Scores) -> Links:
        found: Links = []
        for at in range(0, len(scores), 64):
            part, sides = scores[at : at + 64], mass_of[masses]
            size = max(len(s) for s in part), max(s.shape[1] for s in part)
            cost_BNM = torch.ones(len(part), *size)
            for row, score_NM in enumerate(part):
                cost_BNM[row, : len(score_NM), : score_NM.shape[1]] = 1 - score_NM
            one_BN, other_BM = (pad_sequence(side[at : at + 64], batch_first=True) for side in sides)
            plan_BNM = solve(cost_BNM, source_mass=one_BN, target_mass=other_BM, max_iterations=5000, **given).plan
            found += [mutual(plan[: len(s), : s.shape[1]]) for plan, s in zip(plan_BNM, part, strict=True)]
        return found

    return aligned


def each(one: Callable[[Tensor], Tensor]) -> Callable[[Scores], Links]:
    return lambda scores: [one(score_NM) for score_NM in scores]


SIMALIGN = {"argmax": each(mutual), "itermax": each(itermax), "match": each(match)}
PLANS = {f"plan, epsilon {epsilon}": by_plan(epsilon=epsilon) for epsilon in (0.02, 0.05, 0.1, 0.2)}
PLANS |= {"plan, exact": by_plan(solver="exact")}
PLANS |= {f"plan, epsilon {e}, mass by {m}": by_plan(m, epsilon=e) for e in (0.02, 0.05) for m in ("words", "idf")}
PLANS |= {
    f"plan, unbalanced, epsilon {e}, rho {rho}": by_plan(solver="unbalanced", epsilon=e, rho=rho)
    for e in (0.02, 0.05, 0.1)
    for rho in (0.05, 0.1, 0.5)
}
PLANS |= {  # as in `optical-hf search --explain`: the query, here the other language, is held, and English may be left out
    f"plan, English relaxed, epsilon {e}, rho {rho}": by_plan(solver="unbalanced", epsilon=e, rho=(rho, math.inf))
    for e in (0.02, 0.05)
    for rho in (0.05, 0.1, 0.5)
}
PLANS |= {f"plan, partial {share}": by_plan(solver="partial", epsilon=0.05, share=share) for share in (0.7, 0.8, 0.9)}
mass_of: dict[str, tuple[list[Tensor], list[Tensor]]] = {}


def set_masses(sentences: list[Sentence], pieces: tuple[list[Pieces], list[Pieces]]) -> None:
    """By kind of mass, that of each piece of each sentence, English and other; each sums up to 1."""
    for kind in ("pieces", "words", "idf"):
        sides = []
        for texts, side in zip(([s.english for s in sentences], [s.other for s in sentences]), pieces, strict=True):
            seen = Counter(word for text in texts for word in set(text))
            weights = []
            for text, (_, word_N) in zip(texts, side, strict=True):
                mass_N = torch.ones(len(word_N))
                if kind == "words":
                    mass_N /= torch.tensor([word_N.count(word) for word in word_N])
                if kind == "idf":
                    mass_N = (len(texts) / torch.tensor([float(seen[text[word]]) for word in word_N])).log() + 0.1
                weights.append(mass_N / mass_N.sum())
            sides.append(weights)
        mass_of[kind] = (sides[0], sides[1])


def error_rate(sentences: list[Sentence], pieces: tuple[list[Pieces], list[Pieces]], aligned: Links) -> float:
    hit = size = 0
    for sentence, one, other, link_NM in zip(sentences, *pieces, aligned, strict=True):
        words = {(one.word_N[a], other.word_N[b]) for a, b in link_NM.nonzero().tolist()}
        hit += len(words & sentence.sure) + len(words & sentence.possible)
        size += len(words) + len(sentence.sure)
    return 100 * (1 - hit / size)


Both = dict[str, tuple[list[Pieces], list[Pieces]]]


def row(name: str, both: Both, align: Callable[[Scores], Links], layer: int) -> tuple[float, str]:
    """The mean over XL-WA, and a line: it, and each language."""
    begun, rates = time.process_time(), {}
    for code, pieces in both.items():
        scores = [a.layer_LND[layer] @ b.layer_LND[layer].T for a, b in zip(*pieces, strict=True)]
        set_masses(corpus[code], pieces)
        rates[code] = error_rate(corpus[code], pieces, align(scores))
    chosen = sum(rates[code] for code in CHOICE) / len(CHOICE)
    seconds = time.process_time() - begun
    return chosen, f"| {name} | {chosen:.1f} | {' | '.join(f'{rate:.1f}' for rate in rates.values())} | {seconds:.0f} |"


def table(title: str, both: Both, layer: int, methods: dict[str, Callable[[Scores], Links]]) -> None:
    print(f"\n{title}\n\n| | XL-WA, mean | {' | '.join(both)} | seconds |\n|{'---|' * (len(both) + 3)}")
    for name, align in methods.items():
        print(row(name, both, align, layer)[1], flush=True)


def backbone() -> Both:
    tokenizer = AutoTokenizer.from_pretrained(options.models / "multilingual-e5-small")
    model = AutoModel.from_pretrained(options.models / "multilingual-e5-small").eval()

    def states(features: Any) -> Tensor:
        return torch.stack(model(**features, output_hidden_states=True).hidden_states)

    prefix = options.prefix.split()
    return {
        code: (read(tokenizer, states, [s.english for s in rows], prefix), read(tokenizer, states, [s.other for s in rows], prefix))
        for code, rows in corpus.items()
    }  # fmt: skip


def of_model(model: Any, side: str, prefix: list[str]) -> dict[str, list[Pieces]]:
    def states(features: Any) -> Tensor:
        return model(dict(features))["token_embeddings"].unsqueeze(0)

    return {
        code: read(model.tokenizer, states, [getattr(s, side) for s in rows], prefix) for code, rows in corpus.items()
    }


corpus = gold()
if not options.teacher:
    both = backbone()
    layers = range(both["fr"][0][0].layer_LND.shape[0])
    print(
        f"| layer, argmax / plan of epsilon 0.05 | XL-WA, mean | {' | '.join(both)} | seconds |\n|{'---|' * (len(both) + 3)}"
    )
    best = []
    for layer in layers:
        for name, align in (("argmax", SIMALIGN["argmax"]), ("plan", PLANS["plan, epsilon 0.05"])):
            mean, line = row(f"{layer}, {name}", both, align, layer)
            best.append((mean, layer))
            print(line, flush=True)
    for layer in dict.fromkeys((min(best)[1], layers[-1])):
        table(f"Layer {layer}", both, layer, SIMALIGN | PLANS)
else:
    teacher = as_late_interaction(load_teacher(options.models / "all-MiniLM-L6-v2", device="cpu"))
    english = of_model(teacher, "english", [])
    pairs: dict[str, list[str]] = {"source": [], "target": [], "language": []}
    for code in ("de", "fr"):
        other, one = unseen_pairs(options.data, f"multi30k/train.{code}.gz", 2000)
        pairs = {
            key: pairs[key] + new for key, new in (("source", one), ("target", other), ("language", [code] * 2000))
        }
    methods: tuple[dict[str, Any], ...] = ({"method": "ridge"}, {"method": "transport"}, {"method": "contrastive"})
    for given in methods:
        student = load_student(
            options.models / "multilingual-e5-small", teacher, query_prompt=options.prefix, device="cpu"
        )
        with torch.enable_grad():
            fit_alignment(student, teacher, Dataset.from_dict(pairs), **given)
        foreign = of_model(student, "other", options.prefix.split())
        both = {code: (english[code], foreign[code]) for code in corpus}
        table(f"Teacher and student of {given['method']}", both, 0, SIMALIGN | PLANS)
