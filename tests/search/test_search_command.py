"""`optical-hf search`: what it prints, what it writes, and one line for what is wrong."""

import json

import pytest
import tiny_pairs

from optical_hf import student_search
from optical_hf.cli import main
from optical_hf.training import save_student


@pytest.fixture
def folder(searched, tmp_path, own_cache):
    student, table = searched
    save_student(student, tmp_path / "student")
    table.to_parquet(tmp_path / "index.parquet")
    return tmp_path


def search(monkeypatch, folder, *words):
    start = ["optical-hf", "search", "--student", folder / "student", "--index", folder / "index.parquet"]
    monkeypatch.setattr("sys.argv", [str(word) for word in (*start, *words)])
    try:
        return main()
    except SystemExit as end:
        return end.code


@pytest.mark.slow
def test_json_lines_in_a_pipe_and_a_table_where_it_is_wanted(folder, monkeypatch, capsys):
    query = tiny_pairs.bitext()["target"][0]
    assert not search(monkeypatch, folder, query, "mbwa", "--top", "2", "--language", "swh")
    told = capsys.readouterr()
    rows = [json.loads(line) for line in told.out.splitlines()]
    assert [row["text"] for row in rows] == [query, "mbwa"]
    assert [len(row["documents"]) for row in rows] == [2, 2]
    assert not search(monkeypatch, folder, query, "--format", "table")
    shown = capsys.readouterr().out
    assert rows[0]["documents"][0]["text"][:20] in shown
    assert "rank" in shown


@pytest.mark.slow
def test_a_file_of_queries_becomes_a_run(folder, monkeypatch, capsys):
    (folder / "topics.tsv").write_text("q1\tmbwa\nq2\tpaka\n")
    assert not search(monkeypatch, folder, "--queries", folder / "topics.tsv", "--run", folder / "x.run", "--top", "3")
    assert capsys.readouterr().out == ""
    rows = [line.split() for line in (folder / "x.run").read_text().splitlines()]
    assert [row[0] for row in rows] == ["q1"] * 3 + ["q2"] * 3


@pytest.mark.slow
def test_words_are_fused_and_the_first_documents_compared_again(searched, folder, monkeypatch, capsys):
    student, table = searched
    query, name = tiny_pairs.bitext()["target"][0], "Xochitl Quetzalcoatl"
    named = table.add_item({"text": f"{name} was here", "vector": [-x for x in table[0]["vector"]]})
    named.to_parquet(folder / "index.parquet")
    tiny_pairs.teacher().save_pretrained(str(folder / "teacher"))
    asked = (query, f"wer ist {name}?", "--top", "3")

    def found(*more):
        assert not search(monkeypatch, folder, *asked, *more)
        rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return [[one["text"] for one in row["documents"]] for row in rows]

    alone, both = found(), found("--hybrid", "--fusion", "20")
    assert (named["text"][-1] in alone[1], named["text"][-1] in both[1]) == (False, True)
    again = found("--rerank", "8", "--teacher", folder / "teacher")
    answers = student_search(student, named, list(asked[:2]), top=3, rerank=8, teacher=tiny_pairs.teacher())
    assert again == [[one.text for one in answer.documents] for answer in answers]
    assert again != alone
    run = ("--hybrid", "--rerank", "8", "--teacher", folder / "teacher", "--run", folder / "x.run")
    assert not search(monkeypatch, folder, *asked, *run)
    assert [line.split()[3] for line in (folder / "x.run").read_text().splitlines()] == ["1", "2", "3"] * 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("mbwa", "--rerank", "5"), "it needs the teacher"),
        (("mbwa", "--words", "store"), "give --hybrid too"),
        (("mbwa", "--hybrid", "--words", "store"), "take BM25"),
        (("mbwa", "--hybrid", "--words", "all"), "'bm25', 'store'"),
        ((), "expected queries"),
        (("mbwa", "--queries", "x.tsv"), "expected queries"),
        (("mbwa", "--language", "xx!"), "unknown language"),
        (("--queries", "nowhere.tsv"), "no such file"),
        (("mbwa", "--run", "/proc/x.run"), "cannot be written"),
        (("mbwa", "paka", "--explanation", "x.png"), "one query and one document, there are 2"),
    ],
)
def test_what_is_wrong_is_one_line(folder, monkeypatch, capsys, words, told):
    assert search(monkeypatch, folder, *words)
    said = capsys.readouterr().err.strip().splitlines()
    assert told in said[-1]


@pytest.mark.slow
def test_why_a_document_was_found(folder, monkeypatch, capsys):
    query = tiny_pairs.bitext()["target"][0]
    assert not search(monkeypatch, folder, query, "--top", "2", "--explanation", folder / "why.html")
    (row,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    first, second = row["documents"]
    assert {"query", "document", "share", "cosine"} == set(first["words"][0])
    assert "words" not in second
    assert "<svg" in (folder / "why.html").read_text()
    assert search(monkeypatch, folder, query, "--explain", "1", "--run", folder / "x.run")
    assert "--explain" in capsys.readouterr().err
