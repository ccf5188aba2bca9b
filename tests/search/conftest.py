"""An index of sentences with the vectors of a tiny teacher, and a student that was fitted on it."""

import pytest
import tiny_pairs
from datasets import Dataset

from optical_hf.models import fit_alignment


@pytest.fixture(scope="session")
def searched():
    """A student, and a table of its teacher's index."""
    student, teacher = tiny_pairs.pair()
    rows = tiny_pairs.bitext()
    texts = list(dict.fromkeys(rows["source"][:]))
    table = Dataset.from_dict({"text": texts, "vector": teacher.encode_document(texts).tolist()})
    fit_alignment(student, teacher, rows, method="ridge", regularisation=1e-4, progress=False)
    return student, table


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """What is built is kept in the test's own folder."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
