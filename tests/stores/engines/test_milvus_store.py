"""Milvus by milvus-lite: rows, search, what is refused. No cluster was at hand."""

import logging

import pytest
import torch
from index_rows import COUNT, TEXTS, TITLES, WIDTH, check_store, queries, vectors
from lazily import lazily

from optical_hf.stores import open_store
from optical_hf.stores.vectors import VectorSet

pymilvus = lazily("pymilvus")
lazily("milvus_lite")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A file that Milvus's own client filled: one collection a metric."""
    path = tmp_path_factory.mktemp("milvus") / "milvus.db"
    client = pymilvus.MilvusClient(str(path))
    kinds = pymilvus.DataType
    for metric in ("COSINE", "IP", "L2"):
        schema = client.create_schema(auto_id=False)
        schema.add_field("pk", kinds.INT64, is_primary=True)
        for name in ("body", "head"):
            schema.add_field(name, kinds.VARCHAR, max_length=500)
        schema.add_field("dense", kinds.FLOAT_VECTOR, dim=WIDTH)
        index = client.prepare_index_params()
        index.add_index("dense", index_type="FLAT", metric_type=metric)
        client.create_collection(metric, schema=schema, index_params=index)
        client.insert(metric, [
            {"pk": row, "body": TEXTS[row], "head": TITLES[row], "dense": vectors()[row]} for row in range(COUNT)
        ])  # fmt: skip
    client.close()
    return path


@pytest.mark.parametrize(("table", "metric"), [("COSINE", "cosine"), ("IP", "dot")])
def test_rows_and_search_are_those_of_the_collection(file, table, metric):
    store = open_store(f"milvus-lite://{file}/{table}?text=body")
    assert (store.metric, store.precision) == (metric, "float32")
    check_store(store)
    store.close()


def test_distances_become_scores_of_which_more_is_better(file):
    store = open_store(f"milvus-lite://{file}/L2?text=body&title=head")
    found = store.search(queries(), 4)
    assert [ids[0] for ids in found.ids] == ["0", "1", "2", "3", "4"]
    assert all(scores == sorted(scores, reverse=True) and scores[0] <= 0 for scores in found.scores)
    assert next(iter(store.rows(2))).titles == TITLES[:2]
    store.close()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("{}/gone", "there is no collection 'gone', only "),
        ("{}/IP", "there is no column 'text', only pk, body, head, dense; name the one of the texts with text="),
        ("{}/IP?text=body&vector=body", "'body' holds no vectors; those that do: dense"),
        ("{}.not/IP", "there is no file"),
    ],
)
def test_what_is_not_there_is_named_in_one_line(file, url, said):
    with pytest.raises(ValueError, match=said) as error:
        open_store(f"milvus-lite://{url.format(file)}")
    assert "\n" not in str(error.value)


def test_a_dropped_collection_is_one_line_and_no_trace_in_the_log(file, tmp_path, caplog):
    client = pymilvus.MilvusClient(str(file))
    client.create_collection("short", dimension=WIDTH)
    client.close()
    store = open_store(f"milvus-lite://{file}/short?text=id")
    store.client.drop_collection("short")
    caplog.clear()
    with (
        caplog.at_level(logging.DEBUG),
        pytest.raises(ValueError, match=r"^milvus-lite://.*/short\?text=id: ") as error,
    ):
        store.search(queries(), 3)
    store.close()
    assert "\n" not in str(error.value)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_no_server_is_one_line_without_the_token(monkeypatch):
    monkeypatch.setenv("MILVUS_TOKEN", "hunter2")
    with pytest.raises(ValueError, match=r"^milvus://127.0.0.1:9/docs\?timeout=1: ") as error:
        open_store("milvus://127.0.0.1:9/docs?timeout=1")
    assert "hunter2" not in str(error.value)


def test_tokens_are_refused(file):
    store = open_store(f"milvus-lite://{file}/IP?text=body")
    with pytest.raises(ValueError, match="holds one vector a text"):
        store.search(VectorSet.of([torch.randn(3, WIDTH)]), 2)
    store.close()
