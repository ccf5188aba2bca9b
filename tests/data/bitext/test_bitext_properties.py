"""Any text goes through any format and comes back equal; any damage ends in rows or in one line that names the file."""

import bz2
import csv
import gzip
import io
import json
import lzma
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from xml.sax.saxutils import escape

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optical_hf import load_bitext
from optical_hf.data.bitext.readers import READERS
from optical_hf.data.bitext.sources import bitext_files, resolve_sources
from optical_hf.reading.bad_rows import BadRows

Pairs = list[tuple[str, str]]

ANY = st.characters(exclude_categories=["Cs"])
IN_LINES = st.characters(exclude_categories=["Cs"], exclude_characters="\t\n\r\ufeff")
IN_XML = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")


def pairs_of(letters: st.SearchStrategy[str]) -> st.SearchStrategy[Pairs]:
    side = st.text(letters, min_size=1, max_size=12).filter(str.strip)
    return st.lists(st.tuples(side, side), min_size=1, max_size=8)


def tsv(pairs: Pairs) -> bytes:
    return "".join(f"{foreign}\t{english}\n" for english, foreign in pairs).encode()


def anki(pairs: Pairs) -> bytes:
    return "\n".join(f"{english}\t{foreign}\tCC-BY" for english, foreign in pairs).encode()


def csv_with_a_header(pairs: Pairs) -> bytes:
    file = io.StringIO(newline="")
    csv.writer(file).writerows([("id", "kiswahili", "english"), *((7, foreign, english) for english, foreign in pairs)])
    return file.getvalue().encode()


def tmx(pairs: Pairs) -> bytes:
    units = "".join(
        f'<tu><tuv xml:lang="sw"><seg>{escape(foreign)}</seg></tuv><tuv xml:lang="en"><seg>{escape(english)}</seg></tuv></tu>\n'
        for english, foreign in pairs
    )
    return f'<?xml version="1.0"?><tmx version="1.4"><header/><body>{units}</body></tmx>'.encode()


def jsonl(pairs: Pairs) -> bytes:
    return "".join(json.dumps({"en": english, "sw": foreign}) + "\n" for english, foreign in pairs).encode()


def jsonl_translations(pairs: Pairs) -> bytes:
    rows = ({"translation": {"en": english, "swh_Latn": foreign}} for english, foreign in pairs)
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def parquet(pairs: Pairs) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"source": [one for one, _ in pairs], "target": [other for _, other in pairs]}), sink)
    return sink.getvalue()


def arrow(pairs: Pairs) -> bytes:
    sink = io.BytesIO()
    batch = pa.record_batch({"en": [one for one, _ in pairs], "sw": [other for _, other in pairs]})
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


FORMATS: dict[str, tuple[str, Callable[[Pairs], bytes], st.SearchStrategy[str]]] = {
    "tsv": ("sw-en.tsv", tsv, IN_LINES),
    "anki": ("sw=x.txt:2,1", anki, IN_LINES),
    "csv": ("sw=x.csv:kiswahili,english", csv_with_a_header, ANY),
    "tmx": ("x.tmx", tmx, IN_XML),
    "jsonl": ("x.jsonl", jsonl, ANY),
    "translations": (
        "x.jsonl",
        jsonl_translations,
        st.characters(exclude_categories=["Cs"], exclude_characters="\ufeff"),
    ),
    "parquet": ("x.sw.parquet", parquet, ANY),
    "arrow": ("x.arrow", arrow, ANY),
}
PACKED: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: pa.compress(data, codec="zstd", asbytes=True),
}


def place(folder: str, source: str, packed: str = "") -> tuple[Path, str]:
    """The file that a source names, and the source with the folder in it."""
    stated, _, path = source.rpartition("=")
    name, colon, columns = path.partition(":")
    file = Path(folder, name + packed)
    return file, f"{stated}={file}{colon}{columns}".removeprefix("=")


@settings(max_examples=6)
@given(st.data(), st.sampled_from(sorted(PACKED)))
@pytest.mark.parametrize("name", FORMATS)
def test_any_text_comes_back_from_any_format(name: str, data: st.DataObject, packed: str) -> None:
    source, write, letters = FORMATS[name]
    pairs = data.draw(pairs_of(letters))
    with tempfile.TemporaryDirectory() as folder:
        file, stated = place(folder, source, packed)
        file.write_bytes(PACKED[packed](write(pairs)))
        rows = list(load_bitext(stated, streaming=True))
    assert [(row["source"], row["target"], row["language"]) for row in rows] == [(*pair, "sw") for pair in pairs]
    assert len({row["id"] for row in rows}) == len(rows)


@settings(max_examples=6)
@given(pairs_of(IN_LINES), st.sampled_from(sorted(PACKED)))
def test_any_text_comes_back_from_line_files_in_an_archive(pairs: Pairs, packed: str) -> None:
    sides = {"T.en-sw.en": [one for one, _ in pairs], "T.en-sw.sw": [other for _, other in pairs]}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "en-sw.zip")
        with zipfile.ZipFile(path, "w") as archive:
            for name, texts in sides.items():
                archive.writestr(name + packed, PACKED[packed]("".join(f"{text}\n" for text in texts).encode()))
        rows = list(load_bitext(path, streaming=True))
    assert [(row["source"], row["target"], row["language"]) for row in rows] == [(*pair, "sw") for pair in pairs]


SAMPLE = [(f"sentence {number}", f"sentensi {number}") for number in range(300)]


@st.composite
def damage(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """Bytes changed, cut out, put in, or the end cut off."""
    at, kind = draw(st.floats(0, 1)), draw(st.sampled_from(["change", "remove", "insert", "cut"]))
    noise = draw(st.binary(min_size=1, max_size=40))

    def change(data: bytes) -> bytes:
        place = int(at * (len(data) - 1))
        head, tail = data[:place], data[place:]
        if kind == "cut":
            return head
        return head + (b"" if kind == "remove" else noise) + (tail if kind == "insert" else tail[len(noise) :])

    return change


@settings(max_examples=25)
@given(st.sampled_from(sorted(PACKED)), st.booleans(), damage())
@pytest.mark.parametrize("name", FORMATS)
def test_any_damage_ends_in_rows_or_in_one_line(
    name: str, packed: str, before: bool, change: Callable[[bytes], bytes]
) -> None:
    """`before`: what was packed is damaged, so that readers and not only compressions see it."""
    source, write, _ = FORMATS[name]
    data = write(SAMPLE)
    with tempfile.TemporaryDirectory() as folder:
        file, stated = place(folder, source, packed)
        file.write_bytes(PACKED[packed](change(data)) if before else change(PACKED[packed](data)))
        for on_bad_row in ("error", "drop"):
            if error := error_of(stated, on_bad_row):
                assert type(error) is ValueError
                assert str(error).startswith(str(file))
                assert "\n" not in str(error)
                assert len(str(error).removeprefix(str(file))) < 500


def error_of(source: str, on_bad_row: str) -> ValueError | None:
    """Read with the reader alone, which is much faster than a builder."""
    ((code, path, columns),) = resolve_sources(source)
    try:
        for file in bitext_files(path, code, columns):
            pairs = READERS[file.format](file, BadRows(file.path, on_bad_row))
            assert all(isinstance(text, str) for pair in pairs for text in (pair.english, pair.foreign))
    except ValueError as error:
        return error
    return None


@settings(max_examples=8)
@given(st.data())
@pytest.mark.parametrize("name", ["tsv", "anki", "csv", "jsonl", "translations"])
def test_a_broken_row_is_named_and_alone_is_dropped(name: str, data: st.DataObject) -> None:
    source, write, _ = FORMATS[name]
    one_line = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff\u2028\u2029")
    pairs = data.draw(pairs_of(one_line))
    broken = data.draw(st.integers(0, len(pairs) - 1))
    fault = data.draw(st.sampled_from([b"\xff", b"no columns", b'{"en": 5}', b"[]", b"x" * 200]))
    lines = write(pairs).split(b"\n")
    header = int(name == "csv")
    lines.insert(broken + header + (name == "anki"), fault)
    row = broken + header + (name == "anki") + 1
    kept = [(*pair, "sw") for pair in pairs]
    with tempfile.TemporaryDirectory() as folder:
        file, stated = place(folder, source)
        file.write_bytes(b"\n".join(lines))
        with pytest.raises(ValueError, match=rf"{file.name}:{row}: "):
            list(load_bitext(stated, streaming=True))
        rows = list(load_bitext(stated, streaming=True, on_bad_row="drop"))
    assert [(row["source"], row["target"], row["language"]) for row in rows] == kept
