"""Twenty texts and their vectors, and a loader whose cache goes with the test."""

from functools import partial

import numpy as np
import pytest

from optical_hf import load_documents

TEXTS = [f"text {number}" for number in range(20)]


@pytest.fixture
def vectors() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(len(TEXTS), 6)).astype(np.float32)


@pytest.fixture
def load(tmp_path):
    return partial(load_documents, cache_dir=tmp_path / "cache")


@pytest.fixture
def text_file(tmp_path):
    """A file of the texts, with nothing beside it."""
    path = tmp_path / "plain" / "docs.txt"
    path.parent.mkdir()
    path.write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    return path
