"""The teacher behind dictionaries that a study learns from the bitext of each run."""

from collections.abc import Callable
from pathlib import Path

import pytest

from optical_hf.study import StudyConfig
from optical_hf.study.config.grid import NO_STUDENT, runs_of
from optical_hf.study.report.runs_table import read_table
from optical_hf.study.report.study_report import bitext_points, write_study
from optical_hf.study.run.launching import folders_of, launch_runs

pytestmark = pytest.mark.slow

Written = Callable[[dict], StudyConfig]


@pytest.fixture
def values(study_values: dict) -> dict:
    study_values["systems"] |= {
        "dictionary": {"reads": "translation", "translator": "dictionary"},
        "teacher on English": {"reads": "english"},
    }
    study_values |= {"sizes": [4, 12], "seeds": [0, 1], "baselines": ["dictionary", "ridge"]}
    return study_values


def test_a_dictionary_is_learnt_for_each_size_and_seed_and_for_no_student_or_budget(
    values: dict, loaded: Written
) -> None:
    values["grid"] = {"systems": ["dictionary", "teacher on English"]}
    runs = runs_of(loaded(values))
    assert [(run.system.name, run.size, run.seed) for run in runs if run.student is None] == [
        ("dictionary", 4, 0), ("teacher on English", None, 0), ("dictionary", 12, 0), ("dictionary", 4, 1), ("dictionary", 12, 1),
    ]  # fmt: skip
    assert {run.budget for run in runs} == {None}
    assert [bool(run.bitext) for run in runs] == [True, False, True, True, True]
    assert runs[0].label == "T / (teacher) / dictionary / 4 pairs a language / seed 0"


def test_students_are_tested_against_the_dictionary_of_their_bitext(
    values: dict, loaded: Written, in_process: list[str]
) -> None:
    del values["bitext"]["mr"]  # its queries stay as they are
    values["grid"] = [
        {"systems": ["dictionary"], "seeds": [0]},
        {"students": ["short"], "systems": ["MSE"], "seeds": [0]},
    ]
    config = loaded(values)
    entries = folders_of(config, runs_of(config))
    list(launch_runs(config, entries))
    assert [entry.error for entry in entries if entry.status != "done"] == []
    table = read_table(config, entries)
    runs = table.runs.set_index(["system", "size"])
    assert runs.loc[("dictionary", 4), "pairs"] == 8  # of German and of Somali
    assert runs.loc[("dictionary", 4), "parameters"] == 0
    assert runs.loc[("dictionary", 12), "seconds_fit"] > 0
    assert "nltk" in runs.loc[("dictionary", 12), "versions"]
    languages = table.rows.dropna(subset=["language"]).groupby("run")["language"]
    assert [set(found) for _, found in languages] == [{"de", "so", "mr"}] * 4
    points = bitext_points(table, "T", "short")
    assert {(point.system, point.language) for point in points} == {
        (system, code) for system in ("dictionary", "MSE") for code in ("de", "so", "mr")
    }
    write_study(config, entries)
    report = (Path(config.output) / "report.md").read_text(encoding="utf-8")
    assert report.count("MSE against dictionary") >= 2
    assert NO_STUDENT in report
