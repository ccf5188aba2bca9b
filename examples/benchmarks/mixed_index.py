"""An English index with some Swahili documents: what they take from the English ones, and whether they are found themselves.

    OMP_NUM_THREADS=1 python examples/benchmarks/mixed_index.py DATA MODELS [--vectors FOLDER --share 0.2 --seeds 0 1 2]

Tatoeba v1 and LAFAND dev in Swahili. The student is multilingual-e5-small ("query: ") with the contrastive map, fitted on bitext of
seven languages, Swahili among them, and on the English documents of the sets. The teacher is all-MiniLM-L6-v2.
Three indexes of a set: its English documents; those and Swahili news that answers no query; and the English documents, a share of
them replaced by their Swahili translations. Swahili documents are read by the teacher, or by the student. Re-indexing reads all
documents by the untrained student, behind "passage: ". A Swahili query for its own Swahili text is left out: the two are one text.
"""

import argparse
import random
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import linear, normalize
from vector_sets import TEST, TRAIN, Encoders, Queries, bitext_vectors, fitted, hits, queries, unseen_pairs

from optical_hf.models.alignment.contrastive_map import ContrastiveRows
from optical_hf.models.alignment.map_descent import ContrastiveSettings

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("data", type=Path)
parser.add_argument("models", type=Path)
parser.add_argument("--vectors", type=Path, help="folder that keeps what was encoded")
parser.add_argument("--pairs", type=int, default=500, help="pairs of each language of the bitext")
parser.add_argument("--rows", type=int, default=300, help="documents of a set at most")
parser.add_argument("--share", type=float, default=0.2, help="Swahili share of the index")
parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
options = parser.parse_args()
torch.set_num_threads(1)
encode = Encoders(options.models, options.vectors)

# Each text is encoded once: the English documents of the sets, their translations, and news
sets = {
    name: Queries(*(side[: options.rows] for side in queries(options.data / path)))
    for (name, language), path in TEST.items()
    if language == "sw"
}
foreign = {text for rows in sets.values() for text in rows.foreign}
news = [text for text in unseen_pairs(options.data, TRAIN["sw"], 4000)[0] if text not in foreign]
news = news[: round(options.share / (1 - options.share) * options.rows)]
documents = list(dict.fromkeys(text for rows in sets.values() for text in rows.documents))
known = list(dict.fromkeys([*documents, *sorted(foreign), *news]))
row_of = {text: row for row, text in enumerate(known)}
own_ND, passage_ND, by_teacher_NK = encode.student(known), encode.student(known, "passage: "), encode.teacher(known)

# The student: one map a seed
foreign_ND, english_ND, target_NK = bitext_vectors(encode, options.data, options.pairs)
document_ND, vector_NK = own_ND[: len(documents)], by_teacher_NK[: len(documents)]
kinds = [
    ContrastiveRows(torch.cat([foreign_ND, english_ND]), target_NK.repeat(2, 1), 0.5),
    ContrastiveRows(document_ND, vector_NK, 0.5, foreign_ND - english_ND, 1.0),
]
maps = [fitted(kinds, torch.cat([target_NK, vector_NK]), ContrastiveSettings(seed=seed)) for seed in options.seeds]

# Who reads the queries and who the documents: vectors of all known texts, a seed each
by_map_SNK = [normalize(linear(own_ND, *one), dim=1) for one in maps]
by_both_SNK = [torch.cat([by_teacher_NK[: len(documents)], one[len(documents) :]]) for one in by_map_SNK]
systems = {
    "teacher": (by_map_SNK, [by_teacher_NK for _ in maps]),
    "teacher, Swahili by the student": (by_map_SNK, by_both_SNK),
    "re-indexing": ([own_ND], [passage_ND]),
}


def level(system: str, asked: list[str], texts: list[str], answer_Q: list[int]) -> str:
    """R@1 in percent of queries whose answers are these documents of an index; 95 % bootstrap interval, mean over seeds."""
    if not answer_Q:
        return "–"
    query_Q = [row_of[asked[place]] for place in answer_Q]
    document_C = [row_of[texts[place]] for place in answer_Q] + [row_of[text] for text in texts]
    named, pairs = [known[row] for row in document_C], zip(*systems[system], strict=True)
    mean_Q = 100 * np.mean([hits(one[query_Q], own[document_C], named) for one, own in pairs], axis=0)
    drawn_R = np.random.default_rng(0).choice(mean_Q, (2000, len(mean_Q))).mean(axis=1)
    return f"{mean_Q.mean():.1f} [{np.quantile(drawn_R, 0.025):.1f}, {np.quantile(drawn_R, 0.975):.1f}]"


for name, rows in sets.items():
    size = len(rows.documents)
    moved = sorted(random.Random(0).sample(range(size), round(options.share * size)))
    kept = sorted({*range(size)} - {*moved})
    mixed = [rows.foreign[place] if place in moved else text for place, text in enumerate(rows.documents)]
    print(f"\n{name}: {len(kept)} and {len(moved)} queries, {len(news)} documents of news\n")
    print("| index | documents read by | sw query, en answer | en query, en answer | en query, sw answer |")
    print("|---|---|---|---|---|")
    for title, texts, swahili in (
        ("English", rows.documents, []),
        ("and Swahili news", rows.documents + news, []),
        ("some in Swahili", mixed, moved),
    ):
        for system in systems:
            asked = ((rows.foreign, kept), (rows.english, kept), (rows.english, swahili))
            cells = [level(system, side, texts, answers) for side, answers in asked]
            print(f"| {title} | {system} | {' | '.join(cells)} |", flush=True)
