"""Run what the README prints: its commands and its Python blocks.

    python .ci/readme.py command WORD     print the one command of the README that contains WORD
    python .ci/readme.py blocks FILE...   run every ```python block of the files, all blocks of a file in one process

Blocks name models by their hub ids and files as a user has them. Where ../shared and the encoders are present, the ids are read
from disk, and small files of real sentences are made under the names of the blocks. Where they are not, blocks that need them
are said to be skipped.
"""

import gzip
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from itertools import islice
from pathlib import Path

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("OPTICAL_HF_SHARED", ROOT.parent / "shared")) / "data"
MODELS = Path(os.environ.get("OPTICAL_HF_MODELS", Path.home() / ".cache" / "optical-hf-models"))
HUB = {
    "sentence-transformers/all-MiniLM-L6-v2": MODELS / "all-MiniLM-L6-v2",
    "intfloat/multilingual-e5-small": MODELS / "multilingual-e5-small",
}
ROWS = 300
"""Pairs of bitext, and documents, that stand in for a user's."""


def write_bitext(place: Path) -> None:
    """An archive as Anki has it: English, Marathi, attribution."""
    with gzip.open(SHARED / "tatoeba_train/mar-eng.tsv.gz", "rt", encoding="utf-8") as lines:
        pairs = [line.rstrip("\n").split("\t") for line in islice(lines, ROWS)]
    with zipfile.ZipFile(place, "w") as archive:
        archive.writestr("mar.txt", "".join(f"{english}\t{foreign}\tTatoeba\n" for foreign, english in pairs))


def write_index(place: Path) -> None:
    """Texts and their vectors by the teacher."""
    from datasets import Dataset  # noqa: PLC0415
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415

    with gzip.open(SHARED / "tatoeba_v1/mar-eng.tsv.gz", "rt", encoding="utf-8") as lines:
        texts = list(dict.fromkeys(line.rstrip("\n").split("\t")[1] for line in islice(lines, ROWS)))
    teacher = SentenceTransformer(str(HUB["sentence-transformers/all-MiniLM-L6-v2"]), device="cpu")
    Dataset.from_dict({"text": texts, "vector": teacher.encode(texts).tolist()}).to_parquet(place)


FILES = {"mar-eng.zip": write_bitext, "index.parquet": write_index}
"""What blocks read -> how a small one is made."""


def blocks(file: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", file.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def command(word: str) -> str:
    found = [b.strip() for b in blocks(ROOT / "README.md", "bash") if word in b]
    if len(found) != 1:
        raise SystemExit(f"expected one command with {word!r} in README.md, found {len(found)}")
    return found[0]


def run(file: Path) -> None:
    code = "\n".join(blocks(file, "python"))
    if not code:
        raise SystemExit(f"{file} has no Python block to run")
    needs = [name for name in (*HUB, *FILES) if name in code]
    if needs and not (SHARED.is_dir() and MODELS.is_dir()):
        print(f"{file}: skipped, it needs {', '.join(needs)} and neither models nor data are here")
        return
    for name, folder in HUB.items():
        code = code.replace(name, str(folder))
    with tempfile.TemporaryDirectory() as folder:
        for name, write in FILES.items():
            if name in code:
                write(Path(folder) / name)
        subprocess.run([sys.executable, "-c", code], check=True, cwd=folder)
    print(f"{file}: {len(blocks(file, 'python'))} blocks ran")


if __name__ == "__main__":
    verb, *rest = sys.argv[1:]
    if verb == "command":
        print(command(rest[0]))
    else:
        for name in rest:
            run(ROOT / name)
