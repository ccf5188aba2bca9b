"""Run what the README prints: its commands and its Python blocks.

    python .ci/readme.py command WORD     print the one command of the README that contains WORD
    python .ci/readme.py blocks FILE...   run every ```python block of the files, all blocks of a file in one process

Blocks name models by their hub ids and bitext by the names of the real files. Where ../shared and the encoders are present, the ids
are read from disk and the files are found; where they are not, blocks that need them are said to be skipped.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("OPTICAL_HF_SHARED", ROOT.parent / "shared")) / "data"
MODELS = Path(os.environ.get("OPTICAL_HF_MODELS", Path.home() / ".cache" / "optical-hf-models"))
HUB = {
    "sentence-transformers/all-MiniLM-L6-v2": MODELS / "all-MiniLM-L6-v2",
    "intfloat/multilingual-e5-small": MODELS / "multilingual-e5-small",
}
FILES = {
    "documents.txt.gz": "multi30k/test_2017_mscoco.en.gz",
    "mar-eng.tsv.gz": "tatoeba_v1/mar-eng.tsv.gz",
    "swh-eng.tsv.gz": "tatoeba_v1/swh-eng.tsv.gz",
    "fin-eng.tsv.gz": "tatoeba_v1/fin-eng.tsv.gz",
}


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
        for name, path in FILES.items():
            (Path(folder) / name).symlink_to((SHARED / path).resolve())
        subprocess.run([sys.executable, "-c", code], check=True, cwd=folder)
    print(f"{file}: {len(blocks(file, 'python'))} blocks ran")


if __name__ == "__main__":
    verb, *rest = sys.argv[1:]
    if verb == "command":
        print(command(rest[0]))
    else:
        for name in rest:
            run(ROOT / name)
