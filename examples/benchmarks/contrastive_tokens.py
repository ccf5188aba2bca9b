"""The map of tokens fitted by InfoNCE over MaxSim, on the reference sets: R@1 in percent, one vector / MaxSim, and the fit's seconds.

    OMP_NUM_THREADS=1 python examples/benchmarks/contrastive_tokens.py DATA MODELS CACHE [--only ROW ...]

Teacher all-MiniLM-L6-v2, student multilingual-e5-small without a prefix, at most 48 tokens; bitext and sets are those of
`alignment.py`. MaxSim on the first 300 queries of the six reference sets and the first 150 of the six others, on all tokens of both
sides. Re-indexing is the student's untrained checkpoint in an index of its own. CACHE keeps the tokens of both models.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from reference_sets import other_sets, reference_sets, training_pairs, translations
from sentence_transformers.util import maxsim
from torch import Tensor
from torch.nn.functional import linear, normalize

from optical_hf import fit_alignment, load_student, load_teacher
from optical_hf.models import as_backbone, token_projection
from optical_hf.models.alignment.contrastive_tokens import BY_TOKENS, TokenRows, fit_contrastive_tokens
from optical_hf.models.alignment.own_rank import own_rank, same_targets, text_numbers
from optical_hf.models.alignment.packed_tokens import TOKENS_PER_TEXT, PackedTokens
from optical_hf.models.prompts import set_prompts
from optical_hf.models.teachers.teacher import Teacher
from optical_hf.models.teachers.token_cache.teacher_cache import TeacherCache

Map = tuple[Tensor, Tensor]
STARTS = {"ridge": {"method": "ridge"}, "transport": {}, "relay": {"plans": "relay"}}
CONTRASTIVE = {
    "contrastive from ridge": {"start": "ridge"},
    "contrastive from transport": {"start": "transport"},
    "contrastive from relay": {"start": "relay"},
    "+ the sets' documents, half of each step": {"documents": 0.5},
    "seed 1": {"seed": 1},
    "seed 2": {"seed": 2},
    "first 8 tokens": {"tokens": 8, "first": True},
    "8 tokens at equal distances": {"tokens": 8},
    "special tokens and punctuation in": {"content": False},
    "temperature 0.05": {"temperature": 0.05},
    "temperature 0.02": {"temperature": 0.02},
    "600 steps": {"steps": 600},
    "learning rate 1e-3": {"learning_rate": 1e-3},
    "no English": {"english": False},
}
OWN = {f're-indexing, documents read with "{prompt}"': prompt for prompt in ("query: ", "passage: ")}
DRAWN = 2400

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("data", type=Path)
parser.add_argument("models", type=Path)
parser.add_argument("cache", type=Path)
parser.add_argument("--only", nargs="+", choices=[*STARTS, *CONTRASTIVE, *OWN], help="these rows")
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


def cached(model: object, texts: list[str]) -> TeacherCache:
    return TeacherCache.build(model, sorted(set(texts), key=len), options.cache)


targets = cached(teacher, english + documents)
read = cached(backbone, foreign + english + queries + documents)


def tokens(cache: Teacher, texts: list[str], content: bool = False) -> list[Tensor]:
    """The tokens of each text: all, or those with content."""
    found = []
    for batch in cache.iter_token_sets(texts):
        kept_BN = batch.content_BN if content else batch.mask_BN
        found += [tokens_ND[kept_N] for tokens_ND, kept_N in zip(batch.tokens_BND, kept_BN, strict=True)]
    return found


def closed(start: str) -> tuple[Map, float]:
    """A closed form of the library, and its processor seconds once the tokens are there."""
    begun = time.process_time()
    fit_alignment(student, targets, bitext, student_tokens=read, progress=False, **STARTS[start])
    projection = token_projection(student).linear
    found = projection.weight.detach().clone(), projection.bias.detach().clone()
    return found, time.process_time() - begun


def contrastive(
    start: str = "ridge",
    documents_share: float = 0.0,
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
    rows = [TokenRows(packed(read, foreign), own, (1 - documents_share) / (1 + read_english))]
    if read_english:
        rows.append(TokenRows(packed(read, english), torch.arange(len(english)), (1 - documents_share) / 2))
    searched = list(english)
    if documents_share:
        new = [text for text in documents if text not in number]
        searched += new
        rows.append(TokenRows(packed(read, new), len(english) + torch.arange(len(new)), documents_share))
    candidates = packed(targets, searched)
    clock = time.process_time()
    found = fit_contrastive_tokens(rows, candidates, begun, replace(BY_TOKENS, **settings), progress=True)
    return (found.weight_KD, found.bias_K), seconds + time.process_time() - clock
