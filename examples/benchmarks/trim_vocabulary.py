"""Trimming a real multilingual encoder to one corpus: size, and what happens to texts in and out of the corpus.

python examples/benchmarks/trim_vocabulary.py multilingual-e5-small CORPUS.gz TEST.gz [--sample 200]
"""

import argparse
import gzip
import random
import tempfile
from pathlib import Path

import numpy as np
from sentence_transformers import SentenceTransformer

from optical_hf.models.vocabulary import trim_vocabulary

parser = argparse.ArgumentParser()
parser.add_argument("model")
parser.add_argument("corpus")
parser.add_argument("test")
parser.add_argument("--sample", type=int, default=200)
options = parser.parse_args()


def read(path: str) -> list[str]:
    """Lines of text; of a table, the first column."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [line.rstrip("\n").split("\t")[0] for line in lines if line.strip()]


def folder_bytes(model: SentenceTransformer) -> int:
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


corpus, test = read(options.corpus), read(options.test)
inside = random.Random(0).sample(corpus, options.sample)
outside = random.Random(0).sample(test, min(options.sample, len(test)))
model = SentenceTransformer(options.model, device="cpu")
before = {"inside": model.encode(inside), "outside": model.encode(outside)}
split_before = [model.tokenizer.tokenize(text) for text in test]
files_before = folder_bytes(model)
report = trim_vocabulary(model, corpus)
same = np.array_equal(model.encode(inside), before["inside"])
split_after = [model.tokenizer.tokenize(text) for text in test]
unchanged = np.mean([a == b for a, b in zip(split_before, split_after, strict=True)])
unknown = np.mean([model.tokenizer.unk_token in text for text in split_after])
cosine = (model.encode(outside) * before["outside"]).sum(axis=1)

print(f"corpus {len(corpus)} texts, test {len(test)} texts, {options.sample} of each encoded")
print(
    "| pieces | weights MB | folder MB | corpus equal to the bit | test texts split as before | with unknown | cosine mean, min |"
)
print("|---|---|---|---|---|---|---|")
print(
    f"| {report.pieces_before:,} -> {report.pieces_after:,} | {report.bytes_before / 1e6:.0f} -> {report.bytes_after / 1e6:.0f} | "
    f"{files_before / 1e6:.0f} -> {folder_bytes(model) / 1e6:.0f} | {same} | {unchanged:.1%} | {unknown:.1%} | "
    f"{cosine.mean():.4f}, {cosine.min():.3f} |"
)
