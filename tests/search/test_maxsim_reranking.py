"""Late interaction in an index of one vector a text: what was found first is ordered by MaxSim."""

import pytest
import tiny_pairs
import torch
from datasets import Dataset

from optical_hf import student_search
from optical_hf.models import as_late_interaction
from optical_hf.search import open_index
from optical_hf.search.maxsim_reranking import reranked
from optical_hf.stores.document_store import StoreHits


def by_hand(student, teacher, query, texts):
    """MaxSim of a query with each text."""
    (asked,) = as_late_interaction(student).encode_query([query])
    read = as_late_interaction(teacher).encode_document(texts)
    return [float((torch.as_tensor(asked) @ torch.as_tensor(one).T).max(dim=1).values.sum()) for one in read]


def test_the_hits_are_ordered_by_maxsim(searched):
    student, table = searched
    teacher, query, texts = tiny_pairs.teacher(), tiny_pairs.bitext()["target"][0], table["text"][:6]
    hits = StoreHits([[f"d{n}" for n in range(6)], [], ["d5"]], [[0.0] * 6, [], [0.0]], [texts, [], texts[5:]])
    found = reranked(student, teacher, [query, query, query], hits, 4, 8)
    scores = by_hand(student, teacher, query, texts)
    order = sorted(range(6), key=lambda n: -scores[n])[:4]
    assert found.ids == [[f"d{n}" for n in order], [], ["d5"]]
    assert found.scores[0] == pytest.approx([scores[n] for n in order], abs=1e-4)
    assert found.texts[0] == [texts[n] for n in order]
    nothing = StoreHits([[]], [[]], [[]])
    assert reranked(student, teacher, [query], nothing, 4, 8) == nothing


def test_a_search_compares_its_first_hits_again(searched, own_cache):
    student, table = searched
    teacher, query = tiny_pairs.teacher(), tiny_pairs.bitext()["target"][3]
    first = student_search(student, table, query, top=8)[0].documents
    again = student_search(student, table, query, top=3, rerank=8, teacher=teacher)[0].documents
    scores = dict(
        zip([one.id for one in first], by_hand(student, teacher, query, [one.text for one in first]), strict=True)
    )
    assert [one.id for one in again] == sorted(scores, key=lambda key: -scores[key])[:3]


def test_what_cannot_be_compared_again_is_refused(searched, own_cache):
    student, table = searched
    with pytest.raises(ValueError, match=r"it needs the teacher \(teacher=\)"):
        student_search(student, table, "mbwa", rerank=5)
    texts = Dataset.from_dict({"text": table["text"][:4], "vector": table["vector"][:4]})
    tokens = open_index(texts, teacher=tiny_pairs.teacher(), search="maxsim")
    with pytest.raises(ValueError, match="searched by its tokens already"):
        student_search(student, tokens, "mbwa", rerank=5, teacher=tiny_pairs.teacher())
