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
import math
import time
from collections import Counter
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple, get_args

import torch
from datasets import Dataset, concatenate_datasets
from gold_alignments import CHOICE, Sentence, gold
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn.functional import normalize
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModel, AutoTokenizer
from vector_sets import unseen_pairs

from optical_hf import fit_alignment, load_student, load_teacher
from optical_hf.models.alignment.alignment_report import Method
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


class Pieces(NamedTuple):
    """Of a sentence: vectors of its pieces by layer (L, N, D), and the word of each."""

    layer_LND: Tensor
    word_N: Tensor


def pieces(
    tokenizer: Any, states: Callable[[Any], Tensor], sentences: list[list[str]], prefix: list[str]
) -> list[Pieces]:
    """`states` gives the vectors (L, 1, N, D) of a tokenized sentence."""
    found = []
    for words in sentences:
        features = tokenizer([*prefix, *words], is_split_into_words=True, truncation=True, return_tensors="pt")
        kept = [(at, word - len(prefix)) for at, word in enumerate(features.word_ids()) if word is not None]
        kept = [(at, word) for at, word in kept if word >= 0]
        layer_LND = normalize(states(features)[:, 0, [at for at, _ in kept]].float(), dim=-1)
        found.append(Pieces(layer_LND, torch.tensor([word for _, word in kept])))
    return found


Scores = list[Tensor]
"""Cosines (N, M) of the pieces of each pair of sentences."""
Links = list[Tensor]
"""Which pieces are aligned, (N, M) bool."""
Masses = dict[str, tuple[list[Tensor], list[Tensor]]]
"""By kind, that of each piece of each sentence, English and other; each sums up to 1."""
Align = Callable[[Scores, Masses], Links]


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


def by_plan(kind: str = "pieces", **given: Any) -> Align:
    """Argmax on the plan of each pair. Masses: alike for "pieces", for "words", or "idf" of the pieces' words."""

    def aligned(scores: Scores, masses: Masses) -> Links:
        found: Links = []
        for at in range(0, len(scores), 64):
            part, sides = scores[at : at + 64], masses[kind]
            size = max(len(s) for s in part), max(s.shape[1] for s in part)
            cost_BNM = torch.ones(len(part), *size)
            for row, score_NM in enumerate(part):
                cost_BNM[row, : len(score_NM), : score_NM.shape[1]] = 1 - score_NM
            one_BN, other_BM = (pad_sequence(side[at : at + 64], batch_first=True) for side in sides)
            plan_BNM = solve(cost_BNM, source_mass=one_BN, target_mass=other_BM, max_iterations=5000, **given).plan
            found += [mutual(plan[: len(s), : s.shape[1]]) for plan, s in zip(plan_BNM, part, strict=True)]
        return found

    return aligned


def each(one: Callable[[Tensor], Tensor]) -> Align:
    return lambda scores, _: [one(score_NM) for score_NM in scores]


SIMALIGN = {"argmax": each(mutual), "itermax": each(itermax), "match": each(match)}
PLANS = {f"plan, epsilon {e}": by_plan(epsilon=e) for e in (0.02, 0.05, 0.1, 0.2)} | {
    "plan, exact": by_plan(solver="exact")
}
PLANS |= {f"plan, epsilon {e}, mass by {m}": by_plan(m, epsilon=e) for e in (0.02, 0.05) for m in ("words", "idf")}
PLANS |= {
    f"plan, unbalanced, epsilon {e}, rho {rho}": by_plan(solver="unbalanced", epsilon=e, rho=rho)
    for e in (0.02, 0.05, 0.1)
    for rho in (0.05, 0.1, 0.5)
}
PLANS |= {  # as `optical-hf search --explain` does: the query, here the other language, is held; English may be left out
    f"plan, English relaxed, epsilon {e}, rho {rho}": by_plan(solver="unbalanced", epsilon=e, rho=(rho, math.inf))
    for e in (0.02, 0.05)
    for rho in (0.05, 0.1, 0.5)
}
PLANS |= {f"plan, partial {share}": by_plan(solver="partial", epsilon=0.05, share=share) for share in (0.7, 0.8, 0.9)}


class Both(NamedTuple):
    """The sentences of a language as they were read, English and other, and the masses of their pieces."""

    english: list[Pieces]
    other: list[Pieces]
    masses: Masses

    @classmethod
    def of(cls, sentences: list[Sentence], english: list[Pieces], other: list[Pieces]) -> "Both":
        sides = [s.english for s in sentences], [s.other for s in sentences]
        both = [masses(*side) for side in zip(sides, (english, other), strict=True)]
        return cls(english, other, {kind: (both[0][kind], both[1][kind]) for kind in both[0]})


def masses(texts: list[list[str]], pieces: list[Pieces]) -> dict[str, list[Tensor]]:
    seen = Counter(word for text in texts for word in set(text))
    found: dict[str, list[Tensor]] = {"pieces": [], "words": [], "idf": []}
    for text, (_, word_N) in zip(texts, pieces, strict=True):
        size = word_N.bincount()[word_N].float()
        rare = (len(texts) / torch.tensor([float(seen[text[word]]) for word in word_N])).log() + 0.1
        for kind, mass_N in (("pieces", torch.ones(len(word_N))), ("words", 1 / size), ("idf", rare)):
            found[kind].append(mass_N / mass_N.sum())
    return found


def error_rate(sentences: list[Sentence], both: Both, aligned: Links) -> float:
    hit = size = 0
    for sentence, one, other, link_NM in zip(sentences, both.english, both.other, aligned, strict=True):
        words = {(int(one.word_N[a]), int(other.word_N[b])) for a, b in link_NM.nonzero().tolist()}
        hit += len(words & sentence.sure) + len(words & sentence.possible)
        size += len(words) + len(sentence.sure)
    return 100 * (1 - hit / size)


Languages = dict[str, Both]


def row(name: str, read: Languages, align: Align, layer: int) -> tuple[float, str]:
    """The mean over XL-WA, and a line: it, and each language."""
    begun, rates = time.process_time(), {}
    for code, both in read.items():
        scores = [a.layer_LND[layer] @ b.layer_LND[layer].T for a, b in zip(both.english, both.other, strict=True)]
        rates[code] = error_rate(corpus[code], both, align(scores, both.masses))
    chosen = sum(rates[code] for code in CHOICE) / len(CHOICE)
    seconds = time.process_time() - begun
    return chosen, f"| {name} | {chosen:.1f} | {' | '.join(f'{rate:.1f}' for rate in rates.values())} | {seconds:.0f} |"


def table(title: str, read: Languages, layer: int, methods: dict[str, Align]) -> None:
    print(f"\n{title}\n\n{head('')}")
    for name, align in methods.items():
        print(row(name, read, align, layer)[1], flush=True)


def head(first: str) -> str:
    return f"| {first} | XL-WA, mean | {' | '.join(corpus)} | seconds |\n|{'---|' * (len(corpus) + 3)}"


def backbone() -> Languages:
    tokenizer = AutoTokenizer.from_pretrained(options.models / "multilingual-e5-small")
    model = AutoModel.from_pretrained(options.models / "multilingual-e5-small").eval()

    def states(features: Any) -> Tensor:
        return torch.stack(model(**features, output_hidden_states=True).hidden_states)

    return joined(*(of_model(tokenizer, states, side, options.prefix.split()) for side in ("english", "other")))


def joined(english: dict[str, list[Pieces]], other: dict[str, list[Pieces]]) -> Languages:
    return {code: Both.of(rows, english[code], other[code]) for code, rows in corpus.items()}


def of_model(tokenizer: Any, states: Callable[[Any], Tensor], side: str, prefix: list[str]) -> dict[str, list[Pieces]]:
    return {code: pieces(tokenizer, states, [getattr(s, side) for s in rows], prefix) for code, rows in corpus.items()}


def untrained() -> None:
    """By layer, then by method at the best layer and the last one."""
    both = backbone()
    layers = range(len(both["fr"].english[0].layer_LND))
    print(head("layer, argmax / plan of epsilon 0.05"))
    rates = {}
    for layer, (name, align) in product(
        layers, {"argmax": SIMALIGN["argmax"], "plan": PLANS["plan, epsilon 0.05"]}.items()
    ):
        rates[layer, name], line = row(f"{layer}, {name}", both, align, layer)
        print(line, flush=True)
    best, _ = min(rates, key=rates.__getitem__)
    for layer in dict.fromkeys((best, layers[-1])):
        table(f"Layer {layer}", both, layer, SIMALIGN | PLANS)


def teacher_and_students() -> None:
    """By method, for the students of three fits."""

    def tokens(model: Any, side: str, prefix: list[str]) -> dict[str, list[Pieces]]:
        return of_model(
            model.tokenizer, lambda features: model(dict(features))["token_embeddings"].unsqueeze(0), side, prefix
        )

    teacher = as_late_interaction(load_teacher(options.models / "all-MiniLM-L6-v2", device="cpu"))
    english = tokens(teacher, "english", [])
    parts = []
    for code in ("de", "fr"):
        other, one = unseen_pairs(options.data, f"multi30k/train.{code}.gz", 2000)
        parts.append(Dataset.from_dict({"source": one, "target": other, "language": [code] * len(one)}))
    pairs = concatenate_datasets(parts)
    backbone, methods = options.models / "multilingual-e5-small", get_args(Method)
    for method in methods:
        student = load_student(backbone, teacher, query_prompt=options.prefix, device="cpu")
        with torch.enable_grad():
            fit_alignment(student, teacher, pairs, method=method)
        both = joined(english, tokens(student, "other", options.prefix.split()))
        table(f"Teacher and student of {method}", both, 0, SIMALIGN | PLANS)


corpus = gold(options.data, options.sentences)
teacher_and_students() if options.teacher else untrained()
