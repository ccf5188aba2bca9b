"""A student that was fitted on an index finds its documents; one that was not, or does not fit, is told."""

import logging
import sys

import pytest
import tiny_pairs
from datasets import Dataset

from optical_hf import student_search
from optical_hf.models import as_late_interaction, build_student
from optical_hf.search import Query, json_lines, open_index, write_run
from optical_hf.stores.exact_search import ExactSearch
from optical_hf.stores.vectors import VectorSet, VectorStore


@pytest.fixture(autouse=True)
def _own_cache(own_cache):
    """No cache beside the test."""


def test_the_documents_are_those_of_the_exact_search(searched):
    student, table = searched
    queries = tiny_pairs.bitext()["target"][:5]
    answers = student_search(student, table, queries, top=3)
    vectors = VectorSet.of(student.encode_query(queries))
    best = ExactSearch("cpu").index(VectorStore.of(table.with_format("numpy")["vector"][:])).search(vectors, 3)
    assert [[int(d.id) for d in answer.documents] for answer in answers] == best.positions.tolist()
    for answer, scores in zip(answers, best.scores.tolist(), strict=True):
        assert [d.score for d in answer.documents] == pytest.approx(scores, abs=1e-5)
        assert [d.text for d in answer.documents] == [table["text"][int(d.id)] for d in answer.documents]


def test_an_open_index_serves_many_searches_in_parts(searched, monkeypatch):
    student, table = searched
    index = open_index(table)
    queries = tiny_pairs.bitext()["target"][:7]
    whole = student_search(student, index, queries, top=2, check=False)
    monkeypatch.setattr(sys.modules[student_search.__module__], "AT_ONCE", 3)
    parts = student_search(student, index, queries, top=2, check=False)
    assert [[d.id for d in a.documents] for a in parts] == [[d.id for d in a.documents] for a in whole]
    assert len(student_search(student, index, "mbwa", top=10**6)[0].documents) == len(table)


def test_a_late_interaction_index_is_read_by_the_teacher(searched, tmp_path):
    student, table = searched
    teacher = tiny_pairs.teacher()
    late = as_late_interaction(student)
    texts = Dataset.from_dict({"text": table["text"][:]})
    answers = student_search(
        late,
        texts,
        tiny_pairs.bitext()["target"][:2],
        teacher=teacher,
        search="maxsim",
        cache=tmp_path / "kept",
        progress=False,
    )
    assert all(len(answer.documents) == 10 for answer in answers)
    assert list((tmp_path / "kept").rglob("*.safetensors"))
    with pytest.raises(ValueError, match="teacher"):
        student_search(student, texts, "mbwa")


def test_width_and_space_are_checked(searched, caplog):
    student, table = searched
    narrow = build_student(tiny_pairs.backbone(), tiny_pairs.teacher(width=16))
    with pytest.raises(ValueError, match=r"16 wide and those of .* 32"):
        student_search(narrow, table, "mbwa")
    with caplog.at_level(logging.WARNING):
        student_search(student, table, "mbwa")
        assert not caplog.text
        untrained = build_student(tiny_pairs.backbone(), tiny_pairs.teacher())
        student_search(untrained, table, "mbwa")
    assert "made for another teacher's index" in caplog.text


def test_columns_are_named_in_the_url_and_lengths_are_warned_of(searched, tmp_path, caplog):
    student, table = searched
    longer = table.map(lambda row, n: {"key": f"d{n}", "v": [(1 + n) * x for x in row["vector"]]}, with_indices=True)
    longer.remove_columns("vector").to_parquet(tmp_path / "x.parquet")
    url = f"file://{tmp_path}/x.parquet?id=key&vector=v"
    query = tiny_pairs.bitext()["target"][0]
    by_cosine = student_search(student, url, query)[0].documents
    assert [d.id for d in by_cosine] == [f"d{d.id}" for d in student_search(student, table, query)[0].documents]
    with caplog.at_level(logging.WARNING):
        by_dot = student_search(student, f"{url}&metric=dot", query)[0].documents
    assert by_dot[0].score > 1 > by_cosine[0].score
    assert "compared by dot" in caplog.text


def test_a_cut_index_is_searched_at_its_own_width(searched, caplog):
    student, table = searched
    cut = table.map(lambda row: {"vector": row["vector"][:16]})
    with caplog.at_level(logging.WARNING):
        answer = student_search(student, cut, tiny_pairs.bitext()["target"][0], top=1)
    assert "cut from 32 to the index's 16" in caplog.text
    assert answer[0].documents[0].score <= 1 + 1e-5


def test_answers_as_json_and_as_a_run(searched, tmp_path):
    student, table = searched
    answers = student_search(student, table, [Query("q1", "mbwa", "sw")], top=2)
    write_run(answers, tmp_path / "x.run", "mine")
    rows = [line.split() for line in (tmp_path / "x.run").read_text().splitlines()]
    assert [row[:2] + row[3:4] + row[5:] for row in rows] == [["q1", "Q0", "1", "mine"], ["q1", "Q0", "2", "mine"]]
    assert '"language": "sw", "documents": [{"rank": 1' in json_lines(answers)
    with pytest.raises(ValueError, match="white space"):
        write_run([answers[0]._replace(query=Query("q 1", "mbwa"))], tmp_path / "y.run")


@pytest.mark.parametrize(("given", "told"), [({"top": 0}, "top"), ({"language": "nope!"}, "unknown language")])
def test_wrong_settings_are_refused(searched, given, told):
    with pytest.raises(ValueError, match=told):
        student_search(*searched, "mbwa", **given)
