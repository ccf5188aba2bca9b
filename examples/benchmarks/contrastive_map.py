"""The contrastive map with and without bitext and index documents, beside ridge and re-indexing: R@1 into English by set.

    OMP_NUM_THREADS=1 python examples/benchmarks/contrastive_map.py DATA MODELS [--pairs 2000 --test 400 --vectors FOLDER]

Teacher all-MiniLM-L6-v2, student multilingual-e5-small ("query: "), one vector, at most 128 tokens. The bitext is of German
and French (captions), Finnish, Marathi and Tagalog (sentences), Swahili (news) and Somali (nine domains); pairs with a text of
a test set are left out. The index of a set holds the English sides of all its languages, and each language searches its own. Index
documents are those, read without their translations. Re-indexing is the student's untrained checkpoint in an index of its own,
behind "query: " or "passage: ", whichever retrieves more in that set and language
("query: " with --among and --others). Seconds are of
the processor, for one fit on vectors that were read. `--vectors` keeps what was encoded, and a second run reads it.
"""

import argparse
import math
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
import vector_sets
from adapter_maps import low_rank_affine, procrustes, residual_mlp
from reporting_sets import reporting_sets
from torch import Tensor
from torch.nn.functional import linear
from vector_sets import TEST, TRAIN, Encoders, Hits, bitext_vectors, fitted, hits, other_texts, queries

from optical_hf.models.alignment.contrastive_map import ContrastiveRows
from optical_hf.models.alignment.contrastive_rows import PASSES_OF_ENGLISH
from optical_hf.models.alignment.map_descent import ContrastiveSettings
from optical_hf.stores.documents.document_sentences import cut_sentences

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
parser.add_argument(
    "--reporting", action="store_true", help="the sets that nothing was chosen on, in place of the others"
)
parser.add_argument("--layers", type=int, help="the student's first layers alone; re-indexing keeps all")
parser.add_argument("--sets", nargs="+", help="test sets, such as 'AfriQA dev'; all by default")
parser.add_argument("--only", nargs="+", default=[""], help="systems of these names, or whose name holds one of these")
parser.add_argument(
    "--among", action="store_true", help="each set's documents among the English sides of the bitext, 2,000 a language"
)
parser.add_argument("--others", type=int, default=0, help="among so many captions and sentences instead")
parser.add_argument("--seen", type=int, default=10_000, help="with --others: documents of the index that a fit reads")
parser.add_argument("--unread", type=int, default=100_000, help="vectors of the others among the negatives")
parser.add_argument("--set", nargs="+", default=[], help="fields of ContrastiveSettings, as NAME=VALUE")
parser.add_argument("--gap", metavar="SET", help="print the R@1 gap of 'Tatoeba v1' too; two seeds or more")
parser.add_argument("--by-language", action="store_true", help="print each language too")
options = parser.parse_args()
if options.reporting and options.among:
    parser.error("--among is for the sets that settings are chosen on: leave out --reporting")
encode = Encoders(options.models, options.vectors)
student, teacher = partial(encode.student, layers=options.layers), encode.teacher
torch.set_num_threads(1)
sets = reporting_sets(options.data) if options.reporting else {p: queries(options.data / f) for p, f in TEST.items()}
whole = {
    place: vector_sets.Queries(*(side[: options.test] for side in rows))
    for place, rows in sets.items()
    if place[0] in (options.sets or [place[0]])
}
SETS = list(dict.fromkeys(name for name, _ in whole))
changed = vector_sets.fields(options.set)
tested = {text for rows in sets.values() for side in rows for text in side}


@cache
def bitext() -> tuple[Tensor, Tensor, Tensor]:
    """The student's vectors of the foreign and the English sides, and the teacher's of the English sides."""
    return bitext_vectors(encode, options.data, options.pairs, options.layers, tested)


@cache
def others() -> tuple[list[str], Tensor, Tensor]:
    """What stands in every index beside the set's own documents; and the student's and the teacher's vectors of it."""
    if options.others:
        texts = other_texts(options.data, options.others)
        return texts, student(texts), teacher(texts)
    if options.among:
        sides = (vector_sets.unseen_pairs(options.data, path, options.pairs)[1] for path in TRAIN.values())
        return [english for side in sides for english in side], bitext()[1], bitext()[2]
    return [], torch.empty(0, student([""]).shape[1]), torch.empty(0, teacher([""]).shape[1])


@cache
def index(name: str) -> tuple[Tensor, Tensor, Tensor]:
    """The student's and the teacher's vectors of a set's different documents; with --others of some of the whole index.

    And the teacher's vectors of what is not read.
    """
    places = [place for place in whole if place[0] == name]
    first = vector_sets.first_places([text for place in places for text in whole[place].documents])
    both = (torch.cat([read(whole[place].documents) for place in places]) for read in (student, teacher))
    own_ND, vector_NK = (vectors[first] for vectors in both)
    if not options.others:
        return own_ND, vector_NK, vector_NK[:0]
    own_ND, vector_NK = torch.cat([own_ND, others()[1]]), torch.cat([vector_NK, others()[2]])
    seen, unseen = vector_sets.read_and_unread(len(own_ND), options.seen)
    return own_ND[seen], vector_NK[seen], vector_NK[unseen[: options.unread]]


@cache
def sentences(name: str, whose: str) -> tuple[Tensor, Tensor]:
    """As `index`, of the documents' sentences; their targets are their own vectors, or those of their documents."""
    texts = list(dict.fromkeys(text for place, rows in whole.items() if place[0] == name for text in rows.documents))
    cut = [(sentence, text) for text in texts for sentence in cut_sentences(text)]
    parts, documents = map(list, zip(*cut, strict=True))
    if whose == "own":
        return student(parts), teacher(parts)
    places = {text: place for place, text in enumerate(texts)}
    return student(parts), teacher(texts)[[places[text] for text in documents]]


@cache
def questions() -> tuple[Tensor, Tensor, Tensor]:
    """As `bitext`, of the questions of AfriQA's training set, in seven languages."""
    files = sorted((options.data / "afriqa").glob("*-en.train.jsonl.gz"))
    read = [queries(file) for file in files]
    foreign, english = ([text for side in read for text in side[place]] for place in (0, 2))
    return student(foreign), student(english), teacher(english)


@cache
def fit(name: str, share: float, shifted: float, seed: int, asked: str = "", cut: str = "") -> Map:
    """The map for one index ("" for none); `share` of a step is its documents, 1 where there is no bitext.

    Half of the documents' share is their sentences where `cut` says whose vector is the target: "own" or "document".
    A quarter of a step is questions where `asked` says "english" (query texts) or "pairs" (a bitext of them).
    """
    foreign, english, target = bitext()
    kinds, negatives = [], []
    if share < 1:
        kinds.append(ContrastiveRows(torch.cat([foreign, english]), target.repeat(2, 1), 1 - share))
        negatives.append(target)
    if share:
        kinds.append(ContrastiveRows(*index(name)[:2], share / 2 if cut else share, foreign - english, shifted))
        if cut:
            kinds.append(ContrastiveRows(*sentences(name, cut), share / 2, foreign - english, shifted))
        negatives += index(name)[1:]
    if asked:
        foreign, english, target = questions()
        source = english if asked == "english" else torch.cat([foreign, english])
        kinds.append(ContrastiveRows(source, target.repeat(len(source) // len(target), 1), 1 / 3))
        negatives.append(target)
    settings = ContrastiveSettings(**{"steps": options.steps, "seed": seed} | changed)
    if share == 1:
        settings = settings.at_most(PASSES_OF_ENGLISH, len(kinds[0].source_ND))
    weight_KD, bias_K = fitted(kinds, torch.cat(negatives), settings)
    return lambda source_ND: linear(source_ND, weight_KD, bias_K)


def of_ridge(name: str, seed: int) -> Map:
    foreign, english, target = bitext()
    weight_KD, bias_K = vector_sets.ridge(torch.cat([foreign, english]), target.repeat(2, 1))
    return lambda source_ND: linear(source_ND, weight_KD, bias_K)


def other(adapter: Callable[..., Map], documents: bool) -> Callable[[str, int], Map]:
    """A map of other work, on the same rows as ours."""

    def adapted(name: str, seed: int) -> Map:
        foreign, english, target = bitext()
        sources, targets = [foreign, english], [target, target]
        if documents:
            sources.append(index(name)[0])
            targets.append(index(name)[1])
        seeded = {} if adapter is procrustes else {"seed": seed}
        return adapter(torch.cat(sources), torch.cat(targets), **seeded)

    return adapted


def of_english(name: str, seed: int) -> Map:
    """A regression on English alone: the English sides and the documents (M2M, arXiv:2601.10096)."""
    english, target = (torch.cat(side) for side in zip(bitext()[1:], index(name)[:2], strict=True))
    weight_KD, bias_K = vector_sets.ridge(english, target)
    return lambda source_ND: linear(source_ND, weight_KD, bias_K)


SYSTEMS: dict[str, Callable[[str, int], Map]] = {
    "ridge, bitext": of_ridge,
    "contrastive, bitext": lambda _, seed: fit("", 0.0, 0.0, seed),
    "contrastive, bitext, documents all pseudo-foreign": lambda name, seed: fit(name, 0.5, 1.0, seed),
    "... and their sentences, own vectors": lambda name, seed: fit(name, 0.5, 1.0, seed, cut="own"),
    "... and their sentences, the document's vector": lambda name, seed: fit(name, 0.5, 1.0, seed, cut="document"),
    "... sentences and a quarter English questions": lambda name, seed: fit(name, 0.5, 1.0, seed, "english", "own"),
    "... and a quarter English questions": lambda name, seed: fit(name, 0.5, 1.0, seed, "english"),
    "... and a quarter pairs of questions": lambda name, seed: fit(name, 0.5, 1.0, seed, "pairs"),
    "contrastive, documents alone": lambda name, seed: fit(name, 1.0, 0.0, seed),
    "Procrustes, bitext and documents": other(procrustes, documents=True),
    "low-rank affine, bitext and documents": other(low_rank_affine, documents=True),
    "residual MLP, bitext and documents": other(residual_mlp, documents=True),
    "regression, English alone": of_english,
    "contrastive, bitext and documents": lambda name, seed: fit(name, 0.5, 0.0, seed),
    "... half of them pseudo-foreign": lambda name, seed: fit(name, 0.5, 0.5, seed),
    "... all pseudo-foreign, three quarters of a step": lambda name, seed: fit(name, 0.75, 1.0, seed),
}


def of_map(system: Callable[[str, int], Map]) -> tuple[Hits, float]:
    """What is found by set and language, and the seconds of a fit."""
    found: Hits = {}
    seconds = 0.0
    for name in SETS:
        begun = time.process_time()
        maps = [system(name, seed) for seed in options.seeds]  # one that reads no documents is fitted once
        seconds += time.process_time() - begun
        for place, rows in whole.items():
            if place[0] == name:
                beside, _, other_OK = others()
                document_CK, texts = torch.cat([teacher(rows.documents), other_OK]), rows.documents + beside
                foreign, english = (
                    np.stack([hits(one(student(side)), document_CK, texts) for one in maps])
                    for side in (rows.foreign, rows.english)
                )
                found[place] = (foreign, english)
    return found, seconds / len(SETS) / len(options.seeds)


def re_indexing() -> Hits:
    found: Hits = {}
    beside = others()[0]
    other_OD, prompts = encode.student(beside or [""])[: len(beside)], ("query: ", "passage: ")[: 1 if beside else 2]
    for place, rows in whole.items():
        own = [torch.cat([encode.student(rows.documents, prompt), other_OD]) for prompt in prompts]
        foreign, english = (
            max((hits(encode.student(side), one, rows.documents + beside) for one in own), key=np.mean)[None]
            for side in (rows.foreign, rows.english)
        )
        found[place] = (foreign, english)
    return found


def of_teacher() -> Hits:
    beside, _, other_OK = others()
    found: Hits = {}
    for place, rows in whole.items():
        document_CK = torch.cat([teacher(rows.documents), other_OK])
        english = hits(teacher(rows.english), document_CK, rows.documents + beside)
        found[place] = (np.full((1, 1), np.nan), english[None])
    return found


GROUPS = [
    (name, seen)
    for name in SETS
    for seen in (True, False)
    if any(p[0] == name and (p[1] in TRAIN) == seen for p in whole)
]


def row(name: str, found: Hits, own: Hits, seconds: float | None) -> str:
    """Means by set, with bitext and without, behind each the share of re-indexing; and the English query by set."""
    cells = []
    for group in GROUPS:
        places = [place for place in whole if (place[0], place[1] in TRAIN) == group]
        mean = 100 * sum(found[place][0].mean() for place in places) / len(places)
        share = "" if found is own or math.isnan(mean) else f" ({vector_sets.recovery(found, own, whole, places)})"
        cells.append("" if math.isnan(mean) else f"{mean:.1f}{share}")
    for name_of_set in SETS:
        places = [place for place in whole if place[0] == name_of_set]
        cells.append(f"{100 * sum(found[place][1].mean() for place in places) / len(places):.1f}")
    whole_row = f"| {name} | {' | '.join(cells)} | {'' if seconds is None else f'{seconds:.0f}'} |"
    if not options.gap or math.isnan(mean):
        return whole_row
    return f"{whole_row}\n    {vector_sets.gap(found, whole, options.gap, len(options.seeds))}"


own = re_indexing()
print(f"{options.pairs} pairs a language, {options.test} queries a set and language, seeds {options.seeds}\n")
heads = [f"{name}, {'with' if seen else 'no'} bitext" for name, seen in GROUPS] + [f"English, {name}" for name in SETS]
print(f"| | {' | '.join(heads)} | seconds |\n|{'---|' * (len(heads) + 2)}")
print(row("re-indexing", own, own, None))
print(row("teacher, English", of_teacher(), own, None), flush=True)
for name, system in SYSTEMS.items():
    if name not in options.only and not any(part in name for part in options.only if part not in SYSTEMS):
        continue
    found, seconds = of_map(system)
    print(row(name, found, own, seconds), flush=True)
    if options.by_language:
        for place, (foreign, english) in found.items():
            bar = 100 * own[place][0].mean()
            print(f"    {place} {100 * foreign.mean():.1f}, English {100 * english.mean():.1f}, re-indexing {bar:.1f}")
