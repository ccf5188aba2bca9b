"""Where the thresholds of guards and callbacks come from: English words by side, the spread of vectors, mass beside content.

    OMP_NUM_THREADS=1 python examples/benchmarks/guards.py DATA MODELS

English words: the first 300 rows of each Tatoeba training set and of Multi30k in German, French and Czech; all of FLORES-200
that is there. Spread and mass: 600 pairs drawn at random from Multi30k German and Tatoeba Marathi; means of three batches.
"""

import argparse
import gzip
from itertools import islice
from pathlib import Path

import torch
from torch.nn.functional import normalize

from optical_hf import fit_alignment, load_bitext, load_student, load_teacher
from optical_hf.losses import PairTensors, Transport
from optical_hf.models import preprocess_queries, token_set
from optical_hf.training.callbacks.collapse import spread
from optical_hf.training.callbacks.transport_diagnostics import mass_beside_content
from optical_hf.training.checks.guards import english_share

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("data", type=Path)
parser.add_argument("models", type=Path)
options = parser.parse_args()
torch.set_num_threads(1)


def english_words() -> None:
    sets = sorted((options.data / "tatoeba_train").glob("*-eng.tsv.gz"))
    sets += [options.data / "multi30k" / f"train.{language}.gz" for language in ("de", "fr", "cs")]
    print("| bitext | English side | other side |\n|---|---|---|")
    for file in sets:
        rows = list(islice(load_bitext([str(file)], on_bad_row="drop"), 300))
        sides = (english_share(row[side] for row in rows) for side in ("source", "target"))
        print(f"| {file.name} | {' | '.join(f'{share:.1%}' for share in sides)} |")
    flores = {file.name.split(".")[0]: file for file in (options.data / "flores200_devtest").glob("*_*.txt.gz")}
    shares = {
        name: english_share(gzip.decompress(file.read_bytes()).decode().splitlines()) for name, file in flores.items()
    }
    worst = max((name for name in shares if name != "eng_Latn"), key=lambda name: shares[name])
    print(
        f"FLORES-200, {len(shares)} languages: en {shares['eng_Latn']:.1%}, the others at most {shares[worst]:.1%} ({worst})\n"
    )


def read(model, texts):
    features = preprocess_queries(model, texts)
    with torch.no_grad():
        return token_set(model, features, model(dict(features), task="query"))


def spreads(name, student, teacher, rows) -> None:
    for size in (8, 32, 64):
        found = []
        for place in range(3):
            batch = rows[place * size : (place + 1) * size]
            ours, theirs = read(student, batch["target"]), read(teacher, batch["source"])
            found.append((*spread(ours.vector_BD), *spread(theirs.vector_BD)))
        cosine, rank, reference, most = torch.tensor(found).mean(dim=0).tolist()
        print(f"| {name} | {size} | {cosine:.3f} | {rank:.1f} | {reference:.3f} | {most:.1f} | {rank / most:.2f} |")


def masses(name, student, teacher, rows) -> None:
    batch = rows[:96]
    ours, theirs = read(student, batch["target"]), read(teacher, batch["source"])
    for special in (False, True):
        sides = [(side.tokens_BND, side.mask_BN, side.content_BN) for side in (ours, theirs)]
        pairs = PairTensors(*sides[0], *sides[1], ours.vector_BD, theirs.vector_BD)
        solved = Transport(special_tokens=special).plan(pairs)
        beside = mass_beside_content(solved.plan, ours.content_BN, theirs.content_BN).mean()
        print(f"| {name} | {'in' if special else 'out'} | {1 - solved.converged.float().mean():.1%} | {beside:.1%} |")


english_words()
pairs = load_bitext(
    [str(options.data / "multi30k/train.de.gz"), str(options.data / "tatoeba_train/mar-eng.tsv.gz")], on_bad_row="drop"
)
pairs = pairs.shuffle(seed=0).select(range(600))
teacher = load_teacher(str(options.models / "all-MiniLM-L6-v2"))
student = load_student(str(options.models / "multilingual-e5-small"), teacher, max_seq_length=48)
print("| student | batch | mean cosine | effective rank | teacher's cosine | teacher's rank | share |")
print("|---|---|---|---|---|---|---|")

spreads("not trained", student, teacher, pairs)
fit_alignment(student, teacher, pairs.select(range(200, 600)), method="ridge", progress=False)
spreads("ridge on 400 pairs", student, teacher, pairs)
common = normalize(torch.ones(384), dim=0)
for weight in (1.9, 8.0, 10.0, 30.0):
    vectors = normalize(torch.randn(64, 384, generator=torch.Generator().manual_seed(0)))
    cosine, rank = spread(vectors + weight * common)
    share = rank / spread(vectors).effective_rank
    print(f"| random, {weight:g} times one vector | 64 | {cosine:.3f} | {rank:.1f} | - | - | {share:.2f} |")
print("\n| student | special tokens | not converged | mass beside content |\n|---|---|---|---|")
masses("ridge on 400 pairs", student, teacher, pairs)
