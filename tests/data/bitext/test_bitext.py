import gzip
import logging
import os
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from datasets import Dataset, IterableDataset
from datasets.utils.logging import get_logger
from hypothesis import given, settings
from hypothesis import strategies as st

from optical_hf import Bitext, load_bitext
from optical_hf.data.bitext.pairs import BITEXT_FEATURES


def load(sources: object, **options: object) -> Dataset:
    return load_bitext(sources, cache_dir="cache", **options)  # type: ignore[return-value]


def write(name: str, text: str | bytes) -> str:
    data = text.encode() if isinstance(text, str) else text
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return name


@pytest.mark.parametrize(
    ("source", "text", "language"),
    [
        ("mar-eng.tsv.gz", "पाणी\twater\n", "mr"),
        ("eng-mar.tsv", "water\tपाणी\n", "mr"),
        ("train.so-en.tsv", "biyo\twater\n", "so"),
        ("eng_Latn-som_Latn.tsv", "water\tbiyo\n", "so"),
        ("en-fil.txt", "water\ttubig\n", "tl"),
        ("swa=plain.tsv", "maji\twater\n", "sw"),
        ("tl=en-tgl.tsv", "water\ttubig\n", "tl"),  # the name still says which column is English
    ],
)
def test_a_tsv_says_by_its_name_what_its_columns_are(folder: Path, source: str, text: str, language: str) -> None:
    path = write(source.rpartition("=")[2], text)
    (row,) = load(source)
    assert row == {
        "source": "water",
        "target": text.replace("water", "").strip(),
        "language": language,
        "origin": path,
        "id": f"{path}:1",
    }


@pytest.mark.parametrize("foreign", ["train.de", "train.de.gz", "deu_Latn.txt", "corpus.de.tok.gz"])
@pytest.mark.parametrize("zipped", [False, True])
def test_moses_lines_find_the_english_file_beside_them(folder: Path, foreign: str, zipped: bool) -> None:
    english = foreign.replace("deu_Latn", "eng_Latn").replace(".de", ".en").removesuffix(".gz") + ".gz" * zipped
    write(foreign, "eins\nzwei\n")
    write(english, "one\ntwo\n")
    rows = load(foreign)
    assert rows["source"][:] == ["one", "two"]
    assert rows[1] == {"source": "two", "target": "zwei", "language": "de", "origin": foreign, "id": f"{foreign}:2"}


def test_many_languages_at_once_in_the_order_of_the_sources(folder: Path) -> None:
    write("a.so", "kow\nlaba\n")
    write("b.txt", "one\ntwo\n")
    write("mar-eng.tsv", "एक\tone\n")
    write("x/fi.tsv", "yksi\tone\n")
    rows = load({"som": ("a.so", "b.txt"), "mr": ["mar-eng.tsv"], "fin": Path("x/fi.tsv")})
    assert rows["language"][:] == ["so", "so", "mr", "fi"]
    assert rows["origin"][:] == ["a.so", "a.so", "mar-eng.tsv", "x/fi.tsv"]
    assert rows.features == BITEXT_FEATURES
    assert load(["mar-eng.tsv", "fi=x/fi.tsv"], languages=["fin"])["target"][:] == ["yksi"]


def test_line_separators_of_unicode_end_no_line(folder: Path) -> None:
    write("so-en.tsv", "a\u2028b\tc\x85d\r\nx\x0cy\tz\n")
    assert load("so-en.tsv").to_dict()["target"] == ["a\u2028b", "x\x0cy"]
    assert load("so-en.tsv")["source"][:] == ["c\x85d", "z"]


sides = st.text(st.characters(exclude_characters="\t\n\r\ufeff", exclude_categories=["Cs"]), min_size=1, max_size=9)


@settings(max_examples=10)
@given(
    st.lists(st.tuples(sides, sides).filter(lambda pair: all(side.strip() for side in pair)), min_size=1, max_size=9)
)
def test_any_text_comes_back_as_it_was(pairs: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        tsv, moses = Path(name, "so-en.tsv"), Path(name, "x.so")
        tsv.write_bytes("".join(f"{foreign}\t{english}\n" for english, foreign in pairs).encode())
        moses.write_bytes("\n".join(foreign for _, foreign in pairs).encode())
        Path(name, "x.en.gz").write_bytes(gzip.compress("\n".join(english for english, _ in pairs).encode()))
        for source in (tsv, moses):
            rows = load_bitext(source, streaming=True)
            assert [(row["source"], row["target"]) for row in rows] == pairs


def test_a_byte_order_mark_is_no_part_of_the_text(folder: Path) -> None:
    write("so-en.tsv", "\ufeffbiyo\twater\n")
    assert load("so-en.tsv")[0]["target"] == "biyo"


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("so-en.tsv", "a\tb\nc\n", r"so-en\.tsv:2: expected exactly two columns .* got 1"),
        ("so-en.tsv", "a\tb\tc\n", r"so-en\.tsv:1: expected exactly two columns .* got 3"),
        ("so-en.tsv", "a\tb\n\nc\td\n", r"so-en\.tsv:2: expected exactly two columns"),
        ("so-en.tsv", "a\tb\n \tc\n", r"so-en\.tsv:2: the so side is empty"),
        ("so-en.tsv", "a\tb\nc\t\n", r"so-en\.tsv:2: the English side is empty"),
        ("so-en.tsv", "", r"so-en\.tsv: the file is empty"),
        ("so-en.tsv.gz", "", r"so-en\.tsv\.gz: the file is empty"),
        ("so-en.tsv", b"a\tb\n\xff\tb\n", r"so-en\.tsv:2: not UTF-8"),
        ("plain.tsv", "a\tb\n", r"plain\.tsv: the name does not say .* mr=plain\.tsv"),
        ("de-fr.tsv", "a\tb\n", r"de-fr\.tsv: the name does not say"),
        ("train.de", "a\n", r"train\.de: expected its English lines beside it in train\.en .* missing"),
        ("notes.doc1", "a\n", r"notes\.doc1: cannot tell what this is"),
    ],
)
@pytest.mark.parametrize("streaming", [False, True])
def test_a_bad_file_is_one_line_with_file_and_line(
    folder: Path, name: str, data: str | bytes, told: str, streaming: bool
) -> None:
    write(name, data)
    with pytest.raises(ValueError, match=told) as caught:
        list(load(name, streaming=streaming))
    assert "\n" not in str(caught.value)


def test_errors_come_back_from_other_processes(folder: Path) -> None:
    write("so-en.tsv", "a\tb\nc\n")
    write("mr-en.tsv", "a\tb\n")
    with pytest.raises(ValueError, match=r"^so-en\.tsv:2: expected exactly two columns"):
        load(["so-en.tsv", "mr-en.tsv"], num_proc=2)


@pytest.mark.parametrize(
    ("sources", "told"),
    [
        ("none-en.tsv", "no such file"),
        ("xq=so-en.tsv", "unknown language code 'xq'"),
        ({"som": "nowhere.tsv"}, r"nowhere\.tsv: no such file"),
        ([], "no bitext sources"),
        (("a.so", "a.en"), "need their language"),
        ({"so": ("a.so", "a.en", "a.de")}, "a tuple"),
    ],
)
def test_bad_sources_are_refused(folder: Path, sources: object, told: str) -> None:
    write("so-en.tsv", "a\tb\n")
    with pytest.raises(ValueError, match=told):
        load(sources)


def test_unequal_line_counts_are_an_error_that_says_where(folder: Path) -> None:
    write("x.de", "a\nb\nc\n")
    write("x.en", "a\nb\n")
    with pytest.raises(ValueError, match=r"x\.en:3: the file ends here but x\.de goes on"):
        load("x.de")


def test_a_cut_gzip_file_is_not_taken_for_a_short_one(folder: Path) -> None:
    whole = gzip.compress("".join(f"{number}\tb\n" for number in range(9_999)).encode())
    Path("so-en.tsv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"so-en\.tsv\.gz:\d+: cannot be read on from here"):
        load("so-en.tsv.gz")


@pytest.mark.parametrize("streaming", [False, True])
def test_dropped_pairs_are_counted_and_logged_every_time(
    folder: Path, streaming: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(get_logger("datasets"), "propagate", True)
    monkeypatch.setattr(logging.getLogger("optical_hf"), "propagate", True)
    write("so-en.tsv", "a\tb\n\tc\nd\t \n")
    for _ in range(2):  # the second time from the cache
        caplog.clear()
        assert len(list(load("so-en.tsv", on_bad_row="drop", streaming=streaming))) == 1
        assert any("dropped 2 rows, the first are 2, 3;" in record.getMessage() for record in caplog.records)
    assert len(load("so-en.tsv", on_bad_row="keep")) == 3


def test_languages_that_no_source_has_are_an_error(folder: Path) -> None:
    write("so-en.tsv", "a\tb\n")
    with pytest.raises(ValueError, match=r"no source has pairs in \['fi'\]; the languages found are \['so'\]"):
        load("so-en.tsv", languages=["fi"])
    with pytest.raises(ValueError, match=r"no source has pairs in \['fi'\]"):
        load(["so-en.tsv"], languages=["fi", "so"])
    with pytest.raises(ValueError, match="expected a list of codes"):
        load("so-en.tsv", languages="so")


def test_the_cache_is_used_until_the_file_changes(folder: Path) -> None:
    write("so-en.tsv", "a\tb\n")
    first = load("so-en.tsv")
    again = load("so-en.tsv")
    assert first.cache_files == again.cache_files != []
    assert first._fingerprint == again._fingerprint
    write("so-en.tsv", "a\tchanged\n")
    assert load("so-en.tsv")[0]["source"] == "changed"
    stamp = os.stat("so-en.tsv")
    write("so-en.tsv", "a\tCHANGED\n")  # as long as before, but later
    os.utime("so-en.tsv", ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 1))
    assert load("so-en.tsv")[0]["source"] == "CHANGED"


def test_streaming_gives_the_same_rows_and_resumes(folder: Path) -> None:
    for name in ("so-en.tsv", "mr-en.tsv"):
        write(name, "".join(f"f{number}\te{number}\n" for number in range(50)))
    sources = ["so-en.tsv", "mr-en.tsv"]
    stream = load(sources, streaming=True)
    assert isinstance(stream, IterableDataset)
    assert stream.features == BITEXT_FEATURES
    assert stream.num_shards == 2
    whole = list(stream)
    assert whole == load(sources).to_list() == load(sources, num_proc=2).to_list()
    for place, _ in enumerate(stream):
        if place == 59:
            state = stream.state_dict()
            break
    stream.load_state_dict(state)
    assert list(stream) == whole[60:]


def test_reading_streams(folder: Path) -> None:
    """A stream that holds a few lines at a time yields what precedes a fault before it meets the fault."""
    write("so-en.tsv", "a\tb\n" * 5_000 + "broken\n")
    rows = iter(load("so-en.tsv", streaming=True))
    assert sum(1 for _ in zip(range(4_000), rows, strict=False)) == 4_000
    with pytest.raises(ValueError, match=r"so-en\.tsv:5001"):
        list(rows)


def test_the_builder_is_used_like_any_of_datasets(folder: Path) -> None:
    write("so-en.tsv", "a\tb\n")
    builder = Bitext("so-en.tsv", cache_dir="cache")
    builder.download_and_prepare()
    assert builder.as_dataset(split="train")[0]["target"] == "a"
    assert list(builder.as_streaming_dataset(split="train")) == builder.as_dataset(split="train").to_list()


@pytest.mark.slow
def test_real_files_of_seven_languages(folder: Path, shared_data: Path) -> None:
    rows = load(
        [
            str(shared_data / "tatoeba_v1/mar-eng.tsv.gz"),
            str(shared_data / "tatoeba_v1/tgl-eng.tsv.gz"),
            str(shared_data / "multi30k/val.de.gz"),
            str(shared_data / "hornmt/som.txt.gz"),
            str(shared_data / "flores200_devtest/swh_Latn.txt.gz"),
            str(shared_data / "tico19/test.zu.jsonl.gz"),
            str(shared_data / "lafand_mt/ibo-eng.dev.tsv.gz"),
        ]
    )
    counts = Counter(rows["language"])
    assert counts.keys() == {"mr", "tl", "de", "so", "sw", "zu", "ig"}
    assert (counts["mr"], counts["de"], counts["so"], counts["sw"], counts["zu"]) == (1000, 1014, 2030, 1012, 2100)
    assert len(set(rows["id"])) == len(rows)
    assert rows[0]["source"] == "Look, he's coming."
