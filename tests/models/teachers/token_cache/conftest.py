"""A tiny teacher and captions for it to read."""

from copy import deepcopy

import pytest
from sentence_transformers import SentenceTransformer

from optical_hf.models.tiny import tiny_encoder


@pytest.fixture(scope="session")
def captions() -> list[str]:
    subjects = ["a man", "two dogs", "the old woman", "a small red boat", "seven children in the rain"]
    verbs = ["sits on", "runs past", "looks at", "is far away from"]
    places = ["a chair", "the green door", "a market at night", "the sea", "an empty street near the station"]
    return [f"{s} {v} {p}" for s in subjects for v in verbs for p in places]


@pytest.fixture(scope="session")
def _made(captions: list[str]) -> SentenceTransformer:
    return tiny_encoder(captions, width=16, vocabulary_size=120).requires_grad_(False).eval()


@pytest.fixture
def teacher(_made: SentenceTransformer) -> SentenceTransformer:
    return deepcopy(_made)
