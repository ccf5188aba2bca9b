"""Files with more columns than two: Anki exports, scored bitext, CSV with a header. Which two are wanted is said, not guessed."""

import csv
import gzip
import logging
import zipfile
from pathlib import Path

import pytest
from datasets import Dataset

from optical_hf import Bitext, RetrievalCollection, load_bitext
from optical_hf.data import bitext_quality, stream_bitext
from optical_hf.data.bitext.sources import resolve_sources, split_columns

pytestmark = pytest.mark.usefixtures("folder")

ANKI = "Go.\tGeh.\tCC-BY 2.0 (France) Attribution: tatoeba.org #1 (a)\nHi.\tHallo!\tCC-BY 2.0\n"
SCORED = "Geh.\tGo.\t0.93\nHallo!\tHi.\t0.81\n"
CSV = 'id,swahili,english\r\n1,"Nenda, ""sasa"".","Go, ""now""."\r\n2,"mstari\nwa pili",two lines\r\n'

# "en" and "source" would be read where nothing was said
QUESTIONS = (
    '{"id": "1", "question": "Nani?", "question_pivot": "Who?", "en": "Ann wrote it.", "source": "x", "target": "y"}\n'
)


def load(sources: object, **options: object) -> list[tuple[str, str, str]]:
    rows = load_bitext(sources, cache_dir="cache", **options)  # type: ignore[arg-type]
    return [(row["source"], row["target"], row["language"]) for row in rows]  # type: ignore[index]


GERMAN = [("Go.", "Geh.", "de"), ("Hi.", "Hallo!", "de")]
SWAHILI = [('Go, "now".', 'Nenda, "sasa".', "sw"), ("two lines", "mstari\nwa pili", "sw")]


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(
    ("name", "text", "source", "options", "expected"),
    [
        ("deu.txt", ANKI, "de=deu.txt:2,1", {}, GERMAN),
        ("deu.txt", ANKI, {"de": "deu.txt"}, {"columns": (2, 1)}, GERMAN),
        ("deu-eng.tsv", SCORED, "deu-eng.tsv:1,2", {}, GERMAN),
        ("eng-deu.tsv", SCORED, Path("eng-deu.tsv"), {"columns": [1, 2]}, GERMAN),  # what is said goes before the name
        ("sw.csv", CSV, "sw=sw.csv:swahili,english", {}, SWAHILI),
        ("swa-eng.csv", CSV, "swa-eng.csv", {"columns": ("swahili", "english")}, SWAHILI),
        ("x.tsv", "en\tsw text\tn\none\tmoja\t1\n", "sw=x.tsv:sw text,en", {}, [("one", "moja", "sw")]),
        ("x.csv", "moja,one\n", "sw=x.csv:1,2", {}, [("one", "moja", "sw")]),
        ("x.jsonl", QUESTIONS, "sw=x.jsonl:question,question_pivot", {}, [("Who?", "Nani?", "sw")]),
        ("swa-en.train.jsonl", QUESTIONS, "swa-en.train.jsonl:question,question_pivot", {}, [("Who?", "Nani?", "sw")]),
        (
            "x.jsonl",
            QUESTIONS,
            {"sw": "x.jsonl"},
            {"columns": ("question", "question_pivot")},
            [("Who?", "Nani?", "sw")],
        ),
        (
            "x.jsonl",
            '{"q": "Nani?", "english": "Who?", "language": "swh"}\n',
            "x.jsonl:q,english",
            {},
            [("Who?", "Nani?", "sw")],
        ),
        ("x.tsv", 'say "a\tsema "a\n', "sw=x.tsv:2,1", {}, [('say "a', 'sema "a', "sw")]),  # TSV has no quoting
        ("sw-en.odd:2,1.tsv", "moja\tone\n", "sw-en.odd:2,1.tsv", {}, [("one", "moja", "sw")]),  # a file of that name
    ],
)
def test_the_columns_that_are_named_are_read(name, text, source, options, expected, streaming):
    Path(name).write_bytes(text.encode())
    assert load(source, streaming=streaming, **options) == expected


def test_columns_through_compression_archives_and_builders():
    Path("sw.csv.gz").write_bytes(gzip.compress(CSV.encode()))
    with zipfile.ZipFile("deu-eng.zip", "w") as archive:
        archive.writestr("deu.txt", ANKI)
        archive.writestr("_about.txt", "about")
    assert load("sw=sw.csv.gz:swahili,english") == SWAHILI
    assert load("de=deu-eng.zip/deu.txt:2,1") == GERMAN
    Path("deu.txt").write_text(ANKI)
    builder = Bitext("de=deu.txt", columns=(2, 1), cache_dir="cache")
    assert [row["target"] for row in builder.as_streaming_dataset(split="train")] == ["Geh.", "Hallo!"]
    assert {row["target"] for row in stream_bitext("de=deu.txt", columns=(2, 1))} == {"Geh.", "Hallo!"}
    collection = RetrievalCollection.from_bitext("anki", "deu.txt:2,1", "de")
    assert collection.queries["text"][:] == ["Geh.", "Hallo!"]


@pytest.mark.parametrize("streaming", [False, True])
def test_columns_of_parquet_arrow_and_tables_are_named_too(streaming):
    table = Dataset.from_dict({"question": ["Nani?"], "question_pivot": ["Who?"], "passage": ["Ann wrote it."]})
    table.to_parquet("x.parquet")
    table.save_to_disk("saved")
    for source in ("x.parquet", "saved", table):
        columns = ("question", "question_pivot")
        assert load({"sw": source}, columns=columns, streaming=streaming) == [("Who?", "Nani?", "sw")]
    assert load("sw=saved:question,question_pivot", streaming=streaming) == [("Who?", "Nani?", "sw")]
    with pytest.raises(ValueError, match="by number"):
        load({"sw": table}, columns=(1, 2), streaming=streaming)
    with pytest.raises(ValueError, match=r"columns are \('question', 'question'\)"):
        load({"sw": table}, columns=("question", "question"), streaming=streaming)


def test_bitext_of_questions_is_read_from_afriqa(shared_data):
    rows = load(f"{shared_data}/afriqa/hau-en.train.jsonl.gz:question,question_pivot")
    assert rows[1] == ("What was the name of the first computer?", "Menene sunan komfuta ta farko?", "ha")
    assert len(rows) == 223


@pytest.mark.parametrize(
    ("name", "text", "source", "options", "told"),
    [
        (
            "de-en.tsv",
            ANKI,
            "de-en.tsv",
            {},
            r"de-en\.tsv:1: expected exactly two columns .* got 3; .*de=de-en\.tsv:2,1",
        ),
        ("sw-en.csv", CSV, "sw-en.csv", {}, r"sw-en\.csv: say which columns .*columns=\('swahili', 'english'\).*:1,2"),
        ("x.csv", CSV, "x.csv:1,2", {}, r"x\.csv: the name does not say which language"),
        ("x.csv", CSV, "sw=x.csv:kiswahili,english", {}, r"x\.csv:1: no column is named 'kiswahili' .* it has \['id'"),
        ("x.csv", "a,b,a\n1,2,3\n", "sw=x.csv:a,b", {}, r"x\.csv:1: several columns are named 'a'"),
        ("x.tsv", ANKI, "sw=x.tsv:4,1", {}, r"x\.tsv:1: there is no column 4, the line has 3"),
        ("x.tsv", "a\tb\tc\na\tb\n", "sw=x.tsv:2,1", {}, r"x\.tsv:2: expected 3 columns like the first line, got 2"),
        ("x.tsv", "a\tb\tc\na\tb\tc\td\n", "sw=x.tsv:2,1", {}, r"x\.tsv:2: expected 3 columns .* got 4"),
        ("x.csv", 'a,b\n"c,d\ne,f\n', "sw=x.csv:2,1", {}, r"x\.csv:2: not CSV .*lines 2 to 3.* quote not closed"),
        ("x.csv", 'a,b\n"c"d,e\n', "sw=x.csv:2,1", {}, r"x\.csv:2: not CSV"),
        ("x.tsv", ANKI, {"sw": "x.tsv"}, {"columns": (1, 1)}, r"columns are \(1, 1\): expected .* numbers from 1"),
        ("x.tsv", ANKI, {"sw": "x.tsv"}, {"columns": (0, 1)}, r"columns are \(0, 1\)"),
        ("x.tsv", ANKI, {"sw": "x.tsv"}, {"columns": "ab"}, "columns are 'ab'"),
        ("x.tsv", ANKI, "sw=x.tsv:2,en", {}, r"columns are \('2', 'en'\)"),
        ("x.jsonl", "{}\n", {"sw": "x.jsonl"}, {"columns": (1, 2)}, r"x\.jsonl: columns \(1, 2\) .*by number"),
        ("x.jsonl", '{"q": "a"}\n', "sw=x.jsonl:q,p", {}, r"x\.jsonl:1: no column is named 'p'; it has q"),
        ("x.jsonl", '{"q": "a", "p": 5}\n', "sw=x.jsonl:q,p", {}, r"x\.jsonl:1: expected a text in 'p', got int"),
        ("x.jsonl", '{"q": "a", "p": "b"}\n', "x.jsonl:q,p", {}, r"x\.jsonl:1: nothing says which language"),
        ("x.tmx", "<tmx/>", {"sw": "x.tmx"}, {"columns": ("a", "b")}, "a file of this format has none"),
        ("x.so", "a\n", {"so": ("x.so", "x.so")}, {"columns": (1, 2)}, "a file of this format has none"),
    ],
)
@pytest.mark.parametrize("streaming", [False, True])
def test_columns_that_do_not_fit_are_one_line(name, text, source, options, told, streaming):
    Path(name).write_bytes(text.encode())
    with pytest.raises(ValueError, match=told) as caught:
        load(source, streaming=streaming, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "path", "columns"),
    [
        (r"C:\data\x.tsv", r"C:\data\x.tsv", None),
        (r"C:\data\x.tsv:2,1", r"C:\data\x.tsv", (2, 1)),
        (r"C:\data\a,b.tsv", r"C:\data\a,b.tsv", None),
        ("C:/data/a,b.tsv", "C:/data/a,b.tsv", None),
        ("owner/name", "owner/name", None),
        ("owner/name:en-so", "owner/name:en-so", None),
        ("hdfs://host:80/x.tsv:sw,en", "hdfs://host:80/x.tsv", ("sw", "en")),
        ("x.csv:kwa Kiswahili, English", "x.csv", ("kwa Kiswahili", "English")),
    ],
)
def test_drives_of_windows_and_ids_of_the_hub_are_no_columns(text, path, columns):
    assert split_columns(text) == (path, columns)
    assert list(resolve_sources(f"sw={text}")) == [("sw", path, columns)]


MIXED = {
    "so-en.tsv": b"a\tb\nc\n\td\ne\tf\tg\n\xff\th\ni\tj\n",
    "so-en.jsonl": b'{"en": "b", "so": "a"}\n[]\n{"en": "d", "so": ""}\n{"en": 5, "so": "x"}\n{\n{"en": "j", "so": "i"}\n',
    "so.csv": b'en,so\nb,a\nc\n,d\n"e"e,f\n\xff,h\nj,i\n',
    "x.so": b"a\n\n \n\xff\n\xfe\ni\n",
}


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("name", MIXED)
def test_bad_rows_are_dropped_counted_and_the_first_three_named(name, streaming, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("optical_hf"), "propagate", True)
    Path(name).write_bytes(MIXED[name])
    Path("x.en").write_text("b\nc\nd\ne\nf\nj\n")
    source = "so=so.csv:so,en" if name == "so.csv" else name
    first = (3, 4, 5) if name == "so.csv" else (2, 3, 4)
    for _ in range(2):  # the second time from the cache
        caplog.clear()
        assert load(source, on_bad_row="drop", streaming=streaming) == [("b", "a", "so"), ("j", "i", "so")]
        told = f"{name}: dropped 4 rows, the first are {', '.join(map(str, first))}; row {first[0]}: "
        assert [record.getMessage() for record in caplog.records if told in record.getMessage()]
    with pytest.raises(ValueError, match=rf"{name}:{first[0]}: "):
        load(source, streaming=streaming)


def test_the_quality_report_says_what_was_left_out():
    Path("so-en.tsv").write_bytes(MIXED["so-en.tsv"])
    Path("sw-en.tsv").write_text("a\tb\n")
    for _ in range(2):  # the second time from the cache
        report = bitext_quality(
            load_bitext(["so-en.tsv", "sw-en.tsv"], on_bad_row="drop", cache_dir="cache"), rules=["duplicate"]
        )
        (line,) = report.left_out
        assert "so-en.tsv: dropped 4 rows, the first are 2, 3, 4; row 2: " in line
        assert f"left out: {line}" in str(report)
        assert report.to_dict()["left_out"] == (line,)
    assert bitext_quality(load_bitext("sw-en.tsv", cache_dir="cache"), rules=["duplicate"]).left_out == ()


def test_a_file_of_which_no_row_is_left_is_an_error():
    Path("so-en.tsv").write_text("a\nb\n")
    with pytest.raises(
        ValueError, match=r"so-en\.tsv: no row is left; dropped 2 rows, the first are 1, 2; row 1: expected"
    ):
        load("so-en.tsv", on_bad_row="drop")


def test_bad_rows_of_a_table_are_dropped_over_all_its_batches(caplog, monkeypatch):
    from datasets import Dataset

    monkeypatch.setattr(logging.getLogger("optical_hf"), "propagate", True)
    table = Dataset.from_list([{"en": "one" if n % 2 else "", "so": str(n)} for n in range(2_500)])
    rows = load_bitext(table, on_bad_row="drop")
    assert rows["target"][:3] == ["1", "3", "5"]
    assert len(rows) == 1_250
    assert any("dropped 1,250 rows, the first are 1, 3, 5" in record.getMessage() for record in caplog.records)


def test_pairs_with_an_empty_side_are_dropped_or_kept():
    Path("so-en.tsv").write_text("a\tb\nc\t\n")
    for read in (load_bitext, stream_bitext):
        assert len(list(read("so-en.tsv", on_bad_row="drop"))) == 1
    assert len(list(load_bitext("so-en.tsv", on_bad_row="keep"))) == 2
    assert Bitext("so-en.tsv", on_bad_row="drop", cache_dir="cache").config.on_bad_row == "drop"
    with pytest.raises(ValueError, match="on_bad_row is 'foo': expected one of 'error', 'drop', 'keep'"):
        load_bitext("so-en.tsv", on_bad_row="foo")


def test_csv_written_by_the_csv_module_comes_back(folder):
    pairs = [("a,b", 'say "c"'), ("d\r\ne", "f\ng"), ("\u2028", "\x85h"), ("i\tj", " k ")]
    with Path("so.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("so", "en"), *pairs])
    assert load("so=so.csv:so,en", on_bad_row="keep") == [(english, foreign, "so") for foreign, english in pairs]
