"""FAISS and LanceDB against the exact search; what approximate engines miss is said."""

import sys
from importlib.util import find_spec

import pytest
import torch

from optical_hf.stores.bm25_search import Bm25Search
from optical_hf.stores.engine_names import ENGINES
from optical_hf.stores.exact_search import ExactSearch
from optical_hf.stores.faiss_search import FaissSearch
from optical_hf.stores.lancedb_search import LanceSearch
from optical_hf.stores.vectors import VectorSet, VectorStore

FAISS = pytest.mark.skipif(find_spec("faiss") is None, reason="no faiss")
LANCE = pytest.mark.skipif(find_spec("lancedb") is None, reason="no lancedb")


def unit(*shape):
    return torch.nn.functional.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(shape[0])), dim=-1)


def in_pieces(values: VectorSet, size: int) -> VectorStore:
    starts = range(0, len(values), size)
    return VectorStore(tuple(values.items(start, start + size) for start in starts), tuple(starts), len(values))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["exact", pytest.param("faiss-flat", marks=FAISS), pytest.param("lancedb", marks=LANCE)]
)
def test_exact_engines_agree_on_single_vectors_in_pieces(name):
    documents, queries = VectorSet(unit(700, 16)), VectorSet(unit(9, 16))
    found = ENGINES[name].index(in_pieces(documents, 300)).search(queries, 10)
    scores, positions = (queries.vectors @ documents.vectors.T).topk(10)
    assert torch.equal(found.positions, positions)
    torch.testing.assert_close(found.scores, scores, rtol=1e-5, atol=1e-5)


@LANCE
def test_lancedb_maxsim_is_that_of_the_exact_search(tmp_path):
    generator = torch.Generator().manual_seed(3)
    tokens = [unit(int(length), 16) for length in torch.randint(2, 9, (200,), generator=generator)]
    documents, queries = in_pieces(VectorSet.of(tokens), 80), VectorSet.of([unit(4, 16), unit(7, 16)])
    found = LanceSearch(folder=tmp_path).index(documents).search(queries, 12)
    exact = ExactSearch(device="cpu").index(documents).search(queries, 12)
    torch.testing.assert_close(found.scores, exact.scores, rtol=1e-4, atol=1e-4)
    # Lengths draw the same unit vectors, so documents tie: compare what stands at each place by its score only.
    assert (found.scores.diff(dim=1) <= 0).all()
    assert any(tmp_path.iterdir())


@LANCE
@pytest.mark.parametrize("search", ["vector", "maxsim"])
def test_lancedb_orders_queries_of_any_length_as_the_exact_search_does(search):
    """Each query with a length of its own: by cosine alone all would score as if they had length 1."""
    lengths = [0.1, 3.0, 250.0]
    tokens = [unit(3 + row, 8) for row in range(20)]
    if search == "maxsim":
        documents, queries = VectorSet.of(tokens), VectorSet.of([x * unit(4 + i, 8) for i, x in enumerate(lengths)])
    else:
        documents, queries = VectorSet(unit(20, 8)), VectorSet(torch.tensor(lengths)[:, None] * unit(3, 8))
    exact = ExactSearch(device="cpu").index(VectorStore.of(documents)).search(queries, 5)
    found = LanceSearch().index(VectorStore.of(documents)).search(queries, 5)
    assert torch.equal(found.positions, exact.positions)
    torch.testing.assert_close(found.scores, exact.scores, rtol=1e-4, atol=1e-5)


@LANCE
def test_lancedb_refuses_a_query_whose_tokens_differ_in_length():
    index = LanceSearch().index(VectorStore.of([unit(3, 4), unit(2, 4)]))
    query = unit(3, 4) * torch.tensor([[1.0], [5.0], [1.0]])
    with pytest.raises(ValueError, match=r"token vectors of 1 to 5 in length.*engine='exact'"):
        index.search(VectorSet.of([unit(2, 4), query]), 1)


@LANCE
def test_two_collections_in_one_lancedb_folder_find_their_own(tmp_path):
    engine, [first, second] = LanceSearch(folder=tmp_path), unit(2, 5, 8)
    indexes = [engine.index(VectorStore.of(vectors)) for vectors in (first, second)]
    for index, vectors in zip(indexes, (first, second), strict=True):
        assert index.search(VectorSet(vectors), 1).positions.flatten().tolist() == [0, 1, 2, 3, 4]


@FAISS
@pytest.mark.parametrize("engine", [FaissSearch("hnsw"), FaissSearch("ivfpq", lists=2, probes=1, subvectors=4)])
def test_approximate_engines_find_most_of_what_the_exact_one_finds(engine):
    centres = unit(20, 8)
    documents = VectorStore.of(torch.nn.functional.normalize(centres.repeat(15, 1) + 0.3 * unit(300, 8), dim=-1))
    queries = VectorSet(centres)
    found = engine.index(documents).search(queries, 10)
    exact = ExactSearch(device="cpu").index(documents).search(queries, 10)
    shares = [len({*a} & {*b}) / 10 for a, b in zip(found.positions.tolist(), exact.positions.tolist(), strict=True)]
    assert not engine.exact
    assert sum(shares) / len(shares) > 0.5  # 10 of 300 drawn at random would share 0.03


@FAISS
def test_faiss_says_what_it_cannot_do():
    with pytest.raises(ValueError, match="FAISS compares single vectors"):
        FaissSearch().index(VectorStore.of([unit(2, 4), unit(3, 4)]))
    with pytest.raises(ValueError, match="256 centroids and there are 20 documents"):
        FaissSearch("ivfpq").index(VectorStore.of(unit(20, 4)))


@LANCE
def test_lancedb_says_what_it_cannot_do():
    with pytest.raises(ValueError, match="not of unit length"):
        LanceSearch().index(VectorStore.of([2 * unit(2, 4)]))


@pytest.mark.parametrize("engine", [pytest.param(FaissSearch(), marks=FAISS), pytest.param(LanceSearch(), marks=LANCE)])
def test_queries_of_another_width_are_refused(engine):
    with pytest.raises(ValueError, match="width 4, got width 3"):
        engine.index(VectorStore.of(unit(20, 4))).search(VectorSet(unit(2, 3)), 1)


@pytest.mark.parametrize(
    ("engine", "module"), [(FaissSearch(), "faiss"), (LanceSearch(), "lancedb"), (Bm25Search(), "bm25s")]
)
def test_a_missing_extra_names_the_command(monkeypatch, engine, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r'pip install "optical-hf\[search\]"'):
        engine.index(VectorStore.of(unit(3, 4)))
