"""Stores as sources of documents: their rows are those of a file, and are read again where the store has changed."""

import numpy as np
import pyarrow as pa
import pytest
from lazily import lazily

lancedb = lazily("lancedb")


def rows(texts, vectors):
    flat = pa.array(np.asarray(vectors, np.float32).reshape(-1))
    return pa.table({"body": texts, "dense": pa.FixedSizeListArray.from_arrays(flat, 6)})


@pytest.fixture
def table(tmp_path, vectors):
    texts = [f"text {number}" for number in range(20)]
    return lancedb.connect(tmp_path / "lance").create_table("docs", rows(texts, vectors))


def test_the_url_names_the_columns(load, tmp_path, table, vectors):
    documents = load(f"lancedb://{tmp_path}/lance/docs?text=body&vector=dense")
    assert documents.column_names == ["text", "vector"]
    assert documents["text"][:3] == ["text 0", "text 1", "text 2"]
    np.testing.assert_allclose(np.array(documents["vector"][:]), vectors, atol=1e-6)
    assert load(f"lancedb://{tmp_path}/lance/docs?text=body", vector=None).column_names == ["text"]


def test_a_changed_store_is_read_again(load, tmp_path, table, vectors):
    url = f"lancedb://{tmp_path}/lance/docs?text=body"
    assert len(load(url)) == 20
    table.add(rows(["one more"], [[1.0] * 6]))
    assert len(load(url)) == 21


def test_stores_and_files_are_joined(load, tmp_path, table):
    table.add(rows(["empty"], [[0.0] * 6]))
    url = f"lancedb://{tmp_path}/lance/docs?text=body"
    with pytest.raises(ValueError, match=r"1 of 21 rows cannot be used, .*its vector is zero"):
        load(url)
    assert len(load([url, url], on_bad_row="drop")) == 20


def test_files_and_faiss_by_url(load, text_file, vectors, tmp_path):
    faiss = pytest.importorskip("faiss")
    index = faiss.IndexFlatIP(6)
    index.add(vectors)
    faiss.write_index(index, str(tmp_path / "x.faiss"))
    documents = load(f"faiss://{tmp_path}/x.faiss?texts={text_file}")
    np.testing.assert_allclose(np.array(documents["vector"][:]), vectors, atol=1e-6)
    documents.rename_columns({"text": "body", "vector": "dense"}).to_parquet(tmp_path / "x.parquet")
    again = load(f"file://{tmp_path}/x.parquet?text=body&vector=dense")
    assert (again["text"][:], again.column_names) == (documents["text"][:], ["text", "vector"])


def test_token_vectors_are_refused_and_their_texts_read(load, tmp_path):
    flat = pa.FixedSizeListArray.from_arrays(pa.array(np.ones(12, np.float32)), 4)
    tokens = pa.ListArray.from_arrays(pa.array([0, 1, 3], pa.int32()), flat)
    lancedb.connect(tmp_path).create_table("late", pa.table({"text": ["a", "b"], "vector": tokens}))
    with pytest.raises(ValueError, match=r"holds one vector a token.*vector=None"):
        load(f"lancedb://{tmp_path}/late")
    assert load(f"lancedb://{tmp_path}/late", vector=None)["text"][:] == ["a", "b"]


def test_a_store_that_is_missing_is_one_line(load, tmp_path):
    with pytest.raises(ValueError, match=r"^lancedb://.*/docs: there is no folder"):
        load(f"lancedb://{tmp_path}/nowhere/docs")
