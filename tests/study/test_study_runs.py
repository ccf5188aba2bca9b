"""A study on disk: what is done is not done again, what fails is kept and shown, and what lies there in the end."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load, load_file

from optical_hf.evaluation import RetrievalReport
from optical_hf.study import StudyConfig, folders_of, launch_runs, runs_of
from optical_hf.study.report import study_report
from optical_hf.study.report.runs_table import SCHEMA
from optical_hf.study.report.study_report import write_study
from optical_hf.study.run import running
from optical_hf.study.run.run_data import pairs_by_language, read_bitext, sample_bitext

pytestmark = pytest.mark.slow

Written = Callable[[dict], StudyConfig]
CHOOSES = {"alignment": "ridge"}  # its penalty, as a run with losses does


@pytest.mark.usefixtures("counted")
def test_a_study_from_its_file_to_its_report(study_values: dict, loaded: Written, in_process: list[str]) -> None:
    study_values["students"]["absent"] = {"path": "/no/such/folder"}
    study_values["systems"]["ridge"] = CHOOSES
    study_values["students"]["random"] = {
        "path": study_values["students"]["whole"]["path"],
        "random": {"hidden_size": 24, "num_hidden_layers": 1, "intermediate_size": 48},
    }
    study_values["grid"] = [
        {"students": ["absent", "short", "whole"], "systems": ["ridge"]},
        {"students": ["short", "random"], "systems": ["MSE"]},
    ]
    config = loaded(study_values)
    entries = folders_of(config, runs_of(config))
    done = list(launch_runs(config, entries))
    assert [entry.status for entry in entries] == ["failed", "done", "done", "done", "done"]
    assert [status for _, status in done] == ["open", "failed", *["open", "done"] * 4]
    assert entries[0].error.startswith("ValueError: no student at '/no/such/folder'")

    page = write_study(config, entries)
    output = Path(config.output)
    table = pq.read_table(output / "runs.parquet")
    assert table.schema.equals(SCHEMA)
    rows = table.to_pylist()
    failed = [row for row in rows if row["status"] == "failed"]
    assert len(failed) == 1
    assert failed[0]["error"] == entries[0].error
    recalls = [row for row in rows if row["metric"] == "R@1"]
    assert {(row["student"], row["system"], row["language"]) for row in recalls} == {
        (student, system, code)
        for student, system in (("short", "ridge"), ("whole", "ridge"), ("short", "MSE"), ("random", "MSE"))
        for code in ("de", "so", "mr")
    }
    for row in recalls:
        assert 0 <= row["low"] <= row["value"] <= row["high"] <= 1
        assert row["queries"] == 12
        assert row["language_pairs"] == 12
        assert row["resource_group"] == ("high" if row["language"] == "de" else "low")
        assert row["steps"] == (2 if row["system"] == "MSE" else 0)
        assert row["flops"] > 0
        assert row["seconds"] > 0
        assert row["peak_memory_bytes"] > 2**20
        assert json.loads(row["versions"])["torch"]
        assert json.loads(row["config"])["seed"] == row["seed"]
    by_student = {row["student"]: row for row in recalls}
    assert by_student["whole"]["backbone_parameters"] > by_student["short"]["backbone_parameters"]
    gaps = {row["metric"]: row for row in rows if row["student"] == "whole" and row["language"] is None}
    low = [row["value"] for row in recalls if row["student"] == "whole" and row["resource_group"] == "low"]
    assert gaps["R@1 low group"]["value"] == pytest.approx(sum(low) / 2)
    assert gaps["R@1 gap"]["value"] == pytest.approx(gaps["R@1 high group"]["value"] - sum(low) / 2)

    html, markdown = page.read_text(encoding="utf-8"), (output / "report.md").read_text(encoding="utf-8")
    pictures = sorted(path.name for path in (output / "plots").glob("*.svg"))
    assert "t-scenes-12-parameters.svg" in pictures
    assert "t-scenes-12-flops.svg" in pictures
    assert "t-whole-pairs.svg" in pictures
    assert html.count("<svg") == len(pictures)
    for text in (html, markdown):
        assert "the gap on scenes changed by" in text
        assert "MSE against ridge" in text
        assert "/no/such/folder" in text

    before = list(in_process)
    list(launch_runs(config, entries))
    assert in_process[len(before) :] == [entries[0].run.label]  # the failed one alone is tried again


@pytest.mark.usefixtures("counted")
def test_runs_that_start_from_one_closed_form_fit_it_once(
    study_values: dict, loaded: Written, in_process: list[str]
) -> None:
    study_values["systems"]["ridge"] = CHOOSES
    study_values["grid"] = {"students": ["short"]}
    config = loaded(study_values)
    entries = folders_of(config, runs_of(config))
    list(launch_runs(config, entries))
    assert len(list(Path(config.output).glob("kept/*/closed_forms/*.safetensors"))) == 1
    costs = [json.loads((entry.folder / running.RESULT).read_text(encoding="utf-8"))["flops"] for entry in entries]
    assert costs[0]["fit"] == costs[1]["fit"] > 0
    assert {"fit"} == costs[0].keys()
    assert costs[1]["train"] > 0


@pytest.mark.usefixtures("counted")
def test_equal_operations_give_the_smaller_student_more_steps(
    study_values: dict, loaded: Written, in_process: list[str]
) -> None:
    study_values["budgets"] = {"dear": {"flops": 2e8, "batch": 8}, "nothing": {"flops": 1e3, "batch": 8}}
    study_values["grid"] = [
        {"systems": ["MSE"], "budgets": ["dear"]},
        {"systems": ["MSE"], "budgets": ["nothing"], "students": ["short"]},
    ]
    config = loaded(study_values)
    entries = folders_of(config, runs_of(config))
    list(launch_runs(config, entries))
    results = [json.loads((entry.folder / running.RESULT).read_text(encoding="utf-8")) for entry in entries[:2]]
    assert results[0]["steps"] > results[1]["steps"] >= 1
    for result in results:
        assert 1.4e8 < sum(result["flops"].values()) <= 2e8
    assert "pays for no step" in entries[2].error


def test_a_killed_study_goes_on_where_it_was(study_values: dict, loaded: Written, in_process: list[str]) -> None:
    study_values["grid"] = {"systems": ["ridge"]}
    config = loaded(study_values)
    first, second = folders_of(config, runs_of(config))
    running_through = launch_runs(config, [first, second])
    next(running_through), next(running_through)
    running_through.close()  # the study ends after its first run
    (second.folder / "report-00.json").parent.mkdir(parents=True)
    (second.folder / "report-00.json").write_text("{", encoding="utf-8")  # what a killed run may leave
    assert (first.status, second.status) == ("done", "open")
    list(launch_runs(config, [first, second]))
    assert in_process == [first.run.label, second.run.label]
    assert second.status == "done"


def test_a_damaged_file_of_a_finished_run_is_named_and_the_run_done_again(
    study_values: dict, loaded: Written, in_process: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_report, "figures", lambda table: [])
    study_values["grid"] = {"systems": ["ridge"]}
    config = loaded(study_values)
    entries = folders_of(config, runs_of(config))
    list(launch_runs(config, entries))
    first = entries[0].folder
    (first / "result.json").rename(first / "kept")
    assert [entry.status for entry in entries] == ["open", "done"]
    (first / "kept").rename(first / "result.json")
    for name in ("result.json", "report-00.json"):
        content = (first / name).read_bytes()
        for damaged in (content[: len(content) // 2], bytes(len(content))):
            (first / name).write_bytes(damaged)
            assert [entry.status for entry in entries] == ["failed", "done"]
            assert str(first / name) in entries[0].error
        (first / name).write_bytes(content)
    (first / "report-00.json").unlink()
    assert entries[0].error.endswith("start the study again, which does this run again")
    assert entries[0].error in write_study(config, entries).read_text(encoding="utf-8").replace("&#39;", "'")
    in_process.clear()
    list(launch_runs(config, entries))
    assert in_process == [entries[0].run.label]
    assert [entry.status for entry in entries] == ["done", "done"]


@pytest.mark.parametrize("damage", ["cut", "zeroed"])
def test_a_damaged_closed_form_is_fitted_again(
    damage: str, study_values: dict, loaded: Written, in_process: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    study_values["systems"]["ridge"] = CHOOSES
    study_values["grid"] = {"students": ["short"]}
    config = loaded(study_values)
    entries = folders_of(config, runs_of(config))
    list(launch_runs(config, entries[:1]))
    (kept,) = Path(config.output).glob("kept/*/closed_forms/*.safetensors")
    content = kept.read_bytes()
    kept.write_bytes(content[:-100] if damage == "cut" else content[:-100] + bytes(100))
    list(launch_runs(config, entries[1:]))
    assert entries[1].status == "done", entries[1].error
    assert f"'{kept}' is damaged" in caplog.text
    again, first = load_file(kept), load(content)  # a run with gradient steps reads tokens that were not rounded
    for name, weight in again.items():
        torch.testing.assert_close(weight, first[name], rtol=0, atol=5e-3)


def test_a_larger_sample_holds_a_smaller_one(study_values: dict, loaded: Written) -> None:
    rows = read_bitext(loaded(study_values).bitext)
    small, large = (sample_bitext(rows, size, seed=3) for size in (5, 9))
    assert pairs_by_language(small) == {"de": 5, "mr": 5, "so": 5}
    assert set(small["target"][:]) <= set(large["target"][:])
    assert sample_bitext(rows, 5, seed=4)["target"][:] != small["target"][:]


def test_documents_are_kept_longer_or_shorter_than_what_is_learnt_from(
    study_values: dict, loaded: Written, in_process: list[str]
) -> None:
    whole = study_values["collections"]["scenes"]
    study_values["max_seq_length"] = 48
    study_values["collections"] |= {"longer": whole | {"document_length": 64}, "cut": whole | {"document_length": 3}}
    study_values["grid"] = {"students": ["whole"], "systems": ["ridge"]}
    config = loaded(study_values)
    entries = folders_of(config, runs_of(config))
    assert [status for _, status in launch_runs(config, entries)] == ["open", "done"]
    found = {
        name: RetrievalReport.from_json(entries[0].folder / f"report-{number:02d}.json").systems["student"]
        for number, name in enumerate(study_values["collections"])
    }
    level = {
        name: [language.recall_at_1.value for language in system.languages.values()] for name, system in found.items()
    }
    assert level["longer"] == level["scenes"]  # no document is longer than 48, and queries are cut by the study's limit
    assert sum(level["cut"]) < sum(level["scenes"])
