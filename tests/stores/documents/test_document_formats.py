"""`load_documents` gives the same table from every format."""

import gzip
import json

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset, List, Value
from lazily import lazily

lancedb = lazily("lancedb")

TEXTS = [f"text {number}" for number in range(20)]


def lists(vectors):
    return [row.tolist() for row in vectors]


def check(documents, vectors, tolerance=0.0):
    assert documents.features == {"text": Value("string"), "vector": List(Value("float32"), length=6)}
    assert documents["text"][:] == TEXTS
    np.testing.assert_allclose(np.array(documents["vector"][:]), vectors, atol=tolerance)


def table(vectors, kind=None):
    return pa.table(
        {"id": range(20), "text": TEXTS, "vector": pa.array(lists(vectors), kind or pa.list_(pa.float64()))}
    )


def test_jsonl(tmp_path, load, vectors):
    rows = [json.dumps({"n": 1, "body": text, "emb": row}) for text, row in zip(TEXTS, lists(vectors), strict=True)]
    with gzip.open(tmp_path / "docs.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(rows))
    check(load(tmp_path / "docs.jsonl.gz", text="body", vector="emb"), vectors)


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.float32()), pa.list_(pa.float32(), 6), pa.large_list(pa.float64())], ids=str
)
def test_parquet(tmp_path, load, vectors, kind):
    pq.write_table(table(vectors, kind), tmp_path / "docs.parquet", row_group_size=7)
    check(load(tmp_path / "docs.parquet"), vectors)


def test_parquet_of_half_precision(tmp_path, load, vectors):
    half = vectors.astype(np.float16)
    column = pa.ListArray.from_arrays(pa.array(np.arange(0, 121, 6), pa.int32()), pa.array(half.reshape(-1)))
    pq.write_table(pa.table({"text": TEXTS, "vector": column}), tmp_path / "docs.parquet")
    check(load(tmp_path / "docs.parquet"), half.astype(np.float32))


def test_arrow_file_and_saved_folder(tmp_path, load, vectors):
    with pa.ipc.new_file(tmp_path / "docs.arrow", table(vectors).schema) as file:
        file.write_table(table(vectors))
    check(load(tmp_path / "docs.arrow"), vectors)
    Dataset(table(vectors)).save_to_disk(tmp_path / "saved")
    check(load(tmp_path / "saved"), vectors)


def test_folder_of_shards(tmp_path, load, vectors):
    (tmp_path / "shards").mkdir()
    for part in range(2):
        pq.write_table(table(vectors).slice(10 * part, 10), tmp_path / "shards" / f"part-{part}.parquet")
    check(load(tmp_path / "shards"), vectors)


def test_dataset_is_checked_and_keeps_texts_and_vectors_alone(load, vectors):
    check(load(Dataset(table(vectors))), vectors)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_array_beside_a_text_file(load, text_file, vectors, dtype):
    np.save(text_file.with_suffix(".npy"), vectors.astype(dtype))
    check(load(text_file), vectors, tolerance=2e-3)
    check(load(text_file.with_suffix(".npy")), vectors, tolerance=2e-3)
    assert load(text_file, vector=None).column_names == ["text"]


def test_array_that_is_given(tmp_path, load, text_file, vectors):
    np.save(tmp_path / "elsewhere.npy", vectors)
    check(load((text_file, tmp_path / "elsewhere.npy")), vectors)


@pytest.mark.parametrize("description", ["Flat", "IDMap,Flat", "HNSW8,Flat", "IVF2,Flat"])
def test_faiss(load, text_file, vectors, description):
    index = faiss.index_factory(6, description)
    index.train(vectors)
    index.add_with_ids(vectors, np.arange(20)) if "IDMap" in description else index.add(vectors)
    faiss.write_index(index, str(text_file.with_suffix(".faiss")))
    check(load(text_file), vectors)


def test_lancedb(tmp_path, load, vectors):
    fixed = table(vectors, pa.list_(pa.float32(), 6))
    lancedb.connect(tmp_path / "base").create_table("docs", data=fixed)
    check(load(tmp_path / "base"), vectors)
    check(load(tmp_path / "base" / "docs.lance"), vectors)


@pytest.mark.parametrize(("name", "separator"), [("docs.csv", ","), ("docs.tsv", "\t")])
def test_columns_of_text(tmp_path, load, name, separator):
    lines = [separator.join(cells) for cells in [("id", "passage"), *((str(n), text) for n, text in enumerate(TEXTS))]]
    (tmp_path / name).write_text("\n".join(lines), encoding="utf-8")
    assert load(tmp_path / name, text="passage")["text"][:] == TEXTS


def test_csv_with_line_feeds_stays_in_step_with_its_vectors(tmp_path, load):
    (tmp_path / "docs.csv").write_text('text\n"one\nline more"\ntwo\n', encoding="utf-8")
    np.save(tmp_path / "docs.npy", np.eye(2))
    assert load(tmp_path / "docs.csv")[:] == {"text": ["one\nline more", "two"], "vector": [[1, 0], [0, 1]]}


def test_texts_alone_and_a_join(tmp_path, load, text_file):
    (tmp_path / "more.jsonl").write_text('{"text": "one more"}\n', encoding="utf-8")
    assert load(["a dog", "a cat"])["text"][:] == ["a dog", "a cat"]
    assert load(["a dog"], text="passage").column_names == ["text"]
    joined = load([str(text_file), tmp_path / "more.jsonl", Dataset.from_dict({"text": ["the last"]})])
    assert joined["text"][:] == [*TEXTS, "one more", "the last"]


def test_a_second_call_reads_the_cache_until_the_file_changes(load, text_file):
    first, again = load(text_file), load(text_file)
    assert first.cache_files == again.cache_files
    text_file.write_text("another text\n", encoding="utf-8")
    assert load(text_file)["text"][:] == ["another text"]


def test_it_is_mapped_and_not_held(load, text_file):
    assert load(text_file).cache_files, "a table in memory has no files"
