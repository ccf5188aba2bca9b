"""LanceDB: rows and search of tables that its own client made, in each precision it holds."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from index_rows import COUNT, TEXTS, TITLES, WIDTH, check_store, nearest, queries, vectors
from lazily import lazily

from optical_hf.stores import open_store
from optical_hf.stores.exact_search import ExactSearch
from optical_hf.stores.vectors import VectorSet, VectorStore

lancedb = lazily("lancedb")

TOKENS = [vectors()[row : row + 1 + row % 4] for row in range(COUNT)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("lance")
    database = lancedb.connect(path)

    def make(name, vector):
        keys = pa.array([str(row) for row in range(COUNT)])
        return database.create_table(name, pa.table({"key": keys, "text": TEXTS, "head": TITLES, "dense": vector}))

    def lists(matrix, kind):
        return pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1), kind), matrix.shape[1])

    make("plain", lists(vectors(), pa.float32()))
    make("half", lists(vectors().astype(np.float16), pa.float16()))
    make("bits", lists(np.packbits(vectors() > 0, axis=1), pa.uint8()))
    ends = np.cumsum([0, *map(len, TOKENS)]).astype(np.int32)
    make("tokens", pa.ListArray.from_arrays(ends, lists(np.concatenate(TOKENS), pa.float32())))
    make("indexed", lists(vectors(), pa.float32())).create_index(
        "dense", config=lancedb.index.IvfPq(distance_type="dot", num_partitions=2, num_sub_vectors=8)
    )
    return path


@pytest.mark.parametrize(("table", "precision", "tolerance"), [("plain", "float32", 1e-5), ("half", "float16", 1e-3)])
def test_rows_and_search_are_those_of_the_table(folder, table, precision, tolerance):
    store = open_store(f"lancedb://{folder}/{table}?id=key")
    assert (store.metric, store.precision) == ("cosine", precision)
    check_store(store, tolerance=tolerance)


def test_an_index_says_what_it_compares_by_and_is_searched(folder):
    store = open_store(f"lancedb://{folder}/indexed?id=key")
    assert store.metric == "dot"
    found, (expected, _) = store.search(queries(), 10), nearest(queries(), 10)
    shared = [len(set(one) & set(other)) for one, other in zip(found.ids, expected, strict=True)]
    assert np.mean(shared) >= 8


def test_bits_are_compared_as_the_cosine_of_signs(folder):
    store = open_store(f"lancedb://{folder}/bits?id=key")
    assert (store.precision, store.width) == ("binary", WIDTH)
    signs = np.sign(vectors())
    np.testing.assert_array_equal(next(iter(store.rows(COUNT))).vectors.vectors.numpy(), signs)
    found = store.search(queries(), 10)
    scores = np.sort(np.sign(queries().vectors.numpy()) @ signs.T / WIDTH, axis=1)[:, ::-1]
    np.testing.assert_allclose(found.scores, scores[:, :10], atol=1e-6)


def test_token_vectors_are_searched_by_maxsim(folder):
    store = open_store(f"lancedb://{folder}/tokens?id=key&title=head")
    assert store.late_interaction
    asked = VectorSet.of([torch.tensor(vectors()[:3]), torch.tensor(vectors()[5:7])])
    exact = ExactSearch(device="cpu").index(VectorStore.of([torch.tensor(part) for part in TOKENS])).search(asked, 5)
    np.testing.assert_allclose(store.search(asked, 5).scores, exact.scores, atol=1e-4)
    rows = next(iter(store.rows(10)))
    assert (rows.vectors.lengths.tolist(), rows.titles) == ([len(tokens) for tokens in TOKENS[:10]], TITLES[:10])


def test_a_table_without_ids_of_its_own_is_searched_by_number(folder):
    store = open_store(f"lancedb://{folder}/plain")
    assert store.search(queries(3), 1).ids == [["0"], ["1"], ["2"]]
    assert next(iter(store.rows(2))).ids == ["0", "1"]


def test_the_stamp_changes_with_the_table(folder):
    url = f"lancedb://{folder}/changing"
    table = lancedb.connect(folder).create_table("changing", [{"text": "a", "vector": [0.1] * WIDTH}])
    before = open_store(url).stamp
    table.add([{"text": "b", "vector": [0.2] * WIDTH}])
    assert open_store(url).stamp != before


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("gone", "there is no table 'gone', only "),
        ("plain?text=body", "there is no column 'body', only key, text, head, dense"),
        ("plain?vector=text", "'text' holds no vectors; those that do: dense"),
        ("plain?metric=manhattan", "metric is 'manhattan': expected cosine, dot or euclidean"),
        ("../nowhere/plain", "there is no folder"),
    ],
)
def test_what_is_not_there_is_named_in_one_line(folder, table, said):
    with pytest.raises(ValueError, match=said):
        open_store(f"lancedb://{folder}/{table}")
