"""The reference sets of the alignment benchmarks: the bitext a map is fitted on, and queries in other languages into English."""

from pathlib import Path

from datasets import Dataset

from optical_hf import RetrievalCollection, load_bitext

TRAIN = {"de": "multi30k/train.de.gz", "mr": "tatoeba_train/mar-eng.tsv.gz", "fi": "tatoeba_train/fin-eng.tsv.gz"}
TATOEBA = {"sw": "swh", "tl": "tgl", "mr": "mar", "fi": "fin"}
OTHERS = {"tr": "tur", "vi": "vie", "hi": "hin"}
FLORES = {"cs": "ces_Latn", "sw": "swh_Latn"}


def training_pairs(data: Path, *codes: str) -> Dataset:
    return load_bitext({code: str(data / TRAIN[code]) for code in codes}).shuffle(seed=0)


def tatoeba(data: Path, code: str, name: str, limit: int) -> RetrievalCollection:
    return RetrievalCollection.from_bitext(code, str(data / f"tatoeba_v1/{name}-eng.tsv.gz"), code, limit=limit)


def lines(data: Path, code: str, queries: str, documents: str, limit: int) -> RetrievalCollection:
    paths = (str(data / name) for name in (queries, documents))
    return RetrievalCollection.from_lines(code, {code: next(paths)}, next(paths), limit=limit)


def reference_sets(data: Path) -> dict[str, RetrievalCollection]:
    caption = "multi30k/test_2018_flickr.{}.gz"
    captions = {code: lines(data, code, caption.format(code), caption.format("en"), 500) for code in ("de", "cs")}
    return captions | {code: tatoeba(data, code, name, 400) for code, name in TATOEBA.items()}


def other_sets(data: Path) -> dict[str, RetrievalCollection]:
    flores = "flores200_devtest/{}.txt.gz"
    sets = {f"Tatoeba {code}": tatoeba(data, code, name, 300) for code, name in OTHERS.items()}
    sets |= {f"FLORES {c}": lines(data, c, flores.format(n), flores.format("eng_Latn"), 300) for c, n in FLORES.items()}
    caption = "multi30k/test_2017_flickr.{}.gz"
    return sets | {"Multi30k 2017 fr": lines(data, "fr", caption.format("fr"), caption.format("en"), 300)}


def translations(collection: RetrievalCollection) -> list[dict]:
    """A collection whose queries and documents stand in one order, as pairs."""
    sides = zip(collection.queries, collection.documents["text"], strict=True)
    return [{"target": query["text"], "source": english, "language": query["language"]} for query, english in sides]
