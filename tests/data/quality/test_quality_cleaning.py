import logging
from pathlib import Path

import pytest
from datasets import Dataset
from datasets.utils.logging import get_logger

from optical_hf import load_bitext
from optical_hf.data import bitext_quality, clean_bitext

PAIRS = [
    ("The water is cold today.", "Biyuhu waa qabow yihiin maanta."),
    ("The water is cold today.", "Biyuhu waa qabow yihiin maanta."),
    ("He is 7 years old.", "He is 7 years old!"),
    ("He is 7 years old.", "Waa 8 sano jir."),
    ("He is 7 years old.", "Waa 8 sano jir."),
    ("We walked to the market.", "Waxaan u soconay suuqa."),
    ("", "Waxba."),
]


def table() -> Dataset:
    return Dataset.from_list([{"source": e, "target": f, "language": "so", "origin": "x"} for e, f in PAIRS])


@pytest.mark.parametrize("streaming", [False, True])
def test_every_dropped_row_is_accounted_for_by_the_first_rule_that_takes_it(streaming: bool) -> None:
    rows = table()
    cleaned = clean_bitext(rows.to_iterable_dataset() if streaming else rows, ["numbers", "duplicate", "copy", "empty"])
    assert cleaned.dropped == {"so": {"numbers": 2, "duplicate": 1, "copy": 1, "empty": 1}}
    assert [row["target"] for row in cleaned.bitext] == [PAIRS[0][1], PAIRS[5][1]]
    assert cleaned.report.broken["so"]["duplicate"] == 2
    assert str(cleaned) == "so: 2 of 7 pairs left, numbers took 2, duplicate took 1, copy took 1, empty took 1"


def test_nothing_is_dropped_that_was_not_chosen() -> None:
    assert len(clean_bitext(table(), []).bitext) == len(PAIRS)
    assert len(clean_bitext(table(), ["copy"]).bitext) == len(PAIRS) - 1


def test_what_was_dropped_is_logged(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(get_logger("datasets"), "propagate", True)
    monkeypatch.setattr(logging.getLogger("optical_hf"), "propagate", True)
    clean_bitext(table(), ["copy"])
    assert "copy took 1" in caplog.text


def test_leaks_need_an_evaluation_set() -> None:
    assert len(clean_bitext(table(), ["leak"], evaluation=["He is 7 years old"]).bitext) == len(PAIRS) - 3
    with pytest.raises(ValueError, match="leak needs evaluation="):
        clean_bitext(table(), ["leak"])
    with pytest.raises(ValueError, match="unknown rules"):
        clean_bitext(table(), ["nonsense"])  # type: ignore[list-item]


@pytest.mark.slow
def test_the_slipped_rows_of_the_real_file_go_and_a_clean_one_is_left(shared_data: Path, tmp_path: Path) -> None:
    rows = load_bitext(str(shared_data / "tico19/raw_upstream_misaligned.so.jsonl.gz"), cache_dir=str(tmp_path))
    cleaned = clean_bitext(rows, ["misaligned"])
    assert len(cleaned.bitext) == 3071 - cleaned.dropped["so"]["misaligned"] == pytest.approx(1317, abs=10)
    assert bitext_quality(cleaned.bitext, rules=["misaligned"]).runs == ()
