"""The sentences of a study, from runs whose hits are known."""

import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from optical_hf.evaluation.report.language_scores import Bootstrap, score_languages
from optical_hf.evaluation.report.retrieval_report import Queries, RetrievalReport, SystemResult
from optical_hf.metrics.significance import holm
from optical_hf.study.config.grid import RunConfig
from optical_hf.study.config.study_config import (
    BudgetSpec,
    CollectionSpec,
    StudentSpec,
    StudyConfig,
    SystemSpec,
    TeacherSpec,
)
from optical_hf.study.report import study_tables as summary
from optical_hf.study.report.findings import size_sentences, system_sentences
from optical_hf.study.report.runs_table import read_table
from optical_hf.study.report.study_report import figures
from optical_hf.study.report.study_table import ALL
from optical_hf.study.report.study_tests import size_tests, system_tests
from optical_hf.study.run.launching import RunFolder
from optical_hf.study.run.run_cost import CODE
from optical_hf.study.run.running import RESULT, RunResult

GROUPS = 200
COLLECTION = CollectionSpec("C", "bitext", {"de": "x", "so": "x"})
STUDENTS = {
    name: StudentSpec(name, "backbone", layers) for name, layers in (("small", 3), ("middle", 6), ("large", 12))
}
SYSTEMS = {
    "MSE": SystemSpec("MSE", "ridge", "pooled_mse"),
    "transport": SystemSpec("transport", "transport", "transport"),
    "untrained": SystemSpec("untrained"),
}
CONFIG = StudyConfig(
    name="known", output="", teachers={"T": TeacherSpec("T", "t")}, students=STUDENTS, systems=SYSTEMS,
    budgets={"B": BudgetSpec("B", steps=1)}, bitext={"de": ("x",)}, collections={"C": COLLECTION}, high=("de",), low=("so",),
    baselines=("MSE",), rounds=500,
)  # fmt: skip
PARAMETERS = {"small": 21_000_000, "middle": 40_000_000, "large": 85_000_000}


def run(
    folder: Path,
    student: str,
    system: str,
    shares: dict[str, float],
    seed: int = 0,
    code: str = "a",
    collections: tuple[str, ...] = ("C",),
) -> RunFolder:
    """A run that finds the first so large a share of each language's queries, rolled on by the seed, in each collection."""
    languages = np.repeat(list(shares), GROUPS)
    hits = np.concatenate([np.roll(np.arange(GROUPS) < share * GROUPS, seed) for share in shares.values()])
    ranks = np.where(hits, 1.0, 2.0)
    groups = np.tile([f"g{number}" for number in range(GROUPS)], len(shares))
    found = score_languages(ranks, languages, groups, (1,), Bootstrap(rounds=10))
    ids = [f"{code}/{number}" for code in shares for number in range(GROUPS)]
    report = RetrievalReport(
        systems={"student": SystemResult(found, 0.0, None, ranks, [None] * len(ids))},
        queries=Queries(ids, ["C"] * len(ids), languages.tolist(), groups.tolist()),
        tiers=None, no_gap="not asked", settings={}, documents={"C": GROUPS},
    )  # fmt: skip
    budget = CONFIG.budgets["B"]
    config = RunConfig(
        CONFIG.teachers["T"], STUDENTS[student], SYSTEMS[system], budget, {"de": ("x",)}, 500, seed,
        tuple(replace(COLLECTION, name=name, limit=len(name)) for name in collections), None,
    )  # fmt: skip
    place = folder / config.key
    report.to_json(place / "report-00.json")
    result = RunResult(
        dict.fromkeys(collections, "report-00.json"),
        backbone_parameters=PARAMETERS[student],
        versions={CODE: code},
        seconds={"total": 1.0},
    )
    (place / RESULT).write_text(json.dumps(asdict(result)), encoding="utf-8")
    return RunFolder(config, place)


def test_a_gap_that_narrows_is_said_to_narrow_with_its_numbers(tmp_path: Path) -> None:
    runs = [
        run(tmp_path, "small", "transport", {"de": 0.90, "so": 0.40}),
        run(tmp_path, "large", "transport", {"de": 0.92, "so": 0.70}),
    ]
    (test,) = size_tests(read_table(CONFIG, runs))
    (sentence,) = size_sentences(test)
    # the gap goes from 50 to 22 points
    assert sentence.startswith(
        "T, transport (500 pairs a language, B): from 21.0 M to 85.0 M parameters (small to large) the gap on C changed by "
        "-28.0 points ["
    )
    assert (
        "(p < 0.001, corrected over 1 tests): it narrowed; R@1 of the low-resource group changed by +30.0 points ["
        in sentence
    )
    change = test.gaps[0].change
    assert change.low < -0.28 < change.high < 0


def test_a_gap_that_widens_and_one_that_cannot_be_told(tmp_path: Path) -> None:
    runs = [
        run(tmp_path, "small", "transport", {"de": 0.60, "so": 0.40}),
        run(tmp_path, "middle", "transport", {"de": 0.61, "so": 0.40}),
        run(tmp_path, "large", "transport", {"de": 0.90, "so": 0.40}),
    ]
    sentences = [sentence for test in size_tests(read_table(CONFIG, runs)) for sentence in size_sentences(test)]
    assert len(sentences) == 3  # smallest to largest, then each to the next
    assert "(small to large)" in sentences[0]
    assert "+30.0 points" in sentences[0]
    assert "it widened" in sentences[0]
    assert "(small to middle)" in sentences[1]
    assert "+1.0 points" in sentences[1]
    assert "no change detected" in sentences[1]


def test_where_the_low_group_is_ahead_a_gap_does_not_narrow(tmp_path: Path) -> None:
    runs = [
        run(tmp_path, "small", "transport", {"de": 0.40, "so": 0.50}),
        run(tmp_path, "large", "transport", {"de": 0.40, "so": 0.80}),
    ]
    (test,) = size_tests(read_table(CONFIG, runs))
    (sentence,) = size_sentences(test)
    assert "changed by -30.0 points" in sentence
    assert "it moved in favour of the low-resource group" in sentence
    assert "narrowed" not in sentence


def test_a_system_is_higher_only_where_the_corrected_test_says_so(tmp_path: Path) -> None:
    runs = [
        run(tmp_path, "large", "MSE", {"de": 0.90, "so": 0.40}),
        run(tmp_path, "large", "transport", {"de": 0.895, "so": 0.60}),
    ]
    (test,) = system_tests(read_table(CONFIG, runs))
    assert test.ours.system == "transport"
    tally, gap = system_sentences(test)
    assert "higher R@1 in 1 of 1 low-resource tests (Somali on C), lower in 0" in tally
    assert re.search(
        r"higher R@1 in 0 of 1 other tests, lower in 0, no difference detected in 1 \(intervals within "
        r"\[-\d\.\d, \+\d\.\d\] points\) \(p corrected over 2 tests\)",
        tally,
    )
    assert "the gap is on C 29.5 against 50.0, a change of -20.5 points" in gap
    assert gap.endswith("it narrowed.")


def test_p_values_are_corrected_over_every_pair_of_systems_in_a_table(tmp_path: Path) -> None:
    shares = {"MSE": 0.50, "transport": 0.54, "untrained": 0.10}
    runs = [run(tmp_path, "large", system, {"de": share, "so": share}) for system, share in shares.items()]
    runs += [run(tmp_path, "small", system, {"de": share, "so": share}) for system, share in shares.items()]
    config = replace(CONFIG, baselines=("MSE", "untrained"))
    tests = system_tests(read_table(config, runs))
    large = [test for test in tests if test.ours.student == "large"]
    assert {(test.ours.system, test.other.system) for test in large} == {
        ("MSE", "untrained"), ("transport", "untrained"), ("transport", "MSE"),
    }  # fmt: skip
    changes = [change for test in large for change in test.languages.values()]
    assert [change.p_holm for change in changes] == holm([change.p_value for change in changes]).tolist()
    assert {test.family for test in tests} == {6}
    gaps = [gap for test in large for gap in test.gaps]
    assert [gap.p_holm for gap in gaps] == holm([gap.p_value for gap in gaps]).tolist()
    assert {gap.family for gap in gaps} == {3}
    tables = list(summary.test_tables(tests, config.rounds))
    assert [len(table.rows) for table in tables] == [6, 6]
    assert tables[0].title.startswith("T, large, 500 pairs a language, B: R@1 of two systems")
    assert "p corrected over the 6 tests of this table (Holm)" in tables[0].note


def test_changes_of_the_gap_by_size_are_corrected_over_all_that_the_study_shows(tmp_path: Path) -> None:
    runs = [
        run(tmp_path, student, system, {"de": 0.6, "so": 0.5 + 0.01 * number})
        for number, student in enumerate(STUDENTS)
        for system in ("MSE", "transport")
    ]
    tests = size_tests(read_table(CONFIG, runs))
    gaps = [gap for test in tests for gap in test.gaps]
    assert len(gaps) == 6
    assert [gap.p_holm for gap in gaps] == holm([gap.p_value for gap in gaps]).tolist()
    assert "corrected over 6 tests): no change detected" in next(size_sentences(tests[0]))


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


@pytest.mark.parametrize(
    ("lists", "tiers"),
    [
        ({"high": ("de",), "low": ("so",)}, {"de": "high", "so": "low", "mr": "middle"}),
        ({"high": None, "low": ("so",)}, {"de": "high", "so": "low", "mr": "high"}),
        ({"high": ("de",), "low": None}, {"de": "high", "so": "low", "mr": "low"}),
        ({"high": ("de",), "low": None, "middle": ("mr",)}, {"de": "high", "so": "low", "mr": "middle"}),
        ({"high": None, "low": None}, {"de": "high", "so": "low", "mr": "low"}),
    ],
)
def test_groups_are_those_of_an_evaluation_and_stand_in_the_table(
    lists: dict, tiers: dict[str, str], tmp_path: Path
) -> None:
    config = replace(CONFIG, **lists)
    done = run(tmp_path, "large", "MSE", {"de": 0.9, "so": 0.3, "mr": 0.5})
    rows = read_table(config, [done]).rows.to_dict("records")
    assert {row["language"]: row["tier"] for row in rows if row.get("language")} == tiers
    levels = {"de": 0.9, "so": 0.3, "mr": 0.5}
    mean = {name: np.mean([levels[code] for code in levels if tiers[code] == name]) for name in ("high", "low")}
    (gap,) = (row["value"] for row in rows if row["metric"] == "R@1 gap")
    assert gap == pytest.approx(mean["high"] - mean["low"])


def test_languages_of_one_group_have_no_gap(tmp_path: Path) -> None:
    done = run(tmp_path, "large", "MSE", {"so": 0.3, "mr": 0.5})
    for lists in ({"high": None, "low": ("so", "mr")}, {"high": ("de",), "low": None}, {"high": None, "low": None}):
        rows = read_table(replace(CONFIG, **lists), [done]).rows.to_dict("records")
        assert {row["tier"] for row in rows} == {"low"}


def test_plots_of_any_names_have_files_of_their_own(tmp_path: Path) -> None:
    names = ("late MiniLM", "late-MiniLM", "Late_minilm", "学生", "हिंदी", "late?MiniLM")
    runs = []
    for name in names:
        done = run(tmp_path / name, "large", "MSE", {"de": 0.6, "so": 0.5})
        runs.append(replace(done, run=replace(done.run, teacher=TeacherSpec(name, name))))
    found = [name for name, _ in figures(read_table(CONFIG, runs)) if "parameters" in name]
    assert found == [
        "late-minilm-c-500-parameters", "late-minilm-c-500-parameters-2", "late_minilm-c-500-parameters",
        "学生-c-500-parameters", "हिंदी-c-500-parameters", "late-minilm-c-500-parameters-3",
    ]  # fmt: skip


def test_systems_that_ran_have_colours_of_their_own_however_many_others_the_study_names(tmp_path: Path) -> None:
    others = {f"other {number}": SystemSpec(f"other {number}") for number in range(6)}
    config = replace(CONFIG, systems={"MSE": SYSTEMS["MSE"], **others, "transport": SYSTEMS["transport"]})
    runs = [run(tmp_path, "large", system, {"de": 0.6, "so": 0.5}) for system in ("MSE", "transport")]
    plots = [figure for _, figure in figures(read_table(config, runs))]
    assert plots
    for figure in plots:
        handles, told = figure.axes[0].get_legend_handles_labels()
        assert set(told) == {"MSE", "transport"}
        assert len({handle.lines[0].get_color() for handle in handles}) == 2
