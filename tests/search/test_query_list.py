"""Queries from texts and files, and what is refused."""

import gzip
import json

import pytest

from optical_hf.search import Query, read_query_file
from optical_hf.search.query_list import as_queries

TWO = [Query("q1", "habari za leo", "sw"), Query("q2", "mbwa", None)]


def written(folder, name, text):
    path = folder / name
    data = text.encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.tsv", "id\ttext\tlanguage\nq1\thabari za leo\tswh\nq2\tmbwa\t\n"),
        ("a.csv", 'qid,lang,query\nq1,sw,"habari za leo"\nq2,,mbwa\n'),
        ("a.jsonl.gz", '{"_id": "q1", "text": "habari za leo", "language": "swa"}\n{"_id": "q2", "text": "mbwa"}\n'),
    ],
)
def test_named_columns_and_fields(tmp_path, name, text):
    assert read_query_file(written(tmp_path, name, text)) == TWO


def test_topics_without_a_header_and_plain_lines(tmp_path):
    assert [q.id for q in read_query_file(written(tmp_path, "t.tsv", "q1\thabari\nq2\tmbwa\n"))] == ["q1", "q2"]
    lines = read_query_file(written(tmp_path, "t.txt", "habari\n\nmbwa\n"))
    assert lines == [Query("1", "habari"), Query("3", "mbwa")]


def test_numbers_are_ids_and_line_numbers_stand_in(tmp_path):
    rows = [{"id": 7, "text": "habari"}, {"text": "mbwa"}]
    path = written(tmp_path, "t.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    assert [q.id for q in read_query_file(path)] == ["7", "2"]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.tsv", "q1\thabari\nq1\tmbwa\n", "'q1'"),
        ("a.tsv", "a\tb\tc\nd\te\tf\n", "3 columns"),
        ("a.tsv", "id\ttext\nq1\n", "a.tsv:2"),
        ("a.txt", "\n\n", "no query"),
        ("a.txt", "", "empty"),
        ("a.jsonl", "[1]\n", "a.jsonl:1"),
        ("a.jsonl", '{"body": "habari"}\n', "no field 'text'"),
        ("a.jsonl", '{"text": "habari", "language": "xx-nothing"}\n', "unknown language"),
        ("a.pdf", "habari\n", "no format"),
    ],
)
def test_what_holds_no_queries_is_refused(tmp_path, name, text, told):
    with pytest.raises(ValueError, match=told):
        read_query_file(written(tmp_path, name, text))


def test_a_missing_file_and_wrong_values():
    with pytest.raises(ValueError, match="no such file"):
        read_query_file("nowhere.txt")
    with pytest.raises(ValueError, match="empty"):
        as_queries("  ")
    with pytest.raises(ValueError, match="expected a query"):
        as_queries([])
    with pytest.raises(ValueError, match="expected a query"):
        as_queries([3])
