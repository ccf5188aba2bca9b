"""The sets that no setting was chosen on: FLORES, XTD10, Multi30k 2018, independent captions, and AfriQA in four other languages.

An independent caption is another person's caption of the same image, no translation; its "English query" is a third person's.
"""

import gzip
import random
from pathlib import Path

from vector_sets import Queries, queries

FLORES = {"de": "deu_Latn", "fr": "fra_Latn", "cs": "ces_Latn", "fi": "fin_Latn", "id": "ind_Latn", "tr": "tur_Latn"}
FLORES |= {"hi": "hin_Deva", "sw": "swh_Latn", "so": "som_Latn", "tl": "tgl_Latn", "mr": "mar_Deva", "am": "amh_Ethi"}
FLORES |= {"ha": "hau_Latn", "ig": "ibo_Latn", "yo": "yor_Latn", "zu": "zul_Latn"}
XTD10 = {code: code for code in ("de", "fr", "es", "it", "ko", "pl", "ru", "tr", "zh")} | {"ja": "jp"}
AFRIQA = {"ig": "ibo", "rw": "kin", "bem": "bem", "tw": "twi"}


def reporting_sets(data: Path) -> dict[tuple[str, str], Queries]:
    """By set and language; the lines of one set in one order, drawn once."""
    flores, xtd, task = data / "flores200_devtest", data / "xtd10", data / "multi30k_task2"
    found = {
        ("FLORES", code): lines(flores / f"{name}.txt.gz", flores / "eng_Latn.txt.gz") for code, name in FLORES.items()
    }
    for code, name in XTD10.items():
        found["XTD10", code] = lines(xtd / f"test_1kcaptions_{name}.txt.gz", xtd / "test_1kcaptions_en.txt.gz")
    for code in ("de", "fr", "cs"):
        file = data / f"multi30k/test_2018_flickr.{code}.gz"
        found["Multi30k 2018", code] = lines(file, data / "multi30k/test_2018_flickr.en.gz")
    for code, file in (("de", task / "val.2.de.gz"), ("nl", data / "flickr30k_dutch/val.1.nl.gz")):
        found["independent captions", code] = lines(file, task / "val.1.en.gz", task / "val.2.en.gz")
    for code, name in AFRIQA.items():
        found["AfriQA dev", code] = queries(data / f"afriqa/{name}-en.dev.jsonl.gz")
    return found


def lines(foreign: Path, documents: Path, english: Path | None = None) -> Queries:
    """Line-aligned files without the lines of which one is empty; without English queries these are the documents."""
    sides = []
    for file in (foreign, documents, english or documents):
        with gzip.open(file, "rt", encoding="utf-8") as opened:
            sides.append([line.strip() for line in opened])
    rows = [row for row in zip(*sides, strict=True) if all(row)]
    return Queries(*map(list, zip(*random.Random(0).sample(rows, len(rows)), strict=True)))
