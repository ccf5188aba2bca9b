"""What `load_documents` refuses, and what it says."""

import json
import logging
import pickle

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset, DatasetDict

TEXTS = [f"text {number}" for number in range(20)]


def saved(path, **columns):
    pq.write_table(pa.table(columns), path)
    return path


def refuses(load, message, *args, **kwargs):
    with pytest.raises(ValueError, match=message):
        load(*args, **kwargs)


def test_a_missing_column_names_those_that_are_there(tmp_path, load):
    (tmp_path / "a.csv").write_text("id,passage\n1,one\n", encoding="utf-8")
    (tmp_path / "a.jsonl").write_text('{"id": 1, "passage": "one"}\n', encoding="utf-8")
    saved(tmp_path / "a.parquet", id=[1], passage=["one"])
    for name in ("a.csv", "a.jsonl", "a.parquet"):
        refuses(load, rf"{name}: there is no column 'text', only id, passage; .*text=", tmp_path / name)


def test_columns_that_hold_something_else(tmp_path, load):
    refuses(load, "expected texts in the column 'text', got int64", saved(tmp_path / "a.parquet", text=[1]))
    refuses(
        load,
        "expected lists of numbers in the column 'vector'",
        saved(tmp_path / "b.parquet", text=["a"], vector=["b"]),
    )


def test_vectors_under_another_name_are_pointed_at(tmp_path, load, caplog):
    path = saved(tmp_path / "a.parquet", text=["one"], embedding=[[1.0, 2.0]])
    assert load(path).column_names == ["text"]
    assert "name it with vector='embedding'" in caplog.text


def test_bad_rows_are_counted_or_dropped(tmp_path, load, caplog):
    vectors = [[1.0, 0.0], [1.0, 2.0], [np.nan, 1.0], [0.0, 0.0], None, [np.inf, 1.0]]
    path = saved(tmp_path / "a.parquet", text=["good", " ", "nan", "zero", "none", "inf"], vector=vectors)
    refuses(
        load, r"5 of 6 rows cannot be used, the first are 2, 3, 4; row 2: its text is empty.*on_bad_row='drop'", path
    )
    for _ in range(2):  # the second time from the cache
        caplog.clear()
        assert load(path, on_bad_row="drop")["text"][:] == ["good"]
        assert "5 of 6 rows cannot be used" in caplog.text
    refuses(load, "on_bad_row is 'keep'", path, on_bad_row="keep")


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ([np.nan, 1.0], "NaN or infinity"),
        ([1e300, 1.0], "NaN or infinity"),
        ([0.0, 0.0], "zero, which has no direction"),
    ],
)
def test_vectors_without_a_direction(tmp_path, load, bad, reason):
    np.save(tmp_path / "a.npy", np.array([[1.0, 0.0], bad]))
    (tmp_path / "a.txt").write_text("one\ntwo\n", encoding="utf-8")
    refuses(load, f"1 of 2 rows cannot be used, the first is 2; row 2: its vector .*{reason}", tmp_path / "a.txt")


def test_different_widths(tmp_path, load):
    path = saved(tmp_path / "a.parquet", text=["a", "b"], vector=[[1.0, 2.0], [1.0]])
    refuses(load, "different widths, 2 before row 2 and 1 there", path)
    other = saved(tmp_path / "b.parquet", text=["c"], vector=[[1.0, 2.0, 3.0]])
    good = saved(tmp_path / "c.parquet", text=["d"], vector=[[1.0, 2.0]])
    refuses(load, "c.parquet has vectors of width 2, and .*b.parquet has vectors of width 3", [good, other])


def test_sources_with_and_without_vectors(tmp_path, load, text_file):
    with_vectors = saved(tmp_path / "c.parquet", text=["d"], vector=[[1.0, 2.0]])
    refuses(load, "vectors of width 2, and .*docs.txt has no vectors.*vector=None", [with_vectors, text_file])
    assert len(load([with_vectors, text_file], vector=None)) == 21


@pytest.mark.parametrize("count", [3, 19, 21])
def test_another_number_of_vectors(load, text_file, count):
    np.save(text_file.with_suffix(".npy"), np.ones((count, 2)))
    refuses(load, f"has 20 texts and .* {count} vectors", text_file)


def test_arrays_that_are_no_vectors(load, text_file):
    array = text_file.with_suffix(".npy")
    array.write_bytes(b"\x93NUMPY\x01\x00v\x00" + pickle.dumps("no array"))
    refuses(load, "no readable array", text_file)
    np.save(array, np.array([[1.0], [1.0, 2.0]], dtype=object), allow_pickle=True)
    refuses(load, "holds Python objects, which are not read", text_file)
    np.save(array, np.ones(20))
    refuses(load, r"expected numbers as \(rows, width\), got the shape \(20,\)", text_file)
    whole = np.ones((20, 6))
    np.save(array, whole)
    array.write_bytes(array.read_bytes()[:-100])
    refuses(load, "is the file complete", text_file)


def test_damaged_files(tmp_path, load, text_file):
    path = saved(tmp_path / "a.parquet", text=TEXTS)
    path.write_bytes(path.read_bytes()[:-20])
    refuses(load, "a.parquet: not a readable Parquet file", path)
    (tmp_path / "a.txt.gz").write_bytes(b"\x1f\x8b no gzip")
    refuses(load, "a.txt.gz:1: cannot be read on", tmp_path / "a.txt.gz")
    (tmp_path / "a.jsonl").write_text('{"text": "one"}\n{"text": \n', encoding="utf-8")
    refuses(load, "1 of 2 rows cannot be used, the first is 2; row 2: not one JSON object", tmp_path / "a.jsonl")
    text_file.with_suffix(".faiss").write_bytes(b"no index")
    refuses(load, "docs.faiss: no readable index of FAISS", text_file)


def test_indexes_of_faiss_that_cannot_be_matched(load, text_file, vectors, monkeypatch):
    path = str(text_file.with_suffix(".faiss"))
    index = faiss.index_factory(6, "IDMap,Flat")
    index.add_with_ids(vectors, np.arange(20) + 5)
    faiss.write_index(index, path)
    refuses(load, "ids of their own", text_file)
    flat = faiss.IndexFlatIP(6)
    flat.add(vectors)
    faiss.write_index(flat, path)

    def reconstruct_n(*_):
        raise RuntimeError("reconstruct not implemented for this type of index")

    monkeypatch.setattr(faiss.IndexFlatIP, "reconstruct_n", reconstruct_n)
    refuses(load, "does not give its vectors back", text_file)


def test_bad_json_rows(tmp_path, load):
    rows = [
        {"text": "a", "vector": [1, 2]},
        {"text": 3, "vector": [1, 2]},
        {"text": "c"},
        {"text": "d", "vector": ["x"]},
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    refuses(load, "3 of 4 rows cannot be used, the first are 2, 3, 4; row 2: expected a text", tmp_path / "a.jsonl")
    assert load(tmp_path / "a.jsonl", on_bad_row="drop")[:] == {"text": ["a"], "vector": [[1, 2]]}


def test_equal_texts_are_kept_once(tmp_path, load, caplog):
    caplog.set_level(logging.WARNING)
    near = [[1.0, 2.0], [3.0, 1.0], [1.001, 2.0]]
    documents = load(saved(tmp_path / "a.parquet", text=["one", "two", "one"], vector=near))
    assert documents["text"][:] == ["one", "two"]
    np.testing.assert_allclose(documents["vector"][:], near[:2])
    assert "1 of 3 texts stood before: each is kept once" in caplog.text


def test_equal_texts_with_different_vectors(tmp_path, load):
    path = saved(tmp_path / "a.parquet", text=["one", "two", "one"], vector=[[1.0, 2.0], [3.0, 1.0], [2.0, -1.0]])
    refuses(load, r"1 texts stand twice with different vectors, the first is 'one' \(rows 1 and 3\)", path)
    np.testing.assert_allclose(load(path, on_bad_row="drop")["vector"][:], [[1, 2], [3, 1]])


def test_sources_that_are_none(tmp_path, load, text_file):
    refuses(load, "no such file", tmp_path / "missing.txt")
    refuses(load, "no such file", ["missing.txt"])
    refuses(load, "files and what is none, the first is 'a dog'", ["a dog", str(text_file)])
    refuses(load, "no documents were given", [])
    refuses(load, "its name says no format", text_file.rename(tmp_path / "docs.pdf"))
    refuses(load, "no file of documents", (tmp_path / "plain"))
    refuses(load, "got int", 3)
    refuses(load, "choose a split", DatasetDict({"train": Dataset.from_dict({"text": ["a"]})}))
    refuses(load, r"expected a tuple \(texts, vectors\)", ("a.txt",))


def test_vectors_without_texts(tmp_path, load):
    np.save(tmp_path / "a.npy", np.eye(2))
    refuses(load, "holds vectors alone; expected their texts beside it", tmp_path / "a.npy")


def test_csv_with_vectors_is_refused(tmp_path, load):
    (tmp_path / "a.csv").write_text('text,vector\none,"[1, 2]"\n', encoding="utf-8")
    refuses(load, "vectors are not read from text", tmp_path / "a.csv")
    assert load(tmp_path / "a.csv", vector=None)["text"][:] == ["one"]
