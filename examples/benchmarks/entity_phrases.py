"""French phrases and captions of Flickr30k Entities into the English captions of the 1,014 validation images.

    OMP_NUM_THREADS=1 python examples/benchmarks/entity_phrases.py DATA MODELS --vectors FOLDER [--seeds 0 1 2]

Phrases are those of the French marks, lower-cased and cut into words as they come; the index holds five English captions
of each image. A query is right where the caption found first is of its image. Models, bitext and maps are those of
contrastive_map.py. R@1 in percent by phrase type, in brackets the share of re-indexing with its 95 % interval over seeds and
images; re-indexing is the untrained student in an index of its own, behind the better of its two prompts. One language has no gap.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import linear, normalize
from vector_sets import Encoders, bitext_vectors, fitted, ridge, share

from optical_hf.data.collections import caption_lines
from optical_hf.data.entities import load_flickr30k_entities
from optical_hf.models.alignment.contrastive_map import ContrastiveRows
from optical_hf.models.alignment.contrastive_rows import PASSES_OF_ENGLISH
from optical_hf.models.alignment.map_descent import ContrastiveSettings

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("data", type=Path)
parser.add_argument("models", type=Path)
parser.add_argument("--vectors", type=Path, help="folder that keeps what was encoded")
parser.add_argument("--pairs", type=int, default=2000, help="pairs of each language of the bitext")
parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
options = parser.parse_args()
torch.set_num_threads(1)
encode = Encoders(options.models, options.vectors)
Maps = list[tuple[Tensor, Tensor]]
LEAST = 0.05
"""Of re-indexing, below which a share says nothing."""

english = caption_lines(
    options.data / "multi30k_task2/val_images.txt.gz",
    *(options.data / f"multi30k_task2/val.{number}.en.gz" for number in range(1, 6)),
)
image_of = [image for image, texts in english.items() for _ in texts]
documents = [text for texts in english.values() for text in texts]
release, splits = options.data / "flickr30k_entities", options.data / "multi30k/image_splits"
marks = {"sentences": release / "fr/public_val.fr.gz", "image_ids": release / "fr/images_val.txt.gz", "language": "fr"}
phrases = load_flickr30k_entities(release, "karpathy_val", "phrases", karpathy=splits, boxes=False, **marks)
captions = caption_lines(splits / "val.txt.gz", options.data / "multi30k/val.fr.gz")
texts = [row["phrase"] for row in phrases] + [text for one in captions.values() for text in one]
images = [row["image_id"] for row in phrases]
images += [image for image, one in captions.items() for _ in one]
kinds = [set(row["types"]) for row in phrases] + [{"caption"}] * (len(texts) - len(phrases))
GROUPS = ["caption", "phrase", *sorted({kind for row in phrases for kind in row["types"]})]
places = {
    group: [row for row, kind in enumerate(kinds) if group in kind or (group == "phrase" and "caption" not in kind)]
    for group in GROUPS
}


def hits(query_QK: Tensor, document_CK: Tensor) -> np.ndarray:
    """Whether the caption found first is of the query's image, (Q,)."""
    found_Q = (normalize(query_QK, dim=1) @ normalize(document_CK, dim=1).T).argmax(dim=1)
    return np.array([image_of[at] == image for at, image in zip(found_Q.tolist(), images, strict=True)], dtype=float)


def searched(maps: Maps) -> np.ndarray:
    """Hits of each seed's map in the teacher's index, (N, Q)."""
    return np.stack([hits(linear(query_QD, *one), index_NK) for one in maps])


def cell(hit_NQ: np.ndarray, group: str) -> str:
    place = places[group]
    mean, bar = hit_NQ[:, place].mean(), own_1Q[:, place].mean()
    if hit_NQ is own_1Q or bar < LEAST:
        return f"{100 * mean:.1f}"
    found = share(hit_NQ[:, place], own_1Q[:, place], ["fr"] * len(place), [images[row] for row in place])
    return f"{100 * mean:.1f} ({found})"


query_QD, index_ND, index_NK = encode.student(texts), encode.student(documents), encode.teacher(documents)
own_1Q = max((hits(query_QD, encode.student(documents, prompt)) for prompt in ("query: ", "passage: ")), key=np.mean)[
    None
]
foreign_ND, english_ND, target_NK = bitext_vectors(encode, options.data, options.pairs)
bitext = ContrastiveRows(torch.cat([foreign_ND, english_ND]), target_NK.repeat(2, 1), 0.5)
moved = ContrastiveRows(index_ND, index_NK, 0.5, foreign_ND - english_ND, 1.0)
alone = ContrastiveRows(index_ND, index_NK, 1.0)


def maps(kinds: list[ContrastiveRows], negatives_MK: Tensor) -> Maps:
    """Of each seed; without bitext few passes, as `fit_alignment` takes them."""
    settings = [ContrastiveSettings(seed=seed) for seed in options.seeds]
    if kinds[0] is alone:
        settings = [one.at_most(PASSES_OF_ENGLISH, len(index_ND)) for one in settings]
    return [fitted(kinds, negatives_MK, one) for one in settings]


print(f"{len(documents):,} documents; " + ", ".join(f"{group} {len(places[group]):,}" for group in GROUPS) + "\n")
print(f"| | {' | '.join(GROUPS)} |\n|{'---|' * (len(GROUPS) + 1)}")
for name, found in (
    ("re-indexing", lambda: own_1Q),
    ("ridge, bitext", lambda: searched([ridge(bitext.source_ND, bitext.target_NK)] * len(options.seeds))),
    ("contrastive, bitext", lambda: searched(maps([bitext], target_NK))),
    (
        "contrastive, bitext and documents (default)",
        lambda: searched(maps([bitext, moved], torch.cat([target_NK, index_NK]))),
    ),
    ("contrastive, documents alone", lambda: searched(maps([alone], index_NK))),
):
    hit_NQ = found()
    print(f"| {name} | {' | '.join(cell(hit_NQ, group) for group in GROUPS)} |", flush=True)
