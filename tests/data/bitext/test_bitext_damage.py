"""Files that are damaged, or built to fill the memory: one line that names file, row and what was expected."""

import errno
import gzip
import os
import tracemalloc
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset, DatasetDict
from datasets.arrow_writer import ArrowWriter

from optical_hf import RetrievalCollection, load_bitext
from optical_hf.data.collections import collection_files as reading
from optical_hf.data.collections import load_afriqa
from optical_hf.data.entities.splits import split_ids

pytestmark = pytest.mark.usefixtures("folder")

UNIT = '<tu><tuv xml:lang="en"><seg>one</seg></tuv><tuv xml:lang="so"><seg>kow</seg></tuv></tu>\n'
TMX = '<tmx version="1.4"><header/><body>' + UNIT * 5_000 + "</body></tmx>"
GOOD = '{"en": "one", "so": "kow"}\n'
DEEP = "[" * 100_000 + "]" * 100_000


def write(name: str, data: str | bytes) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_bytes(data.encode() if isinstance(data, str) else data)


def table(name: str, **columns: object) -> bytes:
    if name.endswith("parquet"):
        pq.write_table(pa.table(columns), name)
        return Path(name).read_bytes()
    batch = pa.record_batch(columns)
    with pa.OSFile(name, "wb") as file, pa.ipc.new_stream(file, batch.schema) as writer:
        for _ in range(4):
            writer.write_batch(batch)
    return Path(name).read_bytes()


def archive(name: str, at: int, value: int) -> None:
    """A zip archive with one byte of both its headers changed, such as the flag of encryption."""
    with zipfile.ZipFile(name, "w") as made:
        made.writestr("so-en.tsv", "kow\tone\n" * 9)
    data = bytearray(Path(name).read_bytes())
    data[data.find(b"PK\x03\x04") + at] = data[data.find(b"PK\x01\x02") + at + 2] = value
    Path(name).write_bytes(data)


def flip(data: bytes, places: range) -> bytes:
    changed = bytearray(data)
    for place in places:
        changed[place] ^= 0xFF
    return bytes(changed)


DAMAGED = {
    "a number for a text": (
        "x.jsonl",
        GOOD + '{"en": "one", "so": 5}\n',
        r"x\.jsonl:2: expected a text in 'so', got int",
    ),
    "a list for a text": (
        "x.jsonl",
        GOOD + '{"en": [], "so": "a"}\n',
        r"x\.jsonl:2: expected a text in 'en', got list",
    ),
    "a dict for a text": (
        "x.so.jsonl",
        '{"source": {}, "target": "a"}\n',
        r"x\.so\.jsonl:1: expected a text in 'source', got dict",
    ),
    "a number in a translation": (
        "x.jsonl",
        '{"translation": {"en": "a", "so": 1.5}}\n',
        r"x\.jsonl:1: expected a text in 'so', got float",
    ),
    "texts fewer than codes": (
        "x.jsonl",
        '{"translation": {"language": ["en", "so"], "translation": ["a"]}}\n',
        r"x\.jsonl:1: expected as many texts .* as codes",
    ),
    "nested 100,000 deep": (
        "x.jsonl",
        GOOD + f'{{"en": {DEEP}}}\n',
        r"x\.jsonl:2: not one JSON object .*nested too deeply",
    ),
    "5,000 digits": ("x.jsonl", GOOD + "1" * 5_000 + "\n", r"x\.jsonl:2: not one JSON object"),
    "half a character": (
        "x.jsonl",
        '{"en": "\\ud800", "so": "a"}\n',
        r"x\.jsonl:1: the text in 'en' is half a character",
    ),
    "cut .tmx.gz": ("x.tmx.gz", gzip.compress(TMX.encode())[:800], r"x\.tmx\.gz:\d+: cannot be read on from here"),
    "no gzip": ("x.tmx.gz", b"no gzip", r"x\.tmx\.gz:1: cannot be read on from here"),
    "unknown encoding": (
        "x.tmx",
        '<?xml version="1.0" encoding="foo"?>' + TMX,
        r"x\.tmx: after unit 0: unknown encoding",
    ),
    "segments 20,000 deep": (
        "x.tmx",
        f"<tmx><body><tu><tuv lang='en'><seg>{'<hi>' * 20_000}{'</hi>' * 20_000}</seg></tuv></tu></body></tmx>",
        r"x\.tmx:1: unit 1: nested too deeply",
    ),
    "encrypted zip": (
        "x.zip",
        lambda: archive("x.zip", 6, 1),
        r"x\.zip/so-en\.tsv:1: .*is encrypted, password required",
    ),
    "unknown compression": (
        "x.zip",
        lambda: archive("x.zip", 8, 97),
        r"x\.zip/so-en\.tsv:1: .*method is not supported",
    ),
    "Parquet with numbers": (
        "x.parquet",
        lambda: table("x.parquet", en=[1, 2], so=[3, 4]),
        r"x\.parquet:1: expected a text in 'en', got int",
    ),
    "cut Parquet": (
        "x.parquet",
        lambda: table("x.parquet", en=["a"] * 999, so=["b"] * 999)[:500],
        r"x\.parquet:1: not a readable",
    ),
    "damaged Parquet": (
        "x.parquet",
        lambda: flip(table("x.parquet", en=list(map(str, range(9_999))), so=["b"] * 9_999), range(500, 900)),
        r"x\.parquet:1: not a readable Parquet file",
    ),
    "cut Arrow": (
        "x.arrow",
        lambda: table("x.arrow", en=["a"] * 99, so=["b"] * 99)[:2_000],
        r"x\.arrow:100: not a readable Arrow stream or file",
    ),
    "Arrow with damaged offsets": (
        "x.arrow",
        lambda: flip(table("x.arrow", en=["a"] * 99, so=["b"] * 99), range(520, 640)),
        r"x\.arrow:1: not a readable Arrow stream or file",
    ),
    "no UTF-8 in Arrow": (
        "x.arrow",
        lambda: table(
            "x.arrow",
            en=pa.Array.from_buffers(
                pa.string(), 1, [None, pa.array([0, 2], pa.int32()).buffers()[1], pa.py_buffer(b"\xff\xfe")]
            ),
            so=["b"],
        ),
        r"x\.arrow:1: not a readable",
    ),
    "a folder of mixed files": (
        "mixed",
        None,
        "mixed: cannot be read as one table .*; give files of bitext one by one",
    ),
    "a damaged saved folder": ("saved", None, "saved: cannot be read as one table"),
}


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("case", DAMAGED)
def test_damage_is_one_line_with_file_and_row(case: str, streaming: bool) -> None:
    name, data, told = DAMAGED[case]
    if name == "mixed":
        write("mixed/so-en.tsv", "kow\tone\n")
        write("mixed/train.de", "eins\n")
    elif name == "saved":
        Dataset.from_dict({"source": ["a"], "target": ["b"], "language": ["so"]}).save_to_disk("saved")
        arrow = next(Path("saved").glob("*.arrow"))
        arrow.write_bytes(arrow.read_bytes()[:100])
    elif (made := data() if callable(data) else data) is not None:
        write(name, made)
    with pytest.raises(ValueError, match=told) as caught:
        list(load_bitext(name, streaming=streaming, cache_dir="cache"))
    assert "\n" not in str(caught.value)
    assert type(caught.value) is ValueError
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("source", [5, None, b"x.tsv", {"so": 5}, [{"x.tsv"}]])
def test_what_is_no_source_is_said(source: object) -> None:
    with pytest.raises(ValueError, match="expected a path, two paths"):
        load_bitext(source)  # type: ignore[arg-type]


def test_of_several_splits_one_is_to_be_chosen() -> None:
    splits = DatasetDict({name: Dataset.from_dict({"en": [name], "so": ["kow"]}) for name in ("train", "validation")})
    for sources in (splits, [splits], {"so": splits}, {"so": [splits]}, [{"so": splits}]):
        with pytest.raises(ValueError, match=r"splits train, validation; choose a split, such as data\['train'\]"):
            load_bitext(sources)
    splits.save_to_disk("saved")
    assert load_bitext("saved")["source"][:] == ["train"]
    assert load_bitext("saved", split="validation")["source"][:] == ["validation"]
    with pytest.raises(ValueError, match="saved: has no split 'test', only train, validation"):
        load_bitext("saved", split="test")


def test_a_full_disk_is_said_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    write("so-en.tsv", "kow\tone\n")
    monkeypatch.setattr(ArrowWriter, "finalize", full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        load_bitext("so-en.tsv", cache_dir="cache")
    assert caught.value.errno == errno.ENOSPC


LONG = b"a" * 3_000
LONG_LINES = {
    "so-en.tsv": b"kow\tone\n" + LONG + b"\tb\nlaba\ttwo\n",
    "so.csv": b"so,en\nkow,one\n" + LONG + b",b\nlaba,two\n",
    "x.jsonl": GOOD.encode() + b'{"en": "' + LONG + b'"}\n{"en": "two", "so": "laba"}\n',
    "x.so": b"kow\n" + LONG + b"\r\nlaba\r\n",
}


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize("name", LONG_LINES)
def test_a_line_above_the_bound_is_named_or_dropped(name: str, packed: str) -> None:
    data = LONG_LINES[name]
    write(name + packed, gzip.compress(data) if packed else data)
    write("x.en", "one\nb\ntwo\n")
    source = f"so={name}{packed}:so,en" if name.endswith("csv") else name + packed
    row = 3 if name.endswith("csv") else 2
    with pytest.raises(
        ValueError, match=rf"{name}{packed}:{row}: longer than 2,999 bytes, which max_line_bytes allows"
    ):
        list(load_bitext(source, max_line_bytes=2_999, streaming=True))
    rows = load_bitext(source, max_line_bytes=2_999, on_bad_row="drop", streaming=True)
    assert [(row["source"], row["target"]) for row in rows] == [("one", "kow"), ("two", "laba")]
    if not name.endswith("jsonl"):
        assert len(list(load_bitext(source, max_line_bytes=3_002, streaming=True))) == 3
    with pytest.raises(ValueError, match="max_line_bytes is 0: expected a number of bytes"):
        load_bitext(source, max_line_bytes=0)


def test_a_text_above_the_bound_is_named_where_there_are_no_lines() -> None:
    table("x.parquet", en=["one", "a" * 101], so=["kow", "laba"])
    with pytest.raises(ValueError, match=r"x\.parquet:2: a text is longer than 100 bytes"):
        load_bitext("x.parquet", max_line_bytes=100)
    with pytest.raises(ValueError, match="dataset:2: a text is longer than 100 bytes"):
        load_bitext(Dataset.from_dict({"en": ["one", "a" * 101], "so": ["kow", "laba"]}), max_line_bytes=100)


@pytest.mark.parametrize(
    ("name", "begin"),
    [
        ("so-en.tsv.gz", b"kow\tone\n"),
        ("swa-eng.csv.gz:1,2", b'kow,one\n"'),
        ("x.jsonl.gz", b'{"en": "'),
        ("x.tmx.gz", b"<tmx><body><tu><tuv><seg>"),
        ("x.tmx.gz", b"<tmx><body>"),
        ("x.so.gz", b""),
    ],
)
def test_a_bomb_does_not_fill_the_memory(name: str, begin: bytes) -> None:
    """64 MiB of one line, out of 64 KiB."""
    path = name.partition(":")[0]
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(begin)
        for _ in range(64):
            file.write(b" " * 2**20)
    assert os.path.getsize(path) < 2**19
    write("x.en", "one\n")
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=rf"{path}:.*(longer than|larger than field limit)"):
            list(load_bitext(name, streaming=True))
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()


def test_files_of_collections_are_bounded_too_but_documents_may_be_long(monkeypatch: pytest.MonkeyPatch) -> None:
    write("x.so", b"kow\n" + b"a" * (2**20 + 1) + b"\n")
    assert len(RetrievalCollection.from_lines("x", {"so": "x.so"}, ["one", "two"]).queries) == 2
    monkeypatch.setattr(reading, "DOCUMENT_LIMIT", 2**20)
    with pytest.raises(ValueError, match=r"x\.so:2: longer than 1,048,576 bytes"):
        RetrievalCollection.from_lines("x", {"so": "x.so"}, ["one", "two"])


@pytest.mark.parametrize("text", ["1" * 5_000, DEEP, "[]", "{", '{"data": 5}', '{"images": [5]}'])
def test_json_of_collections_and_splits_is_named_too(text: str) -> None:
    write("x.json", text)
    with pytest.raises(ValueError, match=r"^x\.json, line 1: (not one|expected a) JSON object|^x\.json, line 1: lacks"):
        load_afriqa({"so": "x.json"})
    with pytest.raises(ValueError, match=r"^x\.json: expected the images of dataset_flickr30k\.json"):
        split_ids("karpathy_test", Path(), Path("x.json"))
