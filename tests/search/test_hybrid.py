"""The student and BM25 together: what one alone finds is found, in a search and in an evaluation."""

import numpy as np
import pytest
import tiny_pairs

from optical_hf import RetrievalCollection, evaluate_retrieval, student_search
from optical_hf.search import open_index
from optical_hf.stores.document_store import StoreHits
from optical_hf.stores.rank_fusion import FIRST


def test_a_name_that_the_student_does_not_know_is_found(searched, own_cache):
    student, table = searched
    named = table.add_item({"text": "Xochitl Quetzalcoatl was here", "vector": [-x for x in table[0]["vector"]]})
    queries = ["wer ist Xochitl Quetzalcoatl?", tiny_pairs.bitext()["target"][0]]
    alone = student_search(student, named, queries, top=3)
    both = student_search(student, named, queries, top=3, hybrid=True)
    last = str(len(table))
    assert last not in [found.id for found in alone[0].documents]
    assert last in [found.id for found in both[0].documents]
    assert both[1].documents[0].text == alone[1].documents[0].text


def test_fusion_is_a_system_of_an_evaluation():
    foreign, english = ["ein Hund", "Zanzibar", "ein Haus"], ["a dog", "the coast of Zanzibar", "a house"]
    collection = RetrievalCollection.from_lines("names", {"de": foreign}, english)
    queries = np.array([[1, 0, 0], [0.1, 0.2, 0.9], [0, 0, 1]], np.float32)
    vectors = {"names": queries}
    report = evaluate_retrieval(
        None, None, collection, systems=["student", "hybrid"], document_vectors={"names": np.eye(3, dtype=np.float32)},
        query_vectors={"student": vectors, "hybrid": vectors}, k=(1,), progress=False,
    )  # fmt: skip
    assert report.systems["student"].ranks.tolist() == [1, 2, 1]
    assert report.systems["hybrid"].ranks.tolist() == [1, 1, 1]
    scores = report.found["hybrid"]["names"].scores
    assert scores[1, 0] == pytest.approx((1 + FIRST) / 62 + 1 / 61)


def test_the_constant_is_checked(searched):
    with pytest.raises(ValueError, match="fusion"):
        student_search(*searched, "mbwa", hybrid=True, fusion=0)


class Words:
    """The index of a fixture, as a store with a full-text search of its own."""

    def __init__(self, store):
        self.store = store

    def __getattr__(self, name):
        return getattr(self.store, name)

    def search_texts(self, queries, k):
        return StoreHits([["7"]] * len(queries), [[1.0]] * len(queries), [["found by the store"]] * len(queries))


def test_the_words_may_be_those_of_the_store(searched, own_cache):
    student, table = searched
    query = tiny_pairs.bitext()["target"][0]
    store = Words(open_index(table))
    alone = student_search(student, store, query, top=3)[0].documents
    both = student_search(student, store, query, top=len(table), hybrid=True, words="store")[0].documents
    assert {alone[0].id, "7"} == {found.id for found in both[:2]}
    with pytest.raises(ValueError, match="take BM25"):
        student_search(student, open_index(table), query, hybrid=True, words="store")
    with pytest.raises(ValueError, match="words: expected one of bm25, store"):
        student_search(student, store, query, hybrid=True, words="all")
