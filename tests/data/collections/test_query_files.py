"""Query files with the English original of each query beside the document."""

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from optical_hf.cli.named_collections import collections_of
from optical_hf.data.bitext.bitext_builder import load_bitext

ROWS = [
    {"target": "Yaa qoray?", "english": "Who wrote it?", "source": "Ann wrote it."},
    {"target": "Goorma?", "english": "When?", "source": "It was in 1968."},
]


def written(folder: Path, kind: str, rows: list[dict]) -> str:
    """A query file as the command line names it."""
    if kind == "jsonl":
        path = folder / "questions.so.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return str(path)
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), folder / "questions.so.parquet")
        return f"so={folder}/questions.so.parquet"
    with (folder / f"questions.{kind}").open("w", newline="") as file:
        out = csv.writer(file, delimiter="," if kind == "csv" else "\t")
        out.writerows([["n", *rows[0]], *([number, *row.values()] for number, row in enumerate(rows))])
    return f"so={folder}/questions.{kind}:target,source"


@pytest.mark.parametrize("kind", ["jsonl", "parquet", "tsv", "csv"])
def test_a_column_english_is_the_english_of_the_query_and_not_the_document(kind: str, tmp_path: Path) -> None:
    (collection,) = collections_of([written(tmp_path, kind, ROWS)])
    queries = collection.queries
    assert queries["text"][:] == ["Yaa qoray?", "Goorma?"]
    assert queries["english"][:] == ["Who wrote it?", "When?"]
    assert collection.documents["text"][:] == ["Ann wrote it.", "It was in 1968."]
    assert collection.relevance == [[0], [1]]


def test_a_query_without_it_has_none_and_bitext_reads_the_same_pairs_as_ever(tmp_path: Path) -> None:
    path = written(tmp_path, "jsonl", [ROWS[0], {**ROWS[1], "english": None}])
    assert collections_of([path])[0].queries["english"][:] == ["Who wrote it?", None]
    assert collections_of([path], limit=1)[0].queries["english"][:] == ["Who wrote it?"]
    assert load_bitext(path).column_names == ["source", "target", "language", "origin", "id"]
    bare = [{name: row[name] for name in ("target", "source")} for row in ROWS]
    assert "english" not in collections_of([written(tmp_path, "jsonl", bare)])[0].queries.column_names


def test_where_english_is_named_as_the_document_it_is_the_document(tmp_path: Path) -> None:
    path = written(tmp_path, "tsv", ROWS).replace(":target,source", ":target,english")
    (collection,) = collections_of([path])
    assert collection.documents["text"][:] == ["Who wrote it?", "When?"]
    assert "english" not in collection.queries.column_names


def test_columns_by_code_leave_it_out_of_the_pair(tmp_path: Path) -> None:
    rows = [{"question": row["target"], "english": row["english"], "en": row["source"]} for row in ROWS]
    (collection,) = collections_of([written(tmp_path, "jsonl", rows)])
    assert collection.queries["text"][:] == ["Yaa qoray?", "Goorma?"]
    assert collection.queries["english"][:] == ["Who wrote it?", "When?"]


def test_bad_rows_stop_or_are_dropped_with_their_english(tmp_path: Path) -> None:
    path = written(tmp_path, "tsv", [{**ROWS[0], "source": ""}, ROWS[1]])
    with pytest.raises(ValueError, match="the English side is empty"):
        collections_of([path])
    assert collections_of([path], on_bad_row="drop")[0].queries["english"][:] == ["When?"]
    empty = written(tmp_path, "jsonl", [{**ROWS[0], "target": ""}])
    with pytest.raises(ValueError, match="no row is left; dropped 1 row"):
        collections_of([empty], on_bad_row="drop")
