import json
import sys
from pathlib import Path

import pytest
from datasets import Dataset

from optical_hf import load_bitext
from optical_hf.data import bitext_quality, clean_bitext
from optical_hf.data.quality import inspection
from optical_hf.data.quality import wrong_language as detector_module
from optical_hf.data.quality.rules import RULES, numbers, pair_rules, plain
from optical_hf.data.quality.wrong_language import wrong_language

GOOD = [
    ("The water is cold today.", "Biyuhu waa qabow yihiin maanta."),
    ("She bought 1,716 books.", "Waxay iibsatay 1716 buug."),
    ("We walked to the market.", "Waxaan u soconay suuqa."),
    ("The children are sleeping now.", "Carruurtu hadda way hurdaan."),
]
BROKEN = {
    "empty": [("Nothing here.", " "), ("", "Waxba.")],
    "copy": [("Do not touch this!", "do not TOUCH this")],
    "length": [
        ("Yes.", "Haa, laakiin waxaan rabaa inaan wax badan oo kale ku daro jawaabtan, sababtoo ah way adag tahay.")
    ],
    "script": [("The bread is old.", "Хлеб уже старый.")],
    "numbers": [("He is 7 years old.", "Waa 8 sano jir.")],
}


@pytest.fixture
def _four_languages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A detector of four languages, as that of all 75 takes half a minute to load."""
    lingua = pytest.importorskip("lingua")
    names = lingua.Language.ENGLISH, lingua.Language.SOMALI, lingua.Language.GERMAN, lingua.Language.FRENCH
    detector = lingua.LanguageDetectorBuilder.from_languages(*names).build()
    monkeypatch.setattr(detector_module, "_detector", lambda: detector)


def table(pairs: list[tuple[str, str]], language: str = "so", origin: str = "x.tsv") -> Dataset:
    return Dataset.from_list(
        [
            {"source": e, "target": f, "language": language, "origin": origin, "id": str(n)}
            for n, (e, f) in enumerate(pairs)
        ]
    )


@pytest.mark.parametrize("rule", BROKEN)
@pytest.mark.parametrize("streaming", [False, True])
def test_each_fault_is_counted_under_its_rule_alone(rule: str, streaming: bool) -> None:
    rows = table(GOOD * 1 + BROKEN[rule])
    report = bitext_quality(
        rows.to_iterable_dataset() if streaming else rows,
        rules=[name for name in RULES if name not in ("language", "leak")],
    )
    assert report.pairs == {"so": len(rows)}
    found = {name: count for name, count in report.broken["so"].items() if count}
    assert found == {rule: len(BROKEN[rule])}


def test_duplicates_are_the_later_ones_without_case_and_punctuation() -> None:
    rows = table([*GOOD, GOOD[0], (GOOD[1][0].upper(), GOOD[1][1] + "!")])
    assert bitext_quality(rows, rules=["duplicate"]).total("duplicate") == 2
    other = Dataset.from_list([*rows, *({**row, "language": "sw"} for row in table(GOOD))])
    assert bitext_quality(other, rules=["duplicate"]).broken == {
        "so": dict.fromkeys(RULES, 0) | {"duplicate": 2},
        "sw": dict.fromkeys(RULES, 0),
    }


def test_vowel_signs_are_no_punctuation() -> None:
    assert plain("कि") != plain("की")


def test_leaks_of_either_side_are_found() -> None:
    evaluation = table([("the water is cold TODAY", "x"), ("y", GOOD[2][1])])
    assert bitext_quality(table(GOOD), rules=["leak"], evaluation=evaluation).total("leak") == 2
    assert bitext_quality(table(GOOD), rules=["leak"], evaluation=[GOOD[3][1]]).total("leak") == 1
    assert bitext_quality(table(GOOD), evaluation=["something else"], rules=["leak"]).total("leak") == 0
    with pytest.raises(ValueError, match="a list of texts"):
        bitext_quality(table(GOOD), evaluation=[("a", "b")])


@pytest.mark.parametrize(
    ("english", "foreign", "language"),
    [
        ("On 7 May", "७ मे रोजी", "mr"),
        ("1,234,567 people", "1.234.567 Menschen", "de"),
        ("1.44 percent", "1,44 %", "fr"),
        ("COVID-19", "COVID-19", "so"),
        ("Tokyo is big.", "東京は大きいです。カタカナ", "ja"),
        ("He lives in Seoul.", "그는 서울에 산다.", "ko"),
        ("Water", "水", "zh-Hant"),
        ("Water", "ठंडा पानी", "sr"),
    ],
)
def test_what_translations_may_do(english: str, foreign: str, language: str) -> None:
    broken = pair_rules(english, foreign, language)
    assert broken == ({"script"} if language == "sr" else {"copy"} if english == foreign else set())


def test_numbers_in_any_digits() -> None:
    assert numbers("٣ and ３ and ३") == [3, 3, 3]


@pytest.mark.slow
@pytest.mark.usefixtures("_four_languages")
def test_the_language_check_sees_what_is_in_another_language(monkeypatch: pytest.MonkeyPatch) -> None:
    strange = [
        ("We have to leave early tomorrow morning.", "Wir müssen morgen früh aufbrechen, sonst verpassen wir den Zug."),
        ("Nous devons partir très tôt demain matin.", "Waa inaan goor hore baxnaa subaxda berrito."),
    ]
    report = bitext_quality(table(GOOD + strange))
    assert report.broken["so"]["language"] == 2
    assert report.looked_at == {"so": 6}
    few = bitext_quality(table(GOOD * 30), rules=["language"], language_rows=10)
    assert few.looked_at == {"so": 10}
    monkeypatch.setattr(detector_module, "_BATCH", 10)
    assert clean_bitext(table((GOOD + strange) * 7), ["language"]).dropped == {"so": {"language": 14}}


def test_languages_the_detector_does_not_know_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    report = bitext_quality(table(GOOD, language="aa"))
    assert report.not_checked["language"] == "the detector does not know aa"
    assert "not checked, the detector does not know aa: language" in str(report)
    assert wrong_language(["x"], "aa") is None


def test_without_lingua_the_check_is_left_out_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "lingua_is_here", lambda: False)
    report = bitext_quality(table(GOOD))
    assert 'pip install "optical-hf[quality]"' in report.not_checked["language"]
    monkeypatch.setitem(sys.modules, "lingua", None)
    detector_module._languages.cache_clear()
    with pytest.raises(ImportError, match=r'pip install "optical-hf\[quality\]"'):
        bitext_quality(table(GOOD), rules=["language"])


def test_the_report_reads_as_a_table_and_as_json() -> None:
    report = bitext_quality(table(GOOD + BROKEN["copy"]), rules=["copy", "misaligned"])
    head, _, row, *notes = str(report).splitlines()
    assert dict(zip(head.split(), row.split(), strict=True))["copy"] == "1"
    assert dict(zip(head.split(), row.split(), strict=True))["empty"] == "-"
    assert "misaligned: no run of rows has slipped" in notes
    assert json.loads(json.dumps(report.to_dict()))["broken"]["so"]["copy"] == 1


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="there is no column 'target', only source"):
        bitext_quality(Dataset.from_dict({"source": ["a"], "text": ["b"]}))
    with pytest.raises(ValueError, match=r"unknown rules \['spelling'\]; the rules are empty"):
        bitext_quality(table(GOOD), rules=["spelling"])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="expected a list of rules"):
        bitext_quality(table(GOOD), rules="copy")  # type: ignore[arg-type]


def test_an_empty_table_has_an_empty_report() -> None:
    assert bitext_quality(table(GOOD).select([]), rules=["copy", "misaligned", "duplicate"]).pairs == {}


@pytest.mark.slow
def test_real_files_are_followed_one_by_one_also_where_they_are_mixed(shared_data: Path) -> None:
    names = [str(shared_data / f"tico19/{name}.jsonl.gz") for name in ("raw_upstream_misaligned.so", "test.sw")]
    report = bitext_quality(load_bitext(names, streaming=True), rules=["misaligned", "empty"])
    assert [(run.language, run.offset, run.origin) for run in report.runs] == [("so", -1, names[0])] * 2
    assert report.broken["so"]["misaligned"] == sum(run.last - run.first + 1 for run in report.runs)
    assert report.broken["sw"]["misaligned"] == 0
