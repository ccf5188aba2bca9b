"""The bitext and test sets of contrastive_map.py, and the vectors of their texts, which are kept in a folder where one is given."""

import gzip
import json
from pathlib import Path
from typing import NamedTuple

import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor

from optical_hf import load_bitext
from optical_hf.models.teachers.token_cache.cache_shards import text_hash

TRAIN = {
    "de": "multi30k/train.de.gz",
    "fr": "multi30k/train.fr.gz",
    "fi": "tatoeba_train/fin-eng.tsv.gz",
    "mr": "tatoeba_train/mar-eng.tsv.gz",
    "tl": "tatoeba_train/tgl-eng.tsv.gz",
    "sw": "lafand_mt/swa-eng.train.tsv.gz",
    "so": "hornmt/som.txt.gz",
}
TATOEBA = {"de": "deu", "fr": "fra", "fi": "fin", "mr": "mar", "tl": "tgl", "sw": "swh"}
TATOEBA |= {"id": "ind", "tr": "tur", "hi": "hin", "vi": "vie"}
LAFAND = {"sw": "swa", "ha": "hau", "ig": "ibo", "yo": "yor", "zu": "zul", "xh": "xho"}
TEST = {("Tatoeba v1", code): f"tatoeba_v1/{name}-eng.tsv.gz" for code, name in TATOEBA.items()}
TEST |= {("LAFAND dev", code): f"lafand_mt/{name}-eng.dev.tsv.gz" for code, name in LAFAND.items()}
TEST |= {("Multi30k 2017", code): f"multi30k/test_2017_flickr.{code}.gz" for code in ("de", "fr")}
TEST |= {("AfriQA dev", code): f"afriqa/{name}-en.dev.jsonl.gz" for code, name in {"ha": "hau", "zu": "zul"}.items()}
CHUNK = 500


class Queries(NamedTuple):
    """Foreign queries, their English documents, and the queries in English."""

    foreign: list[str]
    documents: list[str]
    english: list[str]


def queries(file: Path) -> Queries:
    """The pairs of a file in an order drawn once, without empty sides; or the questions and passages of AfriQA."""
    if "jsonl" in file.name:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
        return Queries(*([row[key] for row in rows] for key in ("question", "passage", "question_pivot")))
    source = (str(file), str(file.with_name("eng.txt.gz"))) if file.name == "som.txt.gz" else str(file)
    pairs = load_bitext({"de": source}, on_bad_row="drop").shuffle(seed=0)
    return Queries(pairs["target"][:], pairs["source"][:], pairs["source"][:])


class Encoders:
    """Pooled vectors before any normalisation; where a folder is given, each chunk of texts is kept there."""

    def __init__(self, models: Path, folder: Path | None) -> None:
        self.folders, self.kept = models, folder
        self.models: dict[str, SentenceTransformer] = {}

    def student(self, texts: list[str], prompt: str = "query: ") -> Tensor:
        """Of multilingual-e5-small behind a prompt."""
        return self("multilingual-e5-small", [prompt + text for text in texts])

    def teacher(self, texts: list[str]) -> Tensor:
        """Of all-MiniLM-L6-v2."""
        return self("all-MiniLM-L6-v2", texts)

    def __call__(self, name: str, texts: list[str]) -> Tensor:
        return torch.cat([self.chunk(name, texts[at : at + CHUNK]) for at in range(0, len(texts), CHUNK)])

    def chunk(self, name: str, texts: list[str]) -> Tensor:
        place = self.kept and self.kept / f"{text_hash(chr(0).join([name, *texts])).hex()}.pt"
        if place and place.exists():
            return torch.load(place, weights_only=True)
        if name not in self.models:
            whole = SentenceTransformer(str(self.folders / name), device="cpu")
            self.models[name] = SentenceTransformer(modules=[whole[0], whole[1]], device="cpu")
            self.models[name].max_seq_length = 128
        found = self.models[name].encode(texts, convert_to_tensor=True, show_progress_bar=False).float()
        if place:
            place.parent.mkdir(parents=True, exist_ok=True)
            torch.save(found, place)
        return found
