"""Runs that differ in their seed are put together, by query and by collection."""

from dataclasses import replace
from pathlib import Path

import pytest
from made_runs import CONFIG, GROUPS, run

from optical_hf.study.report.findings import system_sentences
from optical_hf.study.report.runs_table import read_table
from optical_hf.study.report.study_report import figures
from optical_hf.study.report.study_table import ALL
from optical_hf.study.report.study_tests import size_tests, system_tests


def test_a_change_that_one_seed_makes_is_not_one_over_seeds(tmp_path: Path) -> None:
    runs = [run(tmp_path, "large", "MSE", {"de": 0.8, "so": 0.4}, seed) for seed in range(3)]
    runs += [
        run(tmp_path, "large", "transport", {"de": 0.8, "so": share}, seed)
        for seed, share in enumerate((0.75, 0.41, 0.40))
    ]
    (test,) = system_tests(read_table(CONFIG, runs))
    (gap,) = test.gaps
    assert gap.p_holm < 0.05  # of these runs
    assert gap.over_seeds.value == pytest.approx(gap.change.value)
    assert gap.over_seeds.low < gap.change.low < gap.change.high < 0 < gap.over_seeds.high
    *_, sentence = system_sentences(test)
    assert "corrected over 1 tests; over seeds and queries [" in sentence
    assert sentence.endswith("it narrowed in these runs, no change detected over seeds.")


def test_seeds_that_agree_say_the_same_over_seeds_and_one_seed_says_nothing(tmp_path: Path) -> None:
    runs = [run(tmp_path, "large", "transport", {"de": 0.8, "so": 0.6}, seed) for seed in range(3)]
    untrained = run(tmp_path, "large", "untrained", {"de": 0.8, "so": 0.2})
    config = replace(CONFIG, baselines=("untrained",))
    (test,) = system_tests(read_table(config, [*runs, untrained]))
    assert test.gaps[0].over_seeds.high < 0
    assert test.gaps[0].over_seeds.value == pytest.approx(-0.4)
    (test,) = system_tests(read_table(config, [runs[0], untrained]))
    assert test.gaps[0].over_seeds is None


def test_runs_of_different_code_are_not_compared(tmp_path: Path) -> None:
    runs = [
        run(tmp_path, "small", "transport", {"de": 0.90, "so": 0.40}),
        run(tmp_path, "large", "transport", {"de": 0.92, "so": 0.70}, code="b"),
        run(tmp_path, "large", "MSE", {"de": 0.90, "so": 0.40}),
    ]
    assert not size_tests(read_table(CONFIG, runs))
    assert not system_tests(read_table(CONFIG, runs))


def test_seeds_are_put_together_by_query(tmp_path: Path) -> None:
    shares = {"de": 0.5, "so": 0.5}
    runs = [run(tmp_path, "large", "MSE", shares, seed, collections=("C", "D")) for seed in (0, 50)]
    table = read_table(CONFIG, runs)
    (condition,) = table.conditions
    hits = table.mean_hits(condition, ["C"])[:GROUPS]
    assert hits[:50].tolist() == [0.5] * 50
    assert hits[50:100].tolist() == [1.0] * 50
    assert hits.mean() == pytest.approx(0.5)
    assert table.mean_hits(condition, ["C", "D"]).mean() == pytest.approx(0.5)


def test_seeds_that_searched_other_collections_are_put_together_where_both_searched(tmp_path: Path) -> None:
    runs = [
        run(tmp_path, "large", "MSE", {"de": 0.5, "so": 0.5}, 0, collections=("C", "D", "E")),
        run(tmp_path, "large", "MSE", {"de": 0.7, "so": 0.7}, 1, collections=("C", "D")),
        run(tmp_path, "large", "transport", {"de": 0.6, "so": 0.6}, 0, collections=("C", "D", "E")),
    ]
    table = read_table(CONFIG, runs)
    first, _ = table.conditions
    assert table.mean_hits(first, ["C"]).mean() == pytest.approx(0.6)
    assert table.mean_hits(first, ["E"]).mean() == pytest.approx(0.5)
    assert table.places(table.conditions) == {
        "C": ["C"],
        "D": ["D"],
        "E": ["E"],
        ALL: ["C", "D"],
    }
    (test,) = system_tests(table)
    assert {collection for collection, _ in test.languages} == {"C", "D", "E"}
    # compared on the seed that both have: 60 against 50, not against 60
    assert all(change.difference.value == pytest.approx(0.1) for change in test.languages.values())
    assert [gap.collection for gap in test.gaps] == ["C", "D", "E", ALL]


def test_an_untrained_student_is_compared_with_every_seed(tmp_path: Path) -> None:
    runs = [
        run(tmp_path, "large", "transport", {"de": share, "so": share}, seed) for seed, share in enumerate((0.5, 0.7))
    ]
    untrained = run(tmp_path, "large", "untrained", {"de": 0.1, "so": 0.1})
    (test,) = system_tests(read_table(replace(CONFIG, baselines=("untrained",)), [*runs, untrained]))
    assert all(change.difference.value == pytest.approx(0.5) for change in test.languages.values())


def test_conditions_that_searched_nothing_in_common_are_not_compared_and_are_reported(tmp_path: Path) -> None:
    runs = [
        run(tmp_path, "large", "MSE", {"de": 0.5, "so": 0.4}, collections=("C",)),
        run(tmp_path, "large", "transport", {"de": 0.6, "so": 0.6}, collections=("D", "E")),
    ]
    table = read_table(CONFIG, runs)
    assert table.places(table.conditions) == {"C": ["C"], "D": ["D"], "E": ["E"]}
    assert not system_tests(table)
    names = [name for name, _ in figures(table)]
    assert names == [
        f"t-{collection}-500-parameters" for collection in "cde"
    ]  # no plot against bitext: nothing is shared
