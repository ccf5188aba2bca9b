"""Saved students load with sentence-transformers and transformers alone: one process reads them all."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tiny_pairs
import torch

from optical_hf.models import as_late_interaction, as_vector, build_student, token_projection
from optical_hf.training import save_student

TEXTS = ["Drei Jungen in grünen Hemden schlafen.", "एक काळे गाढव", "x"]
SCRIPT = """
import json, sys
import numpy as np
from sentence_transformers import MultiVectorEncoder, SentenceTransformer
from transformers import AutoModel
texts, kinds = json.loads(sys.argv[1])
for name, kind in kinds.items():
    expected = np.load(name + ".npz")
    tokens = MultiVectorEncoder("./" + name, device="cpu").encode_query(texts)
    assert max(np.abs(np.asarray(t) - expected[f"t{i}"]).max() for i, t in enumerate(tokens)) < 1e-5, name
    if kind == "vector":
        vectors = SentenceTransformer("./" + name, device="cpu").encode(texts)
        assert np.abs(vectors - expected["vectors"]).max() < 1e-5, name
    assert AutoModel.from_pretrained("./" + name).config.hidden_size == 24
assert "optical_hf" not in sys.modules
"""


@pytest.mark.slow
def test_saved_students_load_where_this_package_is_not_imported(tmp_path):
    kinds = {}
    for layers in (None, (1, 3)):
        for kind in ("vector", "late_interaction"):
            name = f"{kind}-{'averaged' if layers else 'last'}"
            student = build_student(
                tiny_pairs.backbone(layers=3), tiny_pairs.teacher(), kind=kind, layers=layers
            ).eval()
            torch.nn.init.normal_(token_projection(student).linear.bias)
            save_student(student, tmp_path / name)
            tokens = [t.numpy() for t in as_late_interaction(student).encode_query(TEXTS)]
            vectors = as_vector(student).encode(TEXTS)
            np.savez(tmp_path / f"{name}.npz", vectors=vectors, **{f"t{i}": t for i, t in enumerate(tokens)})
            kinds[name] = kind
    command = [sys.executable, "-c", SCRIPT, json.dumps([TEXTS, kinds])]
    assert subprocess.run(command, check=False, cwd=tmp_path).returncode == 0
