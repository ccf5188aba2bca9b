"""Run by test_hub_end_to_end.py in a process that knows nothing of optical_hf: load pushed students from the hub and compare.

`python hub_loader.py FOLDER TOKEN NAME[@REVISION]...` prints, as JSON, the largest differences by name from what
hub_client left in FOLDER, and how many code blocks of the card ran. Importing optical_hf fails, as where it is not installed.
"""

import json
import re
import sys
from pathlib import Path

import numpy as np
import torch
from huggingface_hub import hf_hub_download
from sentence_transformers import MultiVectorEncoder, SentenceTransformer
from transformers import AutoModel, AutoTokenizer

sys.modules["optical_hf"] = None  # type: ignore[assignment]
CARDED = ("carded", "published")


def differences(folder: Path, name: str, texts: list[str], where: dict[str, str | None]) -> list[float]:
    """Largest difference of vectors, token vectors and backbone states; a late-interaction student has no vectors."""
    repo, expected = f"tester/{name}", np.load(folder / f"{name}.npz")
    tokens = MultiVectorEncoder(repo, **where).encode_query(texts, convert_to_numpy=True)
    model, tokenizer = (auto.from_pretrained(repo, **where) for auto in (AutoModel, AutoTokenizer))
    with torch.no_grad():
        states = [model.eval()(**tokenizer(text, return_tensors="pt"))[0][0].numpy() for text in texts]
    kinds = [
        [(part, expected[f"tokens{i}"]) for i, part in enumerate(tokens)],
        [(part, expected[f"states{i}"]) for i, part in enumerate(states)],
    ]
    if "vectors" in expected:
        kinds.append([(SentenceTransformer(repo, **where).encode_query(texts), expected["vectors"])])
    assert all(got.shape == wanted.shape for kind in kinds for got, wanted in kind)
    return [max(float(np.abs(got - wanted).max()) for got, wanted in kind) for kind in kinds]


def run_card(name: str, where: dict[str, str | None]) -> int:
    """Run the Python blocks of a card, as a reader would."""
    card = Path(hf_hub_download(f"tester/{name}", "README.md", **where)).read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", card, flags=re.DOTALL)
    for block in blocks:
        exec(block, {})
    return len(blocks)


if __name__ == "__main__":
    folder, token, *names = sys.argv[1:]
    texts = json.loads(Path(folder, "texts.json").read_text())
    found: dict[str, object] = {"differences": {}, "blocks": {}}
    for given in names:
        name, _, revision = given.partition("@")
        where = {"revision": revision, "token": token} if revision else {}
        found["differences"][name] = differences(Path(folder), name, texts, where)
        found["blocks"][name] = run_card(name, where) if name in CARDED else 0
    print(json.dumps(found))
