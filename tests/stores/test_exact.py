"""Exact search against the whole matrix of scores, and against sentence-transformers and FAISS."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sentence_transformers.util.similarity import maxsim

from optical_hf.stores import exact_search as exact
from optical_hf.stores.exact_search import ExactSearch
from optical_hf.stores.search_engine import merge_results, order_results
from optical_hf.stores.vectors import VectorSet, VectorStore


def store(parts: list[VectorSet]) -> VectorStore:
    sizes = [len(part) for part in parts]
    return VectorStore(tuple(parts), tuple(sum(sizes[:i]) for i in range(len(parts))), sum(sizes))


def tokens(lengths: list[int], generator: torch.Generator, width: int = 8) -> list[torch.Tensor]:
    return [torch.randn(length, width, generator=generator) for length in lengths]


@settings(max_examples=40)
@given(
    queries=st.integers(1, 20),
    documents=st.integers(1, 90),
    k=st.integers(1, 30),
    block=st.integers(1, 40),
    cut=st.integers(0, 90),
)
def test_single_vectors_give_the_k_best_of_the_whole_matrix(queries, documents, k, block, cut):
    generator = torch.Generator().manual_seed(documents * 100 + queries)
    # Whole numbers: every product is exact, and there are many ties.
    d = torch.randint(-2, 3, (documents, 6), generator=generator).float()
    q = torch.randint(-2, 3, (queries, 6), generator=generator).float()
    k, cut = min(k, documents), min(cut, documents)
    parts = [VectorSet(part) for part in (d[:cut], d[cut:]) if len(part)]
    index = ExactSearch(device="cpu", query_block=block, document_block=block).index(store(parts))
    found = index.search(VectorSet(q), k)
    expected = order_results(q @ d.T, torch.arange(documents).expand(queries, -1))
    assert torch.equal(found.scores, expected.scores[:, :k])
    assert torch.equal(found.positions, expected.positions[:, :k])


@settings(max_examples=25)
@given(
    query_lengths=st.lists(st.integers(1, 7), min_size=1, max_size=6),
    document_lengths=st.lists(st.integers(1, 9), min_size=1, max_size=30),
    block=st.integers(1, 60),
)
def test_maxsim_is_that_of_sentence_transformers(query_lengths, document_lengths, block):
    generator = torch.Generator().manual_seed(sum(document_lengths))
    q, d = tokens(query_lengths, generator), tokens(document_lengths, generator)
    index = ExactSearch(device="cpu", query_block=block, document_block=block).index(VectorStore.of(d))
    found = index.search(VectorSet.of(q), k=len(d))
    expected = maxsim(q, d)
    torch.testing.assert_close(found.scores, expected.gather(1, found.positions), rtol=1e-5, atol=1e-5)
    assert torch.equal(found.positions.sort(1).values, torch.arange(len(d)).expand(len(q), -1))
    assert (found.scores.diff(dim=1) <= 0).all()


def test_padding_never_wins_where_every_similarity_is_negative():
    query = [-torch.ones(2, 4)]
    documents = [torch.ones(1, 4), 2 * torch.ones(5, 4)]
    found = ExactSearch(device="cpu").index(VectorStore.of(documents)).search(VectorSet.of(query), k=2)
    assert found.positions.tolist() == [[0, 1]]
    assert found.scores.tolist() == [[-8.0, -16.0]]


def test_more_queries_in_a_block_than_sixteen_bits_count():
    queries = torch.eye(3).repeat(30_000, 1)
    found = (
        ExactSearch(device="cpu", query_block=90_000).index(VectorStore.of(torch.eye(3))).search(VectorSet(queries), 1)
    )
    assert torch.equal(found.positions, torch.arange(3).repeat(30_000)[:, None])


def test_threads_do_not_write_into_each_other_s_scores():
    generator = torch.Generator().manual_seed(0)
    index = ExactSearch(device="cpu", document_block=64).index(
        VectorStore.of(torch.randn(2000, 16, generator=generator))
    )
    asked = [VectorSet(torch.randn(300, 16, generator=generator)) for _ in range(8)]
    alone = [index.search(queries, 5).positions for queries in asked]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda queries: index.search(queries, 5).positions, asked))
    assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))


def test_agrees_with_faiss():
    faiss = pytest.importorskip("faiss")
    generator = torch.Generator().manual_seed(0)
    d, q = torch.randn(3000, 32, generator=generator), torch.randn(70, 32, generator=generator)
    peer = faiss.IndexFlatIP(32)
    peer.add(d.numpy())
    scores, positions = peer.search(q.numpy(), 10)
    found = ExactSearch(device="cpu").index(VectorStore.of(d)).search(VectorSet.of(q), 10)
    assert (found.positions.numpy() == positions).all()
    torch.testing.assert_close(found.scores, torch.from_numpy(scores))


def test_fewer_documents_than_asked_for_leave_minus_one():
    found = ExactSearch(device="cpu").index(VectorStore.of(torch.eye(2))).search(VectorSet.of(torch.eye(2)), k=3)
    assert found.positions.tolist() == [[0, 1, -1], [1, 0, -1]]
    assert torch.isneginf(found.scores[:, 2]).all()


def test_a_process_without_documents_finds_nothing_and_merges_with_the_others():
    d, q = torch.randn(10, 4), VectorSet.of(torch.randn(3, 4))
    whole = ExactSearch(device="cpu").index(VectorStore.of(d)).search(q, 5)
    empty = ExactSearch(device="cpu").index(VectorStore((), (), 10)).search(q, 5)
    halves = [
        ExactSearch(device="cpu").index(VectorStore((VectorSet(part),), (start,), 10)).search(q, 5)
        for start, part in ((0, d[:4]), (4, d[4:]))
    ]
    merged = merge_results([empty, *halves], 5)
    assert torch.equal(merged.positions, whole.positions)
    assert torch.equal(merged.scores, whole.scores)


def test_memory_is_that_of_a_block_and_not_of_the_matrix(monkeypatch):
    """Scores of 1,000 queries and 20,000 documents would be 20 million; no product is larger than a block."""
    sizes = []
    product = exact._Product.__call__

    def spy(self, left, right):
        result = product(self, left, right)
        sizes.append(result.numel())
        return result

    monkeypatch.setattr(exact._Product, "__call__", spy)
    documents, queries = VectorStore.of(torch.randn(20_000, 4)), VectorSet.of(torch.randn(1000, 4))
    ExactSearch(device="cpu", query_block=100, document_block=500).index(documents).search(queries, 10)
    assert len(sizes) == 10 * 40
    assert max(sizes) == 100 * 500


def test_vectors_of_another_width_or_kind_are_refused():
    index = ExactSearch(device="cpu").index(VectorStore.of(torch.eye(3)))
    with pytest.raises(ValueError, match="width 3, got width 4"):
        index.search(VectorSet.of(torch.eye(4)), 1)
    with pytest.raises(ValueError, match="one vector a token"):
        index.search(VectorSet.of([torch.eye(3)]), 1)
