"""Files and FAISS indexes as stores: rows, ids and titles, search by each precision, what is refused."""

import json
from importlib.util import find_spec

import numpy as np
import pytest
from datasets import Dataset
from index_rows import COUNT, TEXTS, TITLES, WIDTH, check_store, nearest, queries, vectors

from optical_hf.stores import open_store

FAISS = pytest.mark.skipif(find_spec("faiss") is None, reason="no faiss")


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def texts(tmp_path):
    """JSON lines with ids and titles, and no vectors."""
    path = tmp_path / "x.jsonl"
    rows = ({"key": row, "text": TEXTS[row], "head": TITLES[row]} for row in range(COUNT))
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def test_parquet_with_named_columns(tmp_path):
    columns = {"key": list(range(COUNT)), "body": TEXTS, "head": TITLES, "dense": vectors().tolist()}
    Dataset.from_dict(columns).to_parquet(tmp_path / "x.parquet")
    store = open_store(f"file://{tmp_path}/x.parquet?id=key&text=body&vector=dense&title=head")
    check_store(store)
    assert next(iter(store.rows(3))).titles == TITLES[:3]
    assert (store.metric, store.precision, store.late_interaction) == ("cosine", "float32", False)


def test_an_array_beside_its_texts_by_inner_product(tmp_path):
    (tmp_path / "x.txt").write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    np.save(tmp_path / "x.npy", 3 * vectors())
    store = open_store(f"file://{tmp_path}/x.npy?metric=dot")
    expected, scores = nearest(queries(), 4, 3 * vectors())
    found = store.search(queries(), 4)
    assert found.ids == expected
    np.testing.assert_allclose(found.scores, scores, atol=1e-5)


def test_texts_that_stand_twice_keep_their_rows(tmp_path):
    Dataset.from_dict({"text": ["a", "a", "b"], "vector": np.eye(3).tolist()}).to_parquet(tmp_path / "x.parquet")
    assert [row for rows in open_store(f"{tmp_path}/x.parquet").rows(2) for row in rows.texts] == ["a", "a", "b"]


def test_texts_alone_have_no_vectors(texts):
    store = open_store(f"file://{texts}?id=key")
    rows = next(iter(store.rows(2)))
    assert (store.width, rows.vectors, rows.ids) == (0, None, ["0", "1"])
    with pytest.raises(ValueError, match="holds vectors of width 0"):
        store.search(queries(), 3)


@FAISS
@pytest.mark.parametrize(
    ("kind", "precision", "tolerance"),
    [("Flat", "float32", 1e-6), ("HNSW16", "float32", 1e-6), ("SQfp16", "float16", 1e-3), ("SQ8", "int8", 2e-2)],
)
def test_indexes_of_faiss_are_searched_by_faiss(texts, kind, precision, tolerance):
    import faiss

    index = faiss.index_factory(WIDTH, kind, faiss.METRIC_INNER_PRODUCT)
    index.train(vectors())
    index.add(vectors())
    faiss.write_index(index, str(texts.with_suffix(".faiss")))
    store = open_store(str(texts.with_suffix(".faiss")))
    assert (store.metric, store.precision) == ("dot", precision)
    if precision == "int8":  # neighbours may change places
        found, (expected, _) = store.search(queries(), 10), nearest(queries(), 10)
        assert np.mean([len(set(a) & set(b)) for a, b in zip(found.ids, expected, strict=True)]) > 9
        read = np.concatenate([rows.vectors.vectors for rows in store.rows(64)])
        np.testing.assert_allclose(read, vectors(), atol=tolerance)
    else:
        check_store(store, tolerance=tolerance)


@FAISS
def test_bits_of_faiss_are_compared_as_the_cosine_of_signs(texts, tmp_path):
    import faiss

    index = faiss.IndexBinaryFlat(WIDTH)
    index.add(np.packbits(vectors() > 0, axis=1))
    faiss.write_index_binary(index, str(tmp_path / "bits.index"))
    store = open_store(f"faiss://{tmp_path}/bits.index?texts={texts}&id=key&title=head")
    assert (store.precision, store.width, store.metric) == ("binary", WIDTH, "cosine")
    signs = np.sign(vectors())
    rows = next(iter(store.rows(50)))
    np.testing.assert_array_equal(rows.vectors.vectors, signs[:50])
    assert rows.titles == TITLES[:50]
    scores = np.sort(np.sign(queries().vectors.numpy()) @ signs.T / WIDTH, axis=1)[:, ::-1]
    np.testing.assert_allclose(store.search(queries(), 10).scores, scores[:, :10], atol=1e-6)


@FAISS
def test_distances_become_scores_of_which_more_is_better(texts):
    import faiss

    index = faiss.IndexFlatL2(WIDTH)
    index.add(vectors())
    faiss.write_index(index, str(texts.with_suffix(".faiss")))
    found = open_store(f"faiss://{texts.with_suffix('.faiss')}?texts={texts}").search(queries(), 3)
    distance = np.linalg.norm(queries().vectors.numpy() - vectors()[:5], axis=1)
    assert found.ids == nearest(queries(), 3)[0]
    np.testing.assert_allclose([scores[0] for scores in found.scores], -distance, atol=1e-5)


@FAISS
def test_what_does_not_fit_is_named(texts, tmp_path):
    import faiss

    index = faiss.IndexFlatIP(WIDTH)
    index.add(vectors()[:7])
    faiss.write_index(index, str(tmp_path / "x.faiss"))
    for url, said in [
        (f"{tmp_path}/x.faiss", r"x.jsonl has 300 texts and the index 7 vectors"),
        (f"faiss://{tmp_path}/gone.faiss", "there is no file"),
        (
            f"faiss://{tmp_path}/x.faiss?texts={texts}&title=subject",
            "there is no column 'subject', only key, text, head",
        ),
        (f"file://{texts}?metric=euclidean", "metric is 'euclidean': expected cosine or dot"),
    ]:
        with pytest.raises(ValueError, match=said):
            open_store(url)
