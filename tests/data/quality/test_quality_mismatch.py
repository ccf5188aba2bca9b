"""Single wrong pairs, scattered over a file: how many there are, which, and silence where there are none."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset
from test_quality_misalignment import invented, tico

from optical_hf.data import bitext_quality, clean_bitext
from optical_hf.data.quality import mismatch
from optical_hf.data.quality.mismatch import ALARM, FEWEST, find_mismatched_pairs
from optical_hf.data.quality.word_association import side_of, translation_tables


def word(number: int, letters: str) -> str:
    return letters[number // 10] + letters[number % 10] + letters[(7 * number) % 10]


WORDS = [(word(number, "bdfgklmnpr"), word(number, "szvxwyqhjc")) for number in range(100)]


def translated(rows: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """Sentences of two invented languages of 100 words, word for word but in another order."""
    draw = random.Random(seed)
    english, foreign = [], []
    for _ in range(rows):
        chosen = draw.sample(WORDS, draw.randint(5, 12))
        english.append(" ".join(one for one, _ in chosen))
        foreign.append(" ".join(other for _, other in draw.sample(chosen, len(chosen))))
    return english, foreign


def mixed_up(foreign: list[str], share: float, seed: int = 0) -> tuple[list[str], set[int]]:
    """Rows of which a share has changed places, and the numbers of the rows that are wrong now."""
    chosen = np.random.default_rng(seed).permutation(len(foreign))[: round(share * len(foreign))]
    given = list(foreign)
    for row, other in zip(chosen, np.roll(chosen, 1), strict=True):
        given[row] = foreign[other]
    return given, {row + 1 for row in range(len(foreign)) if given[row] != foreign[row]}


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.01, 0.10])
def test_scattered_wrong_pairs_of_a_real_file_are_counted_and_found(shared_data: Path, share: float) -> None:
    english, foreign = tico(shared_data, "test.sw")
    given, wrong = mixed_up(foreign, share)
    found = find_mismatched_pairs(english, given)
    assert found.pairs == len(english)
    assert ALARM < found.low < share < found.high
    hits = len(wrong & set(found.rows))
    assert hits > 0.7 * len(wrong)
    assert hits > 0.8 * len(found.rows)


@pytest.mark.slow
@pytest.mark.parametrize("language", [pytest.param("am", marks=pytest.mark.full), "zh"])
def test_a_clean_real_file_is_silent(shared_data: Path, language: str) -> None:
    found = find_mismatched_pairs(*tico(shared_data, f"test.{language}"))
    assert found.rows == ()
    assert found.low < ALARM
    assert found.high < 0.005


@pytest.mark.slow
def test_the_report_names_them_and_cleaning_drops_and_lists_them(caplog: pytest.LogCaptureFixture) -> None:
    english, foreign = translated(1_000)
    given, wrong = mixed_up(foreign, 0.1)
    sides = zip(english, given, strict=True)
    rows = [
        {"source": e, "target": f, "language": "so", "origin": "x.tsv", "id": str(n)} for n, (e, f) in enumerate(sides)
    ]
    table = Dataset.from_list(rows)
    report = bitext_quality(table, rules=["mismatched", "misaligned"])
    (found,) = report.mismatches
    assert (found.origin, found.language) == ("x.tsv", "so")
    assert report.broken["so"]["mismatched"] == len(found.rows) > 80
    assert f"mismatched: x.tsv: about {found.share:.1%}" in str(report)
    assert json.loads(json.dumps(report.to_dict()))["mismatches"][0]["rows"] == list(found.rows)
    for bitext in (table, table.to_iterable_dataset()):
        cleaned = clean_bitext(bitext, ["mismatched"])
        taken = list(cleaned.taken)
        assert [int(row["id"]) + 1 for row in taken] == list(found.rows)
        assert {row["rule"] for row in taken} == {"mismatched"}
        assert len(list(cleaned.bitext)) == 1_000 - len(taken)
        left = {int(row["id"]) + 1 for row in cleaned.bitext} & wrong
        assert len(left) < 0.2 * len(wrong)


def test_a_clean_table_says_so_and_a_small_one_that_it_was_not_checked() -> None:
    english, foreign = translated(1_000)
    sides = list(zip(english, foreign, strict=True))
    rows = [{"source": e, "target": f, "language": "so", "origin": "x.tsv"} for e, f in sides]
    report = bitext_quality(Dataset.from_list(rows), rules=["mismatched"])
    assert report.total("mismatched") == 0
    assert "mismatched: no sign of single wrong pairs; at most 0." in str(report)
    few = bitext_quality(Dataset.from_list(rows[: FEWEST - 1]), rules=["mismatched"])
    assert few.not_checked["mismatched"] == f"a file teaches enough from {FEWEST} pairs on"
    assert few.mismatches == ()


@pytest.mark.slow
def test_rows_of_a_run_are_not_told_again_one_by_one(shared_data: Path) -> None:
    english, foreign = tico(shared_data, "test.sw")
    slipped = foreign[:700] + foreign[701:1400] + foreign[700:701] + foreign[1400:]
    rows = [{"source": e, "target": f, "language": "sw", "origin": "x"} for e, f in zip(english, slipped, strict=True)]
    report = bitext_quality(Dataset.from_list(rows), rules=["mismatched", "misaligned"])
    assert len(report.runs) == 1
    assert report.broken["sw"]["misaligned"] == pytest.approx(700, abs=5)
    assert report.broken["sw"]["mismatched"] == 0
    assert report.mismatches[0].pairs == pytest.approx(1_400, abs=5)


@pytest.mark.slow
def test_unrelated_sides_are_wrong_all_over() -> None:
    english, _ = translated(1_000)
    found = find_mismatched_pairs(english, invented(1_000)[1])
    assert found.share > 0.9


def test_blocks_are_judged_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    english, foreign = translated(2_200)
    given, wrong = mixed_up(foreign, 0.1)
    monkeypatch.setattr(mismatch, "BLOCK", 1_000)
    found = find_mismatched_pairs(english, given)
    assert found.pairs == 2_000  # the rest is too little to learn from
    assert len(wrong & set(found.rows)) > 0.7 * len({row for row in wrong if row <= 2_000})


def test_the_same_file_gives_the_same_rows() -> None:
    english, foreign = translated(800)
    given, _ = mixed_up(foreign, 0.1)
    assert find_mismatched_pairs(english, given) == find_mismatched_pairs(english, given)


@pytest.mark.parametrize("rows", [["same 7"] * 600, [str(n) for n in range(600)], ["?!"] * 600, ["", "x"] * 600])
def test_odd_files_are_no_trouble(rows: list[str]) -> None:
    assert 0 <= find_mismatched_pairs(rows, rows).share <= 1


def test_what_is_too_short_or_uneven_is_refused() -> None:
    with pytest.raises(ValueError, match="equal length"):
        find_mismatched_pairs(["a"], [])
    with pytest.raises(ValueError, match=f"expected {FEWEST} pairs or more"):
        find_mismatched_pairs(["a"], ["b"])


def test_tables_hold_what_goes_together() -> None:
    english, foreign = map(side_of, translated(300))
    there, back = translation_tables(english, foreign, np.arange(300))
    best, best_back = there.toarray().argmax(axis=1), back.toarray().argmax(axis=1)
    assert dict(WORDS) == {one: foreign.names[best[place]] for place, one in enumerate(english.names)}
    assert dict(WORDS) == {english.names[best_back[place]]: other for place, other in enumerate(foreign.names)}
