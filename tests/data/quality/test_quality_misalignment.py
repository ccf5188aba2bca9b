import gzip
import json
import random
from pathlib import Path

import pytest

from optical_hf.data.quality import misalignment
from optical_hf.data.quality.misalignment import MisalignedRun, find_misaligned_runs

CLEAN = ("mr", "zu", "id")


def tico(shared_data: Path, *names: str) -> tuple[list[str], list[str]]:
    texts = [gzip.decompress((shared_data / f"tico19/{name}.jsonl.gz").read_bytes()).decode() for name in names]
    rows = [json.loads(line) for text in texts for line in text.split("\n") if line]
    return [row["en"] for row in rows], [row["x"] for row in rows]


def invented(rows: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """Sentences of two invented languages with nothing but lengths and an occasional number in common."""
    draw = random.Random(seed)
    english, foreign = [], []
    for _ in range(rows):
        words = draw.randint(3, 30)
        number = f" {draw.randint(100, 9_999)}" if draw.random() < 0.3 else ""
        for side, letters in ((english, "abcdefgh"), (foreign, "αβγδεζηθ")):
            lengths = (max(1, round(draw.gauss(5, 1))) for _ in range(words))
            side.append(" ".join("".join(draw.choices(letters, k=size)) for size in lengths) + number)
    return english, foreign


def test_finds_both_ranges_of_the_real_slipped_file(shared_data: Path) -> None:
    first, second = find_misaligned_runs(*tico(shared_data, "raw_upstream_misaligned.so"))
    assert (first.offset, second.offset) == (-1, -1)
    assert first.first == pytest.approx(1161, abs=3)
    assert first.last == pytest.approx(1703, abs=3)
    assert second.first == pytest.approx(1861, abs=3)
    assert second.last == 3071


def test_is_silent_on_the_repaired_file(shared_data: Path) -> None:
    assert find_misaligned_runs(*tico(shared_data, "test.so.repaired", "dev.so.repaired")) == []


@pytest.mark.slow
@pytest.mark.parametrize("language", CLEAN)
def test_is_silent_on_clean_files_and_finds_what_is_done_to_them(shared_data: Path, language: str) -> None:
    english, foreign = tico(shared_data, f"test.{language}")
    assert find_misaligned_runs(english, foreign) == []
    slipped = foreign[:700] + foreign[702:1400] + foreign[700:702] + foreign[1400:]
    (run,) = find_misaligned_runs(english, slipped)
    assert run.offset == -2
    assert (run.first, run.last) == (pytest.approx(701, abs=3), pytest.approx(1400, abs=3))


@pytest.mark.slow
@pytest.mark.parametrize("offset", [-7, 200])
def test_says_by_how_many_rows_also_far_away(offset: int) -> None:
    english, foreign = invented(1_500)
    part = foreign[500:1000]
    slipped = foreign[:500] + part[-offset % 500 :] + part[: -offset % 500] + foreign[1000:]
    runs = [run for run in find_misaligned_runs(english, slipped) if run.last - run.first > 100]
    longest = max(runs, key=lambda run: run.last - run.first)
    assert longest.offset in (offset, offset - 500, offset + 500)
    kept = (500 - longest.offset, 1_000) if longest.offset < 0 else (501, 1_000 - longest.offset)
    assert longest.first == pytest.approx(kept[0], abs=60)
    assert longest.last == pytest.approx(kept[1], abs=60)


@pytest.mark.slow
def test_rows_that_match_nothing_are_a_run_without_offset() -> None:
    english, foreign = invented(900)
    strange = invented(200, seed=1)[1]
    (run,) = find_misaligned_runs(english, foreign[:400] + strange + foreign[600:])
    assert run.offset is None
    assert (run.first, run.last) == (pytest.approx(401, abs=8), pytest.approx(600, abs=8))
    assert "match no row nearby" in str(run)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_is_silent_on_invented_clean_text_shuffled_or_sorted(seed: int) -> None:
    pairs = list(zip(*invented(1_000, seed), strict=True))
    for order in (pairs, sorted(pairs, key=lambda pair: len(pair[0])), pairs * 2):
        assert find_misaligned_runs(*map(list, zip(*order, strict=True))) == []


@pytest.mark.slow
def test_blocks_give_what_one_block_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    english, foreign = invented(1_000)
    slipped = foreign[:300] + foreign[301:800] + foreign[300:301] + foreign[800:]
    whole = find_misaligned_runs(english, slipped)
    assert len(whole) == 1
    monkeypatch.setattr(misalignment, "BLOCK", 250)
    (run,) = find_misaligned_runs(english, slipped)
    assert run.offset == whole[0].offset == -1
    assert (run.first, run.last) == (pytest.approx(whole[0].first, abs=3), pytest.approx(whole[0].last, abs=3))


@pytest.mark.parametrize("rows", [0, 1, 2, 12])
def test_tiny_files_are_no_trouble(rows: int) -> None:
    assert find_misaligned_runs(*invented(rows)) == []
    assert find_misaligned_runs([""] * rows, [""] * rows) == []
    assert find_misaligned_runs(["same 7"] * rows, ["same 7"] * rows) == []


def test_says_it_in_words() -> None:
    run = MisalignedRun(3, 9, -1, 5.0, origin="x.tsv", language="so")
    assert str(run) == "x.tsv: rows 3-9 have their translation 1 row earlier (5.0 nats a row)"
    assert "2 rows later" in str(run._replace(offset=2))


def test_refuses_sides_of_unequal_length() -> None:
    with pytest.raises(ValueError, match="equal length"):
        find_misaligned_runs(["a"], [])
