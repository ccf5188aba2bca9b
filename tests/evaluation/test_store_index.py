"""An index in an evaluation: every metric, hits that are no documents, and what is refused."""

import numpy as np
import pytest
import torch
from datasets import Dataset

from optical_hf.data import RetrievalCollection
from optical_hf.data.collections.index_collection import load_index_collection, read_judgements
from optical_hf.evaluation import evaluate_retrieval
from optical_hf.evaluation.store_index import StoreIndex
from optical_hf.processes import Processes
from optical_hf.stores import open_store
from optical_hf.stores.document_store import StoreHits, StoreRows, check_queries
from optical_hf.stores.store_location import StoreLocation
from optical_hf.stores.vectors import VectorSet

QUIET = {"progress": False, "rounds": 20, "k": (1,), "depth": 2}
NUMBERS = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)


class Memory:
    """A store in memory that compares by brute force."""

    def __init__(self, metric, precision="float32", late=False):
        self.location, self.metric, self.precision = StoreLocation("file", "x"), metric, precision
        self.late_interaction, self.count, self.width, self.stamp = late, len(NUMBERS), 6, ()
        self.vectors = np.sign(NUMBERS) if precision == "binary" else NUMBERS

    def rows(self, batch_size=16):
        for start in range(0, self.count, batch_size):
            part = range(start, min(start + batch_size, self.count))
            yield StoreRows(
                [f"d{n}" for n in part], [f"text {n}" for n in part], VectorSet.of(self.vectors[list(part)])
            )

    def search(self, queries, k):
        check_queries(queries, self, k)
        asked = queries.vectors.numpy()
        asked = np.sign(asked) if self.precision == "binary" else asked
        if self.metric == "euclidean":
            scores = -np.linalg.norm(asked[:, None] - self.vectors[None], axis=-1)
        else:
            scores = asked @ self.vectors.T
            scores = scores / np.linalg.norm(self.vectors, axis=1) if self.metric == "cosine" else scores
        order = np.argsort(-scores, axis=1)[:, :k]
        ids = [[f"d{n}" for n in row] for row in order]
        return StoreHits(ids, np.take_along_axis(scores, order, 1).tolist(), [[""] * len(row) for row in ids])

    def close(self):
        """Nothing is held."""


def of_memory(store, left_out=()):
    rows = [n for n in range(40) if n not in left_out]
    documents = Dataset.from_dict({"id": [f"d{n}" for n in rows], "text": [f"text {n}" for n in rows]})
    asked = {"id": ["q"], "text": ["mbwa"], "language": ["sw"], "group": ["q"]}
    return StoreIndex.of(store, RetrievalCollection("x", Dataset.from_dict(asked), documents, {"q": {"d1": 1}}))


@pytest.mark.parametrize(
    ("metric", "precision"), [("cosine", "float32"), ("dot", "float32"), ("euclidean", "float32"), ("cosine", "binary")]
)
def test_comparing_each_vector_orders_as_the_store_does(metric, precision):
    index = of_memory(Memory(metric, precision))
    queries = VectorSet.of(np.random.default_rng(1).normal(size=(9, 6)).astype(np.float32))
    found, exact = (one(queries, 40, Processes()) for one in (index.best, index.exactly))
    scores = Memory(metric, precision).search(queries, 40).scores
    assert torch.allclose(found.scores, torch.tensor(scores))
    if precision == "float32":
        assert torch.equal(found.positions, exact.positions)
    else:  # equal numbers of differing signs are in any order
        assert torch.equal(found.positions.sort().values, exact.positions.sort().values)
        assert torch.allclose(found.scores * 6**0.5, exact.scores * 6**0.5, atol=1e-4)


def test_a_hit_that_is_no_document_keeps_its_place(caplog):
    store = Memory("dot")
    queries = VectorSet.of(NUMBERS[:1])
    whole = of_memory(store).best(queries, 3, Processes())
    assert "40 rows" not in caplog.text
    first = int(whole.positions[0, 0])
    found = of_memory(store, {first}).best(queries, 3, Processes())
    assert found.positions[0, 0] == -1
    assert torch.equal(found.scores, whole.scores)
    assert "has 40 rows and x has 39 documents" in caplog.text


class Words(Memory):
    """A store with a full-text search of its own, which finds one document by the word mbwa and else nothing."""

    def search_texts(self, queries, k):
        ids = [["d7"] if "mbwa" in query else [] for query in queries]
        return StoreHits(ids, [[1.0] * len(row) for row in ids], [[""] * len(row) for row in ids])


def test_a_hybrid_takes_the_words_of_the_store():
    rows, asked = [f"d{n}" for n in range(40)], ["mbwa", "paka"]
    documents = Dataset.from_dict({"id": rows, "text": [f"text {n}" for n in range(40)]})
    queries = Dataset.from_dict({"id": asked, "text": asked, "language": ["sw"] * 2, "group": asked})
    collection = RetrievalCollection("x", queries, documents, {"mbwa": {"d7": 1}, "paka": {"d1": 1}})
    vectors = {"x": NUMBERS[[20, 1]]}
    given = {"systems": ["student", "hybrid"], "query_vectors": {"student": vectors, "hybrid": vectors}, **QUIET}
    report = evaluate_retrieval(None, None, collection, indexes={"x": Words("cosine")}, words="store", **given)
    assert report.systems["student"].ranks.tolist() == [np.inf, 1]
    assert report.systems["hybrid"].ranks.tolist() == [2, 1]
    for more, told in (
        ({"indexes": {"x": Memory("cosine")}}, "take BM25"),
        ({"document_vectors": {"x": NUMBERS}}, "words='store' searches an index, and x has none"),
        ({"indexes": {"x": Words("cosine")}, "words": "all"}, "words: expected one of bm25, store"),
    ):
        with pytest.raises(ValueError, match=told):
            evaluate_retrieval(None, None, collection, **{"words": "store", **given, **more})


def test_ids_that_nobody_knows_are_an_error():
    index = StoreIndex(Memory("dot"), {"other": 0})
    with pytest.raises(ValueError, match="an id that no document of the collection has"):
        index.best(VectorSet.of(NUMBERS[:1]), 3, Processes())


def test_judgements_are_those_of_trec_or_of_beir(tmp_path):
    (tmp_path / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td 1\t2\n")
    assert read_judgements(str(tmp_path / "qrels.tsv")) == {"q1": {"d 1": 2}}
    assert read_judgements(["q1 0 d1 2"]) == {"q1": {"d1": 2}}
    with pytest.raises(ValueError, match="expected 4 fields"):
        read_judgements(["q1\td1\t1"])


def test_what_does_not_fit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "x.jsonl").write_text(
        '{"text": "a dog", "vector": [1.0, 0.0]}\n{"text": "a cat", "vector": [0.0, 1.0]}\n'
    )
    (tmp_path / "plain.txt").write_text("a dog\na cat\n")
    url = str(tmp_path / "x.jsonl")
    collection = load_index_collection(url, {"sw": {"1": "paka"}}, ["1 0 1 1"], name="x")
    given = {"query_vectors": {"student": {"x": np.eye(2)[1:]}}, **QUIET}
    report = evaluate_retrieval(None, None, collection, indexes={"x": url}, **given)
    assert report.systems["student"].languages["sw"].recall_at_1.value == 1.0
    for more, told in (
        ({"indexes": {"y": url}}, "indexes: no 'y' here"),
        ({"indexes": {"x": url}, "document_vectors": {"x": np.eye(2)}}, "indexes and document_vectors both have x"),
        ({"indexes": {"x": str(tmp_path / "plain.txt")}}, "holds texts and no vectors"),
        ({"indexes": {"x": url}, "search": "maxsim"}, "the index of x is searched by vector and not by maxsim"),
        ({"indexes": {"x": Memory("dot")}}, "holds vectors of width 6, and the queries have width 2"),
    ):
        with pytest.raises(ValueError, match=told):
            evaluate_retrieval(None, None, collection, **given | more)
    with pytest.raises(ValueError, match="unknown documents, the first is 'none'"):
        load_index_collection(open_store(url), {"sw": {"1": "paka"}}, ["1 0 none 1"])
