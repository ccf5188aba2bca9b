"""Names of files as OPUS and others write them: regions and scripts in any case, with either separator, in every reader."""

import json
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optical_hf import load_bitext
from optical_hf.data.bitext.pair_names import names_language, pair_in_name
from optical_hf.data.bitext.sources import split_columns
from optical_hf.languages import canonical_language


@pytest.mark.parametrize(
    ("name", "foreign", "english_first"),
    [
        ("en-pt_br.txt", "pt", True),
        ("en-pt-br.tsv", "pt", True),  # not Breton
        ("pt-br-en.tsv", "pt", False),
        ("pt_BR-en.tsv", "pt", False),
        ("en_us-pt_br.tsv", "pt", True),
        ("en-us-so.tsv", "so", True),
        ("en-br.tsv", "br", True),
        ("x.en-zh_tw.tsv", "zh-Hant", True),
        ("zh-TW-en.tsv", "zh-Hant", False),
        ("en-zh_cn.tsv", "zh", True),
        ("en-zh_Hant_HK.tsv", "zh-Hant", True),
        ("en-sr_latn.tsv", "sr-Latn", True),
        ("en-uz_af.tsv", "uz-Arab", True),
        ("en-es_419.tsv", "es", True),
        ("NLLB.eng_Latn-som_Latn.tsv", "so", True),
        ("dev-so-en.tsv", "so", False),  # Domung is not spoken in Somalia
        ("so-en-de.tsv", "so", False),
        ("en-fi-sw.tsv", "fi", True),
        ("wikimedia_v20230407.en-so_SO.tsv", "so", True),
    ],
)
def test_regions_and_scripts_in_any_case_and_separator(name: str, foreign: str, english_first: bool) -> None:
    assert pair_in_name(name) == (foreign, english_first)


@pytest.mark.parametrize("part", ["dev_de", "txt", "README", "en_qq", "test_en", "dev_test", "ids"])
def test_words_are_no_codes(part: str) -> None:
    assert not names_language(part)


WORDS = st.sampled_from(
    ["en", "eng", "pt", "br", "zh", "tw", "Latn", "hans", "dev", "so", "de", "419", "x", "2", "corpus"]
)


@settings(max_examples=40)
@given(st.lists(WORDS, min_size=1, max_size=7), st.lists(st.sampled_from("-_."), min_size=7, max_size=7))
def test_any_name_states_a_pair_with_a_language_that_is_known_or_none(words: list[str], joints: list[str]) -> None:
    name = "".join(word + joint for word, joint in zip(words, joints, strict=False)) + "tsv"
    found = pair_in_name(name)
    assert found is None or (canonical_language(found[0]) == found[0] != "en" and {"en", "eng"} & set(words))


@settings(max_examples=40)
@given(st.text(max_size=20) | st.text("abc:,=/\\.12", max_size=20))
def test_any_text_is_a_path_with_or_without_columns(text: str) -> None:
    try:
        path, columns = split_columns(text)
    except ValueError as error:  # one number and one name, or the same column twice
        assert "expected the foreign and the English one" in str(error) or "null" in str(error)  # noqa: PT017
        return
    assert text.startswith(path)
    assert (columns is None) == (path == text)


@pytest.mark.parametrize("region", ["zh_tw", "zh_TW", "zh-tw", "zh-TW", "zh_hant", "zh-Hant", "ZH_TW"])
def test_every_reader_reads_them(region: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    record = {"en": "one", region: "一"}
    Path("x.jsonl").write_text(json.dumps(record) + "\n")
    Path("y.jsonl").write_text(json.dumps({"translation": record}) + "\n")
    Path("z.jsonl").write_text(json.dumps({"source": "one", "target": "一", "language": region}) + "\n")
    pq.write_table(pa.table({key: [text] for key, text in record.items()}), "x.parquet")
    unit = f'<tu><tuv xml:lang="en-US"><seg>one</seg></tuv><tuv xml:lang="{region}"><seg>一</seg></tuv></tu>'
    Path("x.tmx").write_text(f"<tmx><body>{unit}</body></tmx>", encoding="utf-8")
    Path("a.tsv").write_text("一\tone\n", encoding="utf-8")
    sources = ["x.jsonl", "y.jsonl", "z.jsonl", "x.parquet", "x.tmx", f"{region}=a.tsv", {region: "a.tsv"}]
    if not region.startswith("Z"):  # the language itself is in small letters in names
        Path(f"{region}-en.tsv").write_text("一\tone\n", encoding="utf-8")
        Path(f"train.{region}").write_text("一\n", encoding="utf-8")
        Path("train.en").write_text("one\n")
        Path(f"w.{region}.jsonl").write_text('{"en": "one", "text": "一"}\n', encoding="utf-8")
        with zipfile.ZipFile(f"en-{region}.txt.zip", "w") as archive:
            for name, text in (("README", "x"), (f"T.en-{region}.en", "one\n"), (f"T.en-{region}.{region}", "一\n")):
                archive.writestr(name, text)
        sources += [f"{region}-en.tsv", f"train.{region}", f"w.{region}.jsonl", f"en-{region}.txt.zip"]
    for source in sources:
        rows = [(row["source"], row["target"], row["language"]) for row in load_bitext(source, streaming=True)]
        assert rows == [("one", "一", "zh-Hant")], source
