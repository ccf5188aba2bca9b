import bz2
import gzip
import json
import logging
import lzma
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest
from datasets import Dataset, IterableDataset

from optical_hf import load_bitext

TMX = """<?xml version="1.0"?><!DOCTYPE tmx SYSTEM "tmx14.dtd">
<tmx version="1.4"><header/><body>
<tu tuid="7"><prop type="x">p</prop><tuv xml:lang="en-US"><seg>The <bpt i="1">&lt;b></bpt>end</seg></tuv>
<tuv xml:lang="so"><seg>dhammaad</seg></tuv><tuv xml:lang="DE"><seg>Ende</seg></tuv></tu>
<tu><tuv lang="so"><seg>kow</seg></tuv><tuv lang="EN"><seg>one</seg></tuv></tu>
</body></tmx>"""


def load(sources: object, **options: object) -> Dataset:
    return load_bitext(sources, cache_dir="cache", **options)  # type: ignore[return-value]


def triples(rows: Dataset) -> list[tuple[str, str, str]]:
    return [(row["source"], row["target"], row["language"]) for row in rows]


def write_records(path: str, *records: dict) -> str:
    Path(path).write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def test_tmx_units_become_a_pair_for_each_language(folder: Path) -> None:
    Path("x.tmx").write_text(TMX, encoding="utf-8")
    rows = load("x.tmx")
    assert triples(rows) == [("The end", "dhammaad", "so"), ("The end", "Ende", "de"), ("one", "kow", "so")]
    assert rows["id"][:] == ["x.tmx:7:so", "x.tmx:7:de", "x.tmx:2"]
    assert triples(load("x.tmx", languages=["de"])) == [("The end", "Ende", "de")]
    assert triples(load({"so": "x.tmx"})) == [("The end", "dhammaad", "so"), ("one", "kow", "so")]


def tmx(*units: str) -> str:
    """Units from lines of tag:text."""
    made = ""
    for unit in units:
        variants = (part.split(":") for part in unit.split())
        made += f"<tu>{''.join(f'<tuv xml:lang={tag!r}><seg>{text}</seg></tuv>' for tag, text in variants)}</tu>"
    return f"<tmx><body>{made}</body></tmx>"


def test_all_variants_of_a_language_in_a_unit_are_kept(folder: Path) -> None:
    Path("x.tmx").write_text(
        tmx("en:bus pt-BR:ônibus pt-PT:autocarro", "en-US:color en-GB:colour de:Farbe", "en:a so:b")
    )
    rows = load("x.tmx")
    assert triples(rows) == [
        ("bus", "ônibus", "pt"),
        ("bus", "autocarro", "pt"),
        ("color", "Farbe", "de"),
        ("colour", "Farbe", "de"),
        ("a", "b", "so"),
    ]
    assert len(set(rows["id"])) == 5
    assert rows["id"][:2] == ["x.tmx:1:pt-BR", "x.tmx:1:pt-PT"]
    assert triples(load({"pt": "x.tmx"}, languages=["pt"])) == triples(rows)[:2]
    Path("same.tmx").write_text(tmx("en:bus pt-BR:bonde pt-PT:bonde", "en:one so:kow so:hal"))
    assert triples(load("same.tmx")) == [("bus", "bonde", "pt"), ("one", "kow", "so"), ("one", "hal", "so")]
    assert len(set(load("same.tmx")["id"])) == 3


@pytest.mark.parametrize("streaming", [False, True])
def test_a_unit_without_english_is_counted_and_blocks_no_file(
    folder: Path, streaming: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("optical_hf"), "propagate", True)
    Path("x.tmx").write_text(tmx("so:kow de:eins", "en:two so:laba", "en:three", "fr:un so:b"))
    for _ in range(2):  # the second time from the cache
        caplog.clear()
        assert triples(load("x.tmx", streaming=streaming)) == [("two", "laba", "so")]
        told = "x.tmx: dropped 3 rows, the first are 1, 3, 4; row 1: unit 1: no English with another language, only ['de', 'so']"
        assert [record.getMessage() for record in caplog.records] == [told]


def test_records_keep_all_variants_with_ids_of_their_own(folder: Path) -> None:
    write_records("x.jsonl", {"en": "bus", "pt_BR": "ônibus", "pt_PT": "autocarro"}, {"en": "a", "so": "b", "de": "c"})
    rows = load("x.jsonl")
    assert rows["target"][:] == ["ônibus", "autocarro", "b", "c"]
    assert rows["id"][:] == ["x.jsonl:1:pt_BR", "x.jsonl:1:pt_PT", "x.jsonl:2:so", "x.jsonl:2:de"]


@pytest.mark.parametrize(
    ("segment", "text"),
    [
        ('Go <bpt i="1">x</bpt>now<ept i="1">y</ept>', "Go now"),
        ("a <it pos='begin'>x</it>b<ph>x</ph><ut>x</ut> c", "a b c"),
        ("the <hi>red</hi> house", "the red house"),
        ("see <ph>{\\fn <sub>the <hi>foot</hi><bpt i='1'>x</bpt>note</sub>}</ph> here", "see the footnote here"),
        ("<bpt i='1'>x<sub>y</sub>z</bpt>", "y"),
    ],
)
def test_native_markup_is_no_text(folder: Path, segment: str, text: str) -> None:
    """TMX 1.4b: the text of bpt, ept, it, ph and ut is markup; that of hi and sub is text."""
    unit = f'<tu><tuv xml:lang="en"><seg>{segment}</seg></tuv><tuv xml:lang="so"><seg>kow</seg></tuv></tu>'
    Path("x.tmx").write_text(f"<tmx><body>{unit}</body></tmx>", encoding="utf-8")
    assert triples(load("x.tmx")) == [(text, "kow", "so")]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('<!DOCTYPE t [<!ENTITY a "aaaa">]><tmx><body><tu><tuv><seg>&a;</seg></tuv></tu></body></tmx>', "refused"),
        ("<tmx>\n<body><tu></body></tmx>", r"x\.tmx:2: damaged XML"),
        ("<tmx><body></body></tmx>", "file is empty"),
        (
            '<tmx><body><tu><tuv xml:lang="so"><seg>a</seg></tuv></tu></body></tmx>',
            r"x\.tmx:1: unit 1: no English .* \['so'\]; the other units are no better",
        ),
        ('<tmx><body><tu><tuv xml:lang="xq"><seg>a</seg></tuv></tu></body></tmx>', "unknown language code 'xq'"),
    ],
)
def test_bad_tmx_is_refused(folder: Path, text: str, told: str) -> None:
    Path("x.tmx").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=told):
        load("x.tmx")


@pytest.mark.parametrize(
    ("name", "record", "expected"),
    [
        ("x.jsonl", {"translation": {"en": "one", "id": "satu"}}, [("one", "satu", "id")]),
        ("x.jsonl", {"translation": {"language": ["en", "so"], "translation": ["one", "kow"]}}, [("one", "kow", "so")]),
        (
            "x.jsonl",
            {"eng_Latn": "one", "som_Latn": "kow", "swh_Latn": "moja"},
            [("one", "kow", "so"), ("one", "moja", "sw")],
        ),
        ("test.mr.jsonl", {"id": "7", "en": "one", "x": "एक"}, [("one", "एक", "mr")]),
        ("en-mr.jsonl", {"source": "one", "target": "एक"}, [("one", "एक", "mr")]),
        ("x.jsonl", {"source": "one", "target": "एक", "language": "mar"}, [("one", "एक", "mr")]),
    ],
)
def test_records_say_in_several_ways_what_they_pair(folder: Path, name: str, record: dict, expected: list) -> None:
    assert triples(load(write_records(name, record))) == expected


@pytest.mark.parametrize(
    ("name", "record", "told"),
    [
        ("x.jsonl", {"so": "kow", "mr": "एक"}, r"x\.jsonl:1: expected one English text"),
        ("x.jsonl", {"en": "one", "text": "kow"}, r"x\.jsonl:1: nothing says which language"),
        ("x.so.jsonl", {"en": "one", "a1": "kow", "b1": "laba"}, "expected one other column of text"),
        ("x.so.jsonl", {"en": "one"}, "expected one other column of text"),
        ("x.jsonl", {"source": "one", "target": "एक", "language": "xq"}, r"x\.jsonl:1: unknown language code 'xq'"),
        ("x.jsonl", {"translation": {"en": "one", "so": ""}}, r"x\.jsonl:1: the so side is empty"),
        ("x.jsonl", {"translation": {"en": None, "so": "kow"}}, r"x\.jsonl:1: the English side is empty"),
    ],
)
def test_records_that_say_too_little_are_errors(folder: Path, name: str, record: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        load(write_records(name, record))


@pytest.mark.parametrize("text", ["[1]\n", "{'a': 1}\n", '{"en": "a"\n'])
def test_lines_that_are_no_json_objects_are_errors(folder: Path, text: str) -> None:
    Path("x.so.jsonl").write_text('{"en": "one", "x": "kow"}\n' + text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"x\.so\.jsonl:2: "):
        load("x.so.jsonl")


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [
        (".gz", gzip.compress),
        (".bz2", bz2.compress),
        (".xz", lzma.compress),
        (".zst", lambda data: pa.compress(data, codec="zstd", asbytes=True)),
    ],
)
def test_compressed_files_are_read_as_they_are(folder: Path, suffix: str, pack: object) -> None:
    Path("so-en.tsv" + suffix).write_bytes(pack(b"kow\tone\nlaba\ttwo\n" * 5_000))  # type: ignore[operator]
    rows = load("so-en.tsv" + suffix)
    assert len(rows) == 10_000
    assert triples(rows.select([9_999])) == [("two", "laba", "so")]
    Path("cut.so-en.tsv" + suffix).write_bytes(Path("so-en.tsv" + suffix).read_bytes()[:-12])
    with pytest.raises(ValueError, match="cannot be read on from here"):
        load("cut.so-en.tsv" + suffix)


def test_a_zip_archive_stands_for_the_bitext_in_it(folder: Path) -> None:
    with zipfile.ZipFile("opus.zip", "w") as archive:
        for name, text in {
            "README": "x",
            "LICENSE.txt": "x",
            "T.en-so.en": "one\n",
            "T.en-so.so": "kow\n",
            "T.en-so.ids": "1\n",
            "sub/mr-en.tsv": "एक\tone\n",
        }.items():
            archive.writestr(name, text)
    rows = load("opus.zip")
    assert triples(rows) == [("one", "kow", "so"), ("one", "एक", "mr")]
    assert rows["origin"][:] == ["opus.zip/T.en-so.so", "opus.zip/sub/mr-en.tsv"]
    assert triples(load("opus.zip/sub/mr-en.tsv")) == [("one", "एक", "mr")]
    with zipfile.ZipFile("none.zip", "w") as archive:
        archive.writestr("README", "x")
    with pytest.raises(ValueError, match="no bitext among its files"):
        load("none.zip")
    Path("bad.zip").write_bytes(b"no zip")
    with pytest.raises(ValueError, match=r"bad\.zip: "):
        load("bad.zip")


def test_what_was_loaded_is_loaded_back_from_parquet_arrow_and_disk(folder: Path) -> None:
    Path("mr-en.tsv").write_text("एक\tone\nदोन\ttwo\n", encoding="utf-8")
    rows = load("mr-en.tsv")
    rows.to_parquet("rows.parquet")
    rows.to_json("rows.jsonl")
    rows.save_to_disk("saved")
    for source in ("rows.parquet", "rows.jsonl", "saved", str(next(Path("saved").glob("*.arrow")))):
        assert load(source).to_list() == rows.to_list()
    Path("bad.so.parquet").write_bytes(b"PAR1 no")
    Path("bad.so.arrow").write_bytes(b"no arrow")
    for name in ("bad.so.parquet", "bad.so.arrow"):
        with pytest.raises(ValueError, match=name):
            load(name)


@pytest.mark.slow
@pytest.mark.parametrize("num_proc", [None, 2])
def test_tables_with_a_translation_column(folder: Path, num_proc: int | None) -> None:
    table = Dataset.from_list([{"translation": {"en": f"e{n}", "id": f"f{n}"}} for n in range(6)])
    rows = load([table, table], num_proc=num_proc)
    assert triples(rows) == [(f"e{n}", f"f{n}", "id") for n in range(6)] * 2
    table = Dataset.from_list([{"translation": {"en": "one", "id": ""}}])
    with pytest.raises(ValueError, match="dataset:1: the id side is empty"):
        load(table)


def test_tables_and_files_mix_in_order_also_streamed(folder: Path) -> None:
    Path("mr-en.tsv").write_text("एक\tone\n", encoding="utf-8")
    table = Dataset.from_list([{"translation": {"en": "one", "so": "kow"}}])
    sources = [table, "mr-en.tsv", table.to_iterable_dataset()]
    expected = [("one", "kow", "so"), ("one", "एक", "mr"), ("one", "kow", "so")]
    stream = load(sources, streaming=True)
    assert isinstance(stream, IterableDataset)
    assert triples(stream) == expected
    assert triples(load(sources[:2])) == expected[:2]
    with pytest.raises(ValueError, match="streaming=True"):
        load(sources)


def test_a_repository_is_read_by_the_configurations_of_the_wanted_languages(folder: Path) -> None:
    """A folder with the configurations of OPUS-100, which `datasets` reads as it would read the hub."""
    header = "---\nconfigs:\n"
    for config, code, text in (("en-so", "so", "kow"), ("de-en", "de", "eins"), ("de-fr", "fr", "un")):
        Path("repo", config).mkdir(parents=True)
        write_records(f"repo/{config}/train.jsonl", {"translation": {"en": "one", code: text}})
        header += f"- config_name: {config}\n  data_files: {config}/train.jsonl\n"
    Path("repo/README.md").write_text(header + "---\n", encoding="utf-8")
    assert triples(load("repo", languages=["som"])) == [("one", "kow", "so")]
    assert triples(load({"de": "repo"})) == [("one", "eins", "de")]
    assert triples(load("repo:en-so")) == [("one", "kow", "so")]
    assert triples(load("repo", languages=["so", "de"], streaming=True)) == [
        ("one", "kow", "so"),
        ("one", "eins", "de"),
    ]
    with pytest.raises(ValueError, match=r"has 3 configurations; say which.*languages= from \['de', 'so'\]"):
        load("repo")
    with pytest.raises(ValueError, match="neither a file nor a data set that can be reached"):
        load("owner/repository")
