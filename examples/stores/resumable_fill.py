"""A store filled by the package: kill this program, start it again, and it goes on behind what is there.

    python examples/stores/resumable_fill.py lancedb://index/again/docs index/docs.jsonl

The texts are the field `text` of JSON lines.
"""

import argparse
import json
from pathlib import Path

from optical_hf import load_teacher
from optical_hf.stores import open_store
from optical_hf.stores.fill_store import fill_store

parser = argparse.ArgumentParser()
parser.add_argument("url", help="of the store")
parser.add_argument("texts", type=Path)
parser.add_argument("--teacher", default="sentence-transformers/all-MiniLM-L6-v2")
given = parser.parse_args()

texts = [json.loads(line)["text"] for line in given.texts.open(encoding="utf-8")]
encoded = fill_store(given.url, texts, load_teacher(given.teacher).encode_document)
print(f"{encoded:,} of {len(texts):,} texts were encoded by this call; the store has {open_store(given.url).count:,}")
