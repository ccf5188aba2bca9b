"""Qdrant by its client's local mode: rows, search, MaxSim, what is refused. No server was at hand."""

import numpy as np
import pytest
import torch
from index_rows import COUNT, TEXTS, TITLES, WIDTH, check_store, queries, vectors
from lazily import lazily

from optical_hf.stores import open_store
from optical_hf.stores.exact_search import ExactSearch
from optical_hf.stores.vectors import VectorSet, VectorStore

qdrant_client, models = lazily("qdrant_client"), lazily("qdrant_client.models")
TOKENS = [torch.tensor(vectors()[row : row + 1 + row % 4]) for row in range(COUNT)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder that Qdrant's own client filled."""
    path = tmp_path_factory.mktemp("qdrant")
    client = qdrant_client.QdrantClient(path=str(path))
    single = models.VectorParams(size=WIDTH, distance=models.Distance.COSINE)
    half = models.VectorParams(size=WIDTH, distance=models.Distance.DOT, datatype=models.Datatype.FLOAT16)
    late = models.VectorParams(
        size=WIDTH, distance=models.Distance.COSINE,
        multivector_config=models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM),
    )  # fmt: skip
    client.create_collection("docs", vectors_config=single)
    client.create_collection("named", vectors_config={"half": half, "tokens": late})
    for collection in client._client.collections.values():  # it commits each point
        collection.storage.storage.execute("PRAGMA synchronous = OFF")
    for row in range(COUNT):
        payload = {"text": TEXTS[row], "head": TITLES[row], "key": f"k{row}"}
        dense, both = vectors()[row].tolist(), {"half": vectors()[row].tolist(), "tokens": TOKENS[row].tolist()}
        client.upsert("docs", [models.PointStruct(id=row, vector=dense, payload=payload)])
        client.upsert("named", [models.PointStruct(id=row, vector=both, payload=payload)])
    client.close()
    return path


@pytest.fixture
def opened(folder):
    """Opens a collection of the folder; it is let go of at the end."""
    stores = []

    def open_collection(name):
        stores.append(open_store(f"qdrant-local://{folder}/{name}{'&' if '?' in name else '?'}allow_pickle=yes"))
        return stores[-1]

    yield open_collection
    for store in stores:
        store.close()


def test_rows_and_search_are_those_of_the_collection(opened):
    store = opened("docs")
    assert (store.metric, store.precision, store.late_interaction) == ("cosine", "float32", False)
    check_store(store)


def test_named_vectors_of_half_precision_by_inner_product(opened):
    store = opened("named?vector=half")
    assert (store.metric, store.precision) == ("dot", "float16")
    check_store(store, tolerance=1e-3)


def test_token_vectors_are_searched_by_maxsim(opened):
    store = opened("named?vector=tokens")
    asked = VectorSet.of([torch.tensor(vectors()[:3]), torch.tensor(vectors()[5:7])])
    found = store.search(asked, 5)
    exact = ExactSearch(device="cpu").index(VectorStore.of(TOKENS)).search(asked, 5)
    np.testing.assert_allclose(found.scores, exact.scores, atol=1e-5)
    rows = next(iter(store.rows(10)))
    assert rows.vectors.lengths.tolist() == [len(tokens) for tokens in TOKENS[:10]]
    with pytest.raises(ValueError, match="holds one vector a token, and the queries have one vector a text"):
        store.search(queries(), 5)


def test_titles_and_ids_of_the_payload(opened):
    rows = next(iter(opened("docs?title=head&id=key").rows(3)))
    assert (rows.ids, rows.titles) == (["k0", "k1", "k2"], TITLES[:3])


def test_a_folder_is_opened_only_where_the_user_trusts_its_pickles(folder):
    with pytest.raises(ValueError, match=r"collections docs, named\) holds pickles.*allow_pickle=yes"):
        open_store(f"qdrant-local://{folder}/docs")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gone", "there is no collection 'gone', only docs, named"),
        ("docs?text=body", "there is no column 'body', only text, head, key; name the one of the texts with text="),
        ("named", "several columns of vectors, half, tokens: name one with vector="),
        ("named?vector=dense", "there is no column 'dense', only half, tokens"),
    ],
)
def test_what_is_not_there_is_named_in_one_line(opened, name, said):
    with pytest.raises(ValueError, match=said) as error:
        opened(name)
    assert "\n" not in str(error.value)


def test_queries_of_another_width_are_refused_with_the_way_out(opened):
    store = opened("docs")
    with pytest.raises(
        ValueError, match=r"width 16, and the queries have width 32: cut them .* cut_vectors\(queries, 16\)"
    ):
        store.search(VectorSet.of(torch.randn(2, 32)), 3)
    with pytest.raises(ValueError, match="k is 0"):
        store.search(queries(), 0)


def test_no_server_is_one_line_without_the_key(monkeypatch):
    monkeypatch.setenv("QDRANT_API_KEY", "hunter2")
    with pytest.raises(ValueError, match=r"^qdrant://127.0.0.1:9/docs\?https=yes: .*refused") as error:
        open_store("qdrant://127.0.0.1:9/docs?https=yes")
    assert "hunter2" not in str(error.value)


def test_a_folder_that_is_none_of_qdrants(tmp_path):
    with pytest.raises(ValueError, match=r"is no folder of Qdrant's local mode"):
        open_store(f"qdrant-local://{tmp_path}/docs?allow_pickle=yes")
