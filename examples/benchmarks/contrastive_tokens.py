"""The map of tokens fitted by InfoNCE over MaxSim, on the reference sets: R@1 in percent, one vector / MaxSim.

    OMP_NUM_THREADS=1 python examples/benchmarks/contrastive_tokens.py DATA MODELS CACHE [--only ROW ...] [--rerank 50]

Teacher all-MiniLM-L6-v2, student multilingual-e5-small without a prefix, at most 48 tokens; bitext and sets are those of
`alignment.py`. MaxSim is over all tokens of both sides, on the first 300 queries of a reference set and the first 150 of the six
other sets. Re-indexing is the student's untrained checkpoint in an index of its own. CACHE keeps the tokens of both models. The
last column is processor seconds of the fit, once the tokens are there. With `--rerank N` each query searches the documents of all
sets, and a third figure is MaxSim of the first N that the vector finds, as `optical-hf search --rerank N` orders them.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import torch
from reference_sets import other_sets, reference_sets, training_pairs, translations
from torch import Tensor
from torch.nn.functional import linear, normalize

from optical_hf import fit_alignment, load_student, load_teacher
from optical_hf.models import as_backbone, token_projection
from optical_hf.models.alignment.contrastive_map import ContrastiveRows, fit_contrastive
from optical_hf.models.alignment.contrastive_tokens import BY_TOKENS, TokenRows, fit_contrastive_tokens, mean_maxsim
from optical_hf.models.alignment.map_descent import ContrastiveSettings
from optical_hf.models.alignment.own_rank import own_rank, same_targets, text_numbers
from optical_hf.models.alignment.packed_tokens import TOKENS_PER_TEXT, PackedTokens
from optical_hf.models.prompts import set_prompts
from optical_hf.models.teachers.teacher import EncoderTeacher, Teacher
from optical_hf.models.teachers.token_cache.teacher_cache import TeacherCache
from optical_hf.models.tokens import Encoder, TokenSet

Map = tuple[Tensor, Tensor]
CLOSED = {"ridge": {"method": "ridge"}, "transport": {}, "relay": {"plans": "relay"}}
CONTRASTIVE = {
    "contrastive from ridge": {"start": "ridge"},
    "contrastive from transport": {"start": "transport"},
    "contrastive from relay (default)": {},
    "+ the sets' documents, half of each step": {"document_share": 0.5},
    "seed 1": {"seed": 1},
    "seed 2": {"seed": 2},
    "no English in the steps": {"read_english": False},
    "special tokens and punctuation in": {"content": False},
    "8 tokens a text, at equal distances": {"tokens_per_text": 8},
    "8 tokens a text, the first": {"tokens_per_text": 8, "first": True},
    "temperature 0.05": {"temperature": 0.05},
    "learning rate 0.001": {"learning_rate": 1e-3},
    "600 steps": {"steps": 600},
}
ONE_VECTOR = "one vector: the map of pooled vectors, with the sets' documents"
OWN = {"re-indexing, query: and query:": "query: ", "re-indexing, query: and passage:": "passage: "}
DRAWN = 2400

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("data", type=Path)
parser.add_argument("models", type=Path)
parser.add_argument("cache", type=Path)
parser.add_argument("--only", nargs="+", choices=[*CLOSED, *CONTRASTIVE, ONE_VECTOR, *OWN], help="these rows")
parser.add_argument("--rerank", type=int, metavar="N", help="documents that the vector finds and MaxSim orders")
options = parser.parse_args()
torch.set_num_threads(1)

bitext = training_pairs(options.data, "de", "mr").select(range(DRAWN))
collections = {"reference": reference_sets(options.data), "others": other_sets(options.data)}
sets = {name: translations(collection) for part in collections.values() for name, collection in part.items()}
foreign, english = bitext["target"][:], list(dict.fromkeys(bitext["source"][:]))
queries = [pair["target"] for pairs in sets.values() for pair in pairs]
documents = list(dict.fromkeys(pair["source"] for pairs in sets.values() for pair in pairs))

teacher = load_teacher(options.models / "all-MiniLM-L6-v2")
teacher.max_seq_length = 48
student = load_student(options.models / "multilingual-e5-small", teacher, max_seq_length=48, query_prompt="")
backbone = as_backbone(student)


def cached(model: Encoder, texts: list[str]) -> TeacherCache:
    return TeacherCache.build(model, sorted(set(texts), key=len), options.cache, progress=False)


targets = cached(teacher, english + documents)
read = cached(backbone, foreign + english + queries + documents)


def tokens(cache: Teacher, texts: list[str], content: bool = False) -> list[Tensor]:
    """The tokens of each text: all, or those with content."""
    found = []
    for batch in cache.iter_token_sets(texts):
        kept_BN = batch.content_BN if content else batch.mask_BN
        found += [tokens_ND[kept_N] for tokens_ND, kept_N in zip(batch.tokens_BND, kept_BN, strict=True)]
    return found


class Known(EncoderTeacher):
    """The teacher with its tokenizer, which relay plans need; its tokens come from the cache."""

    def iter_token_sets(self, *asked: object) -> Iterator[TokenSet]:
        return targets.iter_token_sets(*asked)


@cache
def closed(start: str) -> tuple[Map, float]:
    """A closed form of the library, and its processor seconds."""
    begun = time.process_time()
    fit_alignment(student, Known(teacher), bitext, student_tokens=read, progress=False, **CLOSED[start])
    linear = token_projection(student).linear
    return (linear.weight.detach().clone(), linear.bias.detach().clone()), time.process_time() - begun


def contrastive(
    start: str = "relay",
    document_share: float = 0.0,
    tokens_per_text: int = TOKENS_PER_TEXT,
    first: bool = False,
    content: bool = True,
    read_english: bool = True,
    **settings: float,
) -> tuple[Map, float]:
    """A map fitted on packed tokens, and the processor seconds of the fit with its start."""
    begun, seconds = closed(start)

    def packed(cache: Teacher, texts: list[str]) -> PackedTokens:
        kept = tokens(cache, texts, content)
        return PackedTokens.of([text[:tokens_per_text] for text in kept] if first else kept, tokens_per_text)

    number = {text: place for place, text in enumerate(english)}
    own = torch.tensor([number[text] for text in bitext["source"][:]])
    rows = [TokenRows(packed(read, foreign), own, (1 - document_share) / (1 + read_english))]
    if read_english:
        rows.append(TokenRows(packed(read, english), torch.arange(len(english)), (1 - document_share) / 2))
    searched = list(english)
    if document_share:
        new = [text for text in documents if text not in number]
        searched += new
        rows.append(TokenRows(packed(read, new), len(english) + torch.arange(len(new)), document_share))
    candidates = packed(targets, searched)
    clock = time.process_time()
    found = fit_contrastive_tokens(rows, candidates, begun, replace(BY_TOKENS, **settings))
    return (found.weight_KD, found.bias_K), seconds + time.process_time() - clock


def one_vector() -> tuple[Map, float]:
    """The contrastive map of `align` for one vector a text, on the same pairs and documents."""
    begun = time.process_time()

    def pooled(kept: Teacher, texts: list[str]) -> Tensor:
        return torch.stack([text.mean(dim=0) for text in tokens(kept, texts)])

    foreign_ND, own_ND = pooled(read, foreign), pooled(read, bitext["source"][:])
    target_NK, document_CK = pooled(targets, bitext["source"][:]), pooled(targets, documents)
    kinds = [
        ContrastiveRows(torch.cat([foreign_ND, own_ND]), target_NK.repeat(2, 1), 0.5),
        ContrastiveRows(pooled(read, documents), document_CK, 0.5, foreign_ND - own_ND, 1.0),
    ]
    start, _ = closed("ridge")
    found = fit_contrastive(kinds, torch.cat([target_NK, document_CK]), start, ContrastiveSettings(seed=0))
    return (found.weight_KD, found.bias_K), time.process_time() - begun


def recall_at_1(query: list[Tensor], document: list[Tensor], texts: list[str], most: int) -> list[float]:
    """By one vector, by MaxSim on the first `most` queries, and of these by MaxSim of what the vector finds first.

    The first documents are those of the queries, in order.
    """
    query_SK, document_CK = (torch.stack([text.mean(dim=0) for text in side]) for side in (query, document))
    same_SC = same_targets(text_numbers(texts), document_CK)[: len(query)]
    vector_SC = normalize(query_SK, dim=1) @ normalize(document_CK, dim=1).T
    packed, first = PackedTokens.of(document, 64), query[:most]
    parts = []
    for at in range(0, len(first), 50):
        some = first[at : at + 50]
        lengths = torch.tensor([len(text) for text in some])
        parts.append(mean_maxsim(normalize(torch.cat(some), dim=1), lengths, packed, torch.arange(len(document))))
    score_QC = torch.cat(parts)
    ahead_QC = ~(score_QC < score_QC.diagonal().unsqueeze(1)) & ~same_SC[: len(first)]
    found = [own_rank(vector_SC, same_SC) == 1, ahead_QC.sum(1) == 0]
    if options.rerank:
        kept_QC = torch.zeros_like(ahead_QC).scatter_(1, vector_SC[: len(first)].topk(options.rerank).indices, True)
        found.append(((ahead_QC & kept_QC).sum(1) == 0) & kept_QC.diagonal())
    return [float(hit.float().mean()) * 100 for hit in found]


def print_row(name: str, query_of: dict[str, list[Tensor]], document_of: dict[str, list[Tensor]], seconds: str) -> None:
    found = {}
    for part, members in collections.items():
        for key in members:
            texts, searched = [pair["source"] for pair in sets[key]], document_of[key]
            for other in sets if options.rerank else ():
                if other != key:
                    texts, searched = texts + [pair["source"] for pair in sets[other]], searched + document_of[other]
            most = 300 if part == "reference" else 150
            found[key] = recall_at_1(query_of[key], searched, texts, most)
    means = [
        " / ".join(f"{sum(figures) / len(members):.1f}" for figures in zip(*map(found.get, members), strict=True))
        for members in collections.values()
    ]
    cells = [" / ".join(f"{figure:.0f}" for figure in found[key]) for key in collections["reference"]]
    print(f"| {name} | {' | '.join(cells + means)} | {seconds} |", flush=True)


def of_sets(kept: Teacher, side: str) -> dict[str, list[Tensor]]:
    return {key: tokens(kept, [pair[side] for pair in pairs]) for key, pairs in sets.items()}


queries_of, documents_of = of_sets(read, "target"), of_sets(targets, "source")
print(f"| | {' | '.join(collections['reference'])} | mean | six others | seconds |")
print(f"|---{'|---' * (len(collections['reference']) + 3)}|")
for name in options.only or [*CLOSED, *CONTRASTIVE, ONE_VECTOR, *OWN]:
    if name in OWN:
        set_prompts(backbone, query="query: ")
        asked = of_sets(cached(backbone, queries + documents), "target")
        set_prompts(backbone, query=OWN[name])
        own = cached(backbone, (queries if OWN[name] == "query: " else []) + documents)
        print_row(name, asked, of_sets(own, "source"), "")
        continue
    if name == ONE_VECTOR:
        (weight_KD, bias_K), seconds = one_vector()
    else:
        (weight_KD, bias_K), seconds = closed(name) if name in CLOSED else contrastive(**CONTRASTIVE[name])
    mapped_of = {key: [linear(text, weight_KD, bias_K) for text in texts] for key, texts in queries_of.items()}
    print_row(name, mapped_of, documents_of, f"{seconds:.0f}")
