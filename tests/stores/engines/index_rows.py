"""Three hundred documents in groups, their vectors, and what a store must give back of them."""

from functools import cache

import numpy as np
import torch

from optical_hf.stores.vectors import VectorSet

COUNT, WIDTH = 300, 16
TEXTS = [f"document {number}: naïve ½ '\"; 日本" for number in range(COUNT)]
TITLES = [f"title {number}" for number in range(COUNT)]


@cache
def vectors() -> np.ndarray:
    """(300, 16), of unit length."""
    numbers = np.random.default_rng(7).normal(size=(COUNT, WIDTH)).astype(np.float32)
    return numbers / np.linalg.norm(numbers, axis=1, keepdims=True)


def queries(count: int = 5) -> VectorSet:
    """Near the documents 0, 1, ..."""
    noise = np.random.default_rng(8).normal(size=(count, WIDTH)).astype(np.float32)
    return VectorSet.of(torch.nn.functional.normalize(torch.tensor(vectors()[:count] + 0.05 * noise), dim=-1))


def nearest(asked: VectorSet, k: int, documents: np.ndarray | None = None) -> tuple[list[list[str]], np.ndarray]:
    """Ids and inner products of the k best, by brute force."""
    scores = asked.vectors.numpy() @ (vectors() if documents is None else documents).T
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return [[str(row) for row in rows] for rows in order], np.take_along_axis(scores, order, axis=1)


def check_store(store, *, tolerance: float = 1e-5) -> None:
    """Every row comes back once, in batches, and the store finds what brute force finds."""
    batches = list(store.rows(batch_size=64))
    assert max(len(batch.ids) for batch in batches) <= 64
    ids = [int(id_) for batch in batches for id_ in batch.ids]
    assert sorted(ids) == list(range(COUNT))
    assert [text for batch in batches for text in batch.texts] == [TEXTS[row] for row in ids]
    read = np.concatenate([batch.vectors.vectors.numpy() for batch in batches])
    np.testing.assert_allclose(read, vectors()[ids], atol=tolerance)
    assert (store.count, store.width) == (COUNT, WIDTH)

    asked = queries()
    found = store.search(asked, 10)
    expected, scores = nearest(asked, 10)
    assert found.ids == expected
    assert [text for texts in found.texts for text in texts] == [TEXTS[int(row)] for rows in expected for row in rows]
    np.testing.assert_allclose(np.array(found.scores), scores, atol=max(tolerance, 1e-4))
