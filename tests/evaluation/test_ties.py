"""A tie counts against the system, in every engine and across the search depth."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from optical_hf.data import RetrievalCollection
from optical_hf.evaluation import evaluate_retrieval
from optical_hf.evaluation.searching import found_within
from optical_hf.metrics.ranking import ranks_from_scores
from optical_hf.stores.bm25_search import Bm25Search
from optical_hf.stores.exact_search import ExactSearch
from optical_hf.stores.faiss_search import FaissSearch
from optical_hf.stores.lancedb_search import LanceSearch
from optical_hf.stores.search_engine import SearchResult, merge_results
from optical_hf.stores.vectors import VectorSet, VectorStore

ENGINES = {
    "exact": ExactSearch(device="cpu"),
    "exact in blocks": ExactSearch(device="cpu", query_block=3, document_block=50),
    "faiss-flat": FaissSearch("flat"),
    "lancedb": LanceSearch(),
}
QUERIES, DOCUMENTS, WIDTH = 5, 203, 32


def unit(*shape: int) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(shape[0])), dim=-1)


def collection() -> RetrievalCollection:
    """Five queries, whose right documents are spread over the 203."""
    texts = [f"document {row}" for row in range(DOCUMENTS)]
    found = RetrievalCollection.from_lines("ties", {"de": [f"Frage {row}" for row in range(DOCUMENTS)]}, texts)
    rows = list(range(0, DOCUMENTS, DOCUMENTS // (QUERIES - 1)))
    queries = found.queries.select(rows)
    return RetrievalCollection("ties", queries, found.documents, {key: found.qrels[key] for key in queries["id"][:]})


def ranks(queries, documents, engine, depth, search="vector"):
    report = evaluate_retrieval(
        None, None, collection(), search=search, engine=engine, depth=depth, k=(1,), rounds=10, progress=False,
        query_vectors={"student": {"ties": queries}}, document_vectors={"ties": documents},
    )  # fmt: skip
    return report.systems["student"].ranks.tolist()


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
@pytest.mark.parametrize("search", ["vector", "maxsim"])
def test_documents_of_one_score_are_found_only_where_all_were_retrieved(engine, search):
    if isinstance(engine, FaissSearch):
        pytest.importorskip("faiss")
        if search == "maxsim":
            pytest.skip("FAISS searches single vectors")
    if isinstance(engine, LanceSearch):
        pytest.importorskip("lancedb")
    queries, documents = unit(QUERIES, WIDTH), unit(1, WIDTH).expand(DOCUMENTS, -1)
    if search == "maxsim":
        queries, documents = [unit(3 + row, WIDTH) for row in range(QUERIES)], [unit(4, WIDTH)] * DOCUMENTS
    for depth in (1, 100, DOCUMENTS - 1):
        assert ranks(queries, documents, engine, depth, search) == [np.inf] * QUERIES
    for depth in (DOCUMENTS, 1000):
        assert ranks(queries, documents, engine, depth, search) == [DOCUMENTS] * QUERIES


def test_a_right_document_above_the_tied_ones_keeps_its_rank():
    angle = torch.full((DOCUMENTS,), 1.0)
    angle[0], angle[50] = 0.1, 0.5
    documents, queries = torch.stack([angle.cos(), angle.sin()], dim=1), torch.eye(2)[:1].expand(QUERIES, -1)
    assert ranks(queries, documents, ENGINES["exact"], 3) == [1, 2, np.inf, np.inf, np.inf]
    assert ranks(queries, documents, ENGINES["exact"], 2) == [1, 2, np.inf, np.inf, np.inf]
    assert ranks(queries, documents, ENGINES["exact"], 1) == [1, np.inf, np.inf, np.inf, np.inf]


@pytest.mark.slow
@given(
    scores=st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.7]), min_size=1, max_size=12),
    right=st.integers(0, 11),
    depth=st.integers(1, 14),
)
@settings(max_examples=200)
def test_a_rank_is_that_among_all_documents_or_beyond_the_depth(scores, right, depth):
    right %= len(scores)
    order = np.argsort(-np.array(scores), kind="stable")[None, : depth + 1]
    best = SearchResult(torch.tensor(scores)[order], torch.from_numpy(order))
    [rank] = ranks_from_scores([scores], [right])
    found = found_within(best, depth, [[right]], len(scores))
    assert found.ranks.tolist() == [rank if rank <= depth else np.inf]
    assert (right in found.documents.tolist()[0]) == (rank <= depth)
    assert found.documents.shape[1] <= depth


def test_what_rounding_separates_is_a_tie_and_what_was_not_found_is_none():
    rows = torch.tensor([[0, 1, 2], [2, 1, -1]])
    best = SearchResult(torch.tensor([[0.5, 0.5 - 6e-8, 0.4], [0.5, 0.4999, -np.inf]]), rows)
    found = found_within(best, 2, [[0], [2]], 3)
    assert found.ranks.tolist() == [2, 1]
    assert found.documents.tolist() == [[0, 1], [2, 1]]
    assert found_within(best, 1, [[0], [2]], 3).documents.tolist() == [[-1], [2]]


def test_results_of_two_processes_tie_as_those_of_one():
    same = VectorSet(unit(1, WIDTH).expand(DOCUMENTS, -1).contiguous())
    stores = [VectorStore((same.items(a, b),), (a,), DOCUMENTS) for a, b in ((0, 120), (120, DOCUMENTS))]
    parts = [ENGINES["exact"].index(store).search(VectorSet(unit(2, WIDTH)), 101) for store in stores]
    found = found_within(merge_results(parts, 101), 100, [[0], [202]], DOCUMENTS)
    assert found.ranks.tolist() == [np.inf, np.inf]


def test_bm25_finds_no_tied_document_at_its_depth_and_none_without_a_word():
    pytest.importorskip("bm25s")
    documents = ["a white dog", *["the brown dog"] * 150, "house"]
    index = Bm25Search().index(documents)
    best = index.search(["white dog", "brown dog", "house"], 101)
    found = found_within(best, 100, [[0], [1], [0]], len(documents))
    assert found.ranks.tolist() == [1, np.inf, np.inf]
    everything = found_within(index.search(["brown dog"], 1000), 1000, [[1]], len(documents))
    assert everything.ranks.tolist() == [150]
