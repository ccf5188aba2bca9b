"""A student fused with BM25, by reciprocal rank, beside both alone and re-indexing: R@1 and R@10 into English by set.

    OMP_NUM_THREADS=1 python examples/benchmarks/hybrid.py DATA MODELS [--vectors FOLDER --sets "Tatoeba v1" "AfriQA dev"]

Teacher all-MiniLM-L6-v2, student multilingual-e5-small with the contrastive map of contrastive_map.py: 2,000 pairs of each of seven
languages, and the documents of the index, all pseudo-foreign. BM25 reads the query as it is, or its English: the English side of a
sentence, which is its document, so only AfriQA's English questions are a translation as a user would have one. The best 100 of each
search are fused. Intervals: 95 %, of the difference to the student, by queries within languages.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import linear, normalize
from vector_sets import TEST, TRAIN, Encoders, Queries, queries

from optical_hf.models.alignment.contrastive_map import ContrastiveRows, fit_contrastive
from optical_hf.models.alignment.map_descent import ContrastiveSettings
from optical_hf.models.alignment.ridge_regression import NormalEquations
from optical_hf.stores.bm25_search import Bm25Search
from optical_hf.stores.exact_search import ExactSearch
from optical_hf.stores.rank_fusion import fuse_ranks
from optical_hf.stores.search_engine import SearchResult
from optical_hf.stores.vectors import VectorSet, VectorStore

PAIRS, QUERIES, DEPTH, PENALTY = 2000, 400, 100, 3e-4

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("data", type=Path)
parser.add_argument("models", type=Path)
parser.add_argument("--vectors", type=Path, help="folder that keeps what was encoded")
parser.add_argument("--sets", nargs="+", default=["Tatoeba v1", "AfriQA dev"])
options = parser.parse_args()
encode = Encoders(options.models, options.vectors)
torch.set_num_threads(1)


def bitext() -> tuple[Tensor, Tensor, Tensor]:
    """The student's vectors of the foreign and the English sides, and the teacher's of the English sides."""
    seen = {text for path in TEST.values() for side in queries(options.data / path) for text in side}
    sides: list[list[Tensor]] = [[], [], []]
    for path in TRAIN.values():
        pairs = queries(options.data / path)
        kept = [(f, e) for f, e in zip(*pairs[:2], strict=True) if f not in seen and e not in seen]
        foreign, english = map(list, zip(*kept[:PAIRS], strict=True))
        for side, read in zip(
            sides, (encode.student(foreign), encode.student(english), encode.teacher(english)), strict=True
        ):
            side.append(read)
    return torch.cat(sides[0]), torch.cat(sides[1]), torch.cat(sides[2])


def fitted(own_ND: Tensor, vector_NK: Tensor) -> tuple[Tensor, Tensor]:
    foreign, english, target = bitext()
    both = ContrastiveRows(torch.cat([foreign, english]), target.repeat(2, 1), 0.5)
    documents = ContrastiveRows(own_ND, vector_NK, 0.5, foreign - english, 1.0)
    sums = NormalEquations.zeros(own_ND.shape[1], vector_NK.shape[1])
    sums.add(torch.cat([both.source_ND, own_ND]), normalize(torch.cat([both.target_NK, vector_NK]), dim=1))
    start = tuple(part.float() for part in sums.solve(PENALTY))
    found = fit_contrastive(
        [both, documents], torch.cat([target, vector_NK]), start, ContrastiveSettings(steps=600, seed=0)
    )
    return found.weight_KD, found.bias_K


def best(query_QK: Tensor, document_NK: Tensor) -> SearchResult:
    index = ExactSearch("cpu").index(VectorStore.of(normalize(document_NK, dim=1)))
    return index.search(VectorSet(normalize(query_QK, dim=1)), DEPTH)


def hits(found: SearchResult, right_Q: Tensor, k: int) -> np.ndarray:
    return (found.positions[:, :k] == right_Q[:, None]).any(1).numpy().astype(float)


def interval(differences: list[np.ndarray]) -> tuple[float, float]:
    """Of the mean over languages, queries drawn again within each."""
    random = np.random.default_rng(0)
    means = [[100 * random.choice(one, (10_000, len(one))).mean(1) for one in differences]]
    return tuple(np.quantile(np.mean(means[0], axis=0), [0.025, 0.975]))


for name in options.sets:
    sets = {
        code: Queries(*(side[:QUERIES] for side in queries(options.data / path)))
        for (s, code), path in TEST.items()
        if s == name
    }
    every = [text for rows in sets.values() for text in rows.documents]
    first = sorted({text: row for row, text in reversed(list(enumerate(every)))}.values())
    texts = [every[row] for row in first]
    place = {text: row for row, text in enumerate(texts)}
    right = {code: torch.tensor([place[text] for text in rows.documents]) for code, rows in sets.items()}
    own_ND, vector_NK, passage_ND = (
        torch.cat([read(rows.documents) for rows in sets.values()])[first]
        for read in (encode.student, encode.teacher, lambda documents: encode.student(documents, "passage: "))
    )
    weight_KD, bias_K = fitted(own_ND, vector_NK)
    words = Bm25Search().index(texts)
    figures: dict[str, dict[str, SearchResult]] = {}
    for code, rows in sets.items():
        asked = encode.student(rows.foreign)
        student = best(linear(asked, weight_KD, bias_K), vector_NK)
        both = [best(asked, documents_ND) for documents_ND in (own_ND, passage_ND)]
        own = max(both, key=lambda found: hits(found, right[code], 1).mean())
        foreign, english = words.search(rows.foreign, DEPTH), words.search(rows.english, DEPTH)
        figures[code] = {
            "student": student, "BM25": foreign, "student + BM25": fuse_ranks([student, foreign], DEPTH), "re-indexing": own,
            "re-indexing + BM25": fuse_ranks([own, foreign], DEPTH), "BM25, English": english,
            "student + BM25, English": fuse_ranks([student, english], DEPTH),
        }  # fmt: skip
    print(
        f"\n{name}: {len(texts):,} documents; languages {', '.join(sets)}; {sum(len(r) for r in right.values()):,} queries"
    )
    for system in next(iter(figures.values())):
        told = f"{system:26}"
        for k in (1, 10):
            mine = [hits(figures[code][system], right[code], k) for code in sets]
            base = [hits(figures[code]["student"], right[code], k) for code in sets]
            low, high = interval([a - b for a, b in zip(mine, base, strict=True)])
            told += f"  R@{k} {100 * np.mean([m.mean() for m in mine]):5.1f}  [{low:+5.1f}, {high:+5.1f}]"
        print(told, " ".join(f"{code} {100 * hits(figures[code][system], right[code], 1).mean():.0f}" for code in sets))
