"""The sentences of a study, from runs whose hits are known."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_runs import CONFIG, STUDENTS, SYSTEMS, run

from optical_hf.metrics.significance import holm
from optical_hf.study.config.study_config import SystemSpec, TeacherSpec
from optical_hf.study.report import study_tables as summary
from optical_hf.study.report.findings import size_sentences, system_sentences
from optical_hf.study.report.runs_table import read_table
from optical_hf.study.report.study_report import figures
from optical_hf.study.report.study_tests import size_tests, system_tests


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


@pytest.mark.parametrize(
    ("lists", "resource_groups"),
    [
        ({"high": ("de",), "low": ("so",)}, {"de": "high", "so": "low", "mr": "middle"}),
        ({"high": None, "low": ("so",)}, {"de": "high", "so": "low", "mr": "high"}),
        ({"high": ("de",), "low": None}, {"de": "high", "so": "low", "mr": "low"}),
        ({"high": ("de",), "low": None, "middle": ("mr",)}, {"de": "high", "so": "low", "mr": "middle"}),
        ({"high": None, "low": None}, {"de": "high", "so": "low", "mr": "low"}),
    ],
)
def test_groups_are_those_of_an_evaluation_and_stand_in_the_table(
    lists: dict, resource_groups: dict[str, str], tmp_path: Path
) -> None:
    config = replace(CONFIG, **lists)
    done = run(tmp_path, "large", "MSE", {"de": 0.9, "so": 0.3, "mr": 0.5})
    rows = read_table(config, [done]).rows.to_dict("records")
    assert {row["language"]: row["resource_group"] for row in rows if row.get("language")} == resource_groups
    levels = {"de": 0.9, "so": 0.3, "mr": 0.5}
    mean = {
        name: np.mean([levels[code] for code in levels if resource_groups[code] == name]) for name in ("high", "low")
    }
    (gap,) = (row["value"] for row in rows if row["metric"] == "R@1 gap")
    assert gap == pytest.approx(mean["high"] - mean["low"])


def test_languages_of_one_group_have_no_gap(tmp_path: Path) -> None:
    done = run(tmp_path, "large", "MSE", {"so": 0.3, "mr": 0.5})
    for lists in ({"high": None, "low": ("so", "mr")}, {"high": ("de",), "low": None}, {"high": None, "low": None}):
        rows = read_table(replace(CONFIG, **lists), [done]).rows.to_dict("records")
        assert {row["resource_group"] for row in rows} == {"low"}


@pytest.mark.slow
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
