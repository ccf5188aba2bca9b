"""Re-indexing in a study: one run for a checkpoint, which every student of it is measured against."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from made_runs import CONFIG, run
from sentence_transformers import SentenceTransformer

from optical_hf.evaluation import RetrievalReport, evaluate_retrieval
from optical_hf.evaluation.encode.encoding import Encoding
from optical_hf.evaluation.own_index import untrained_checkpoint
from optical_hf.models import Encoder, load_student, load_teacher, token_projection
from optical_hf.models.text_length import set_max_seq_length
from optical_hf.stores.vectors import VectorSet
from optical_hf.study import StudyConfig, folders_of, launch_runs, runs_of
from optical_hf.study.report.findings import recovery_sentences
from optical_hf.study.report.runs_table import read_table
from optical_hf.study.report.study_recovery import recoveries, recovery_tables
from optical_hf.study.report.study_report import describe, figures, write_report, write_study
from optical_hf.study.run import running
from optical_hf.study.run.run_data import read_collections

Written = Callable[[dict], StudyConfig]
SECONDS = 0.2  # more than all else of a reading takes


def test_one_run_for_a_teacher_and_a_checkpoint_whatever_the_seed_the_loss_and_the_layers(
    study_values: dict, loaded: Written
) -> None:
    study_values["own_index"] = True
    study_values["seeds"] = [0, 1]
    study_values["students"]["random"] = study_values["students"]["whole"] | {"random": {}}
    study_values["students"]["other"] = {"path": "/models/e5", "query_prompt": "query: "}
    study_values["collections"]["more"] = study_values["collections"]["scenes"]
    study_values["grid"] = [{"students": ["short", "whole", "random"], "collections": ["more"]}, {"systems": ["ridge"]}]
    runs = runs_of(loaded(study_values))
    own = [one for one in runs if one.own_index]
    assert runs[-2:] == own
    assert [one.label for one in own] == ["T / student / own_index", "T / e5 / own_index"]
    assert {(one.student.layers, one.budget, one.size, one.seed, *one.bitext) for one in own} == {(None, None, None, 0)}
    assert [[spec.name for spec in one.collections] for one in own] == [["scenes", "more"]] * 2
    assert [one.student.query_prompt for one in own] == [None, "query: "]
    assert len({one.key for one in runs}) == len(runs)
    study_values["systems"]["own_index"] = {"alignment": "ridge"}
    with pytest.raises(ValueError, match="own_index is re-indexing, which a study adds itself: rename yours"):
        loaded(study_values)


def test_recovery_is_the_share_of_re_indexing_by_group_with_an_interval_over_seeds(tmp_path: Path) -> None:
    runs = [run(tmp_path, "small", "MSE", {"de": 0.60, "so": 0.30}, seed) for seed in (0, 1, 2)]
    runs += [run(tmp_path, "large", "MSE", {"de": 0.80, "so": 0.50})]
    runs += [run(tmp_path, "backbone", "own_index", {"de": 0.80, "so": 0.40})]
    table = read_table(CONFIG, runs)
    found = {(test.condition.student, test.group): test for test in recoveries(table)}
    assert {key: test.level.ratio.value for key, test in found.items()} == pytest.approx(
        {("small", "high"): 0.75, ("small", "low"): 0.75, ("large", "high"): 1.0, ("large", "low"): 1.25}
    )
    assert found["large", "low"].over_seeds is None
    test = found["small", "low"]
    assert test.over_seeds.value == pytest.approx(0.75)
    for estimate in (test.level.ratio, test.over_seeds):
        assert 0.5 < estimate.low < 0.75 < estimate.high < 1
    sentences = list(recovery_sentences(list(found.values())))
    assert sentences[0].startswith("T, small: MSE (500 pairs a language, B) recovers 75.0 % [")
    assert "100.0 % [" in sentences[1]
    assert "of own_index on C in the high-resource group (no difference to it detected, p = 1.000)" in sentences[1]
    assert "of own_index on C in the low-resource group (above it, p < 0.001)" in sentences[1]
    (shown,) = recovery_tables(list(found.values()), CONFIG.rounds)
    assert shown.rows[0][:7] == ["T", "small", "MSE", "500 pairs a language, B", "high", "60.0", "80.0"]
    assert [row[8] == "–" for row in shown.rows] == [False, False, True, True]
    write_report(table, tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for part in ("own_index is re-indexing", "Recovery on C", "What share of re-indexing", "own_index, backbone"):
        assert part in page
    assert "No re-indexing" not in describe(table)


def test_next_to_nothing_has_no_share_and_other_code_is_not_compared(tmp_path: Path) -> None:
    student = run(tmp_path, "small", "MSE", {"de": 0.60, "so": 0.30})
    own = run(tmp_path, "backbone", "own_index", {"de": 0.80, "so": 0.04})
    shares = recoveries(read_table(CONFIG, [student, own]))
    assert [share.level.ratio is None for share in shares] == [False, True]
    assert "no share on C in the low-resource group (re-indexing finds 4.0 %)" in next(recovery_sentences(shares))
    table = read_table(
        CONFIG, [student, run(tmp_path / "b", "backbone", "own_index", {"de": 0.8, "so": 0.4}, code="b")]
    )
    assert recoveries(table) == []
    assert "No re-indexing of small: random weights, not run, or run by other code" in describe(table)
    elsewhere = run(tmp_path / "c", "backbone", "own_index", {"de": 0.8, "so": 0.4}, collections=("D",))
    table = read_table(CONFIG, [student, elsewhere])
    assert recoveries(table) == []
    assert "No re-indexing on C: not run there yet" in describe(table)


def test_it_stands_in_the_plots_as_a_line(tmp_path: Path) -> None:
    runs = [run(tmp_path, student, "MSE", {"de": 0.60, "so": 0.30}) for student in ("small", "large")]
    runs += [run(tmp_path, "backbone", "own_index", {"de": 0.80, "so": 0.40})]
    made = dict(figures(read_table(CONFIG, runs)))
    assert {"t-c-500-parameters", "t-small-pairs", "t-large-pairs"} <= made.keys()
    assert not any("backbone" in name for name in made)
    for name, figure in made.items():
        handles, told = figure.axes[1].get_legend_handles_labels()
        own = "own_index" if "pairs" in name else "own_index, backbone"
        assert sorted(told) == ["MSE", own]
        assert list(handles[told.index(own)].get_ydata()) == pytest.approx([40.0, 40.0])  # Somali


def whole_and_untrained(view: Encoder) -> bool:
    return len(view[0].model.encoder.layer) == 3 and token_projection(view) is None


@pytest.mark.slow
def test_a_checkpoint_is_read_once_whole_and_untrained(
    study_values: dict, loaded: Written, in_process: list[str], ingredients: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study_values |= {"own_index": True, "keep_students": True, "max_seq_length": 6}
    study_values["teachers"]["U"] = study_values["teachers"]["T"] | {"kind": "late_interaction", "search": "vector"}
    study_values["grid"] = [{"students": ["short"], "systems": ["ridge"]}, {"teachers": ["T"], "students": ["whole"]}]
    config = loaded(study_values)
    entries = folders_of(config, runs_of(config))
    read, encode = [], Encoding._encode

    def read_slowly(self: Encoding, view: Encoder, items: list, task: str) -> VectorSet:
        read.append((view, len(items)))
        time.sleep(SECONDS if whole_and_untrained(view) else 0)
        return encode(self, view, items, task)

    monkeypatch.setattr(Encoding, "_encode", read_slowly)
    list(launch_runs(config, entries))
    assert [entry.error for entry in entries] == [""] * len(entries)
    own = [entry for entry in entries if entry.run.own_index]
    assert [entry.run.label for entry in own] == ["T / student / own_index", "U / student / own_index"]
    mine = [count for view, count in read if whole_and_untrained(view)]
    assert sum(mine) == 36 + 12  # queries of three languages, and their documents, which are the same
    results = [json.loads((entry.folder / running.RESULT).read_text()) for entry in own]
    assert results[0]["parameters"] == sum(
        p.numel() for p in SentenceTransformer(str(ingredients / "student")).parameters()
    )
    assert [list(result["seconds"]) for result in results] == [["evaluate", "total"]] * 2
    assert all(result["seconds"]["evaluate"] >= SECONDS * len(mine) for result in results)  # the second as if alone
    assert not (own[0].folder / "student").exists()

    checkpoint = load_teacher(ingredients / "student")
    set_max_seq_length(checkpoint, 6)
    (entry,) = read_collections(list(config.collections.values()))
    expected = evaluate_retrieval(
        None, None, entry.parts, systems=("own_index",), untrained=checkpoint, progress=False, rounds=50
    )
    for one in own:
        report = RetrievalReport.from_json(one.folder / "report-00.json")
        assert report.systems["own_index"].ranks.tolist() == expected.systems["own_index"].ranks.tolist()

    rows = read_table(config, entries)
    assert {share.condition.teacher for share in recoveries(rows)} == {"T", "U"}
    assert "own_index" in write_study(config, entries).read_text(encoding="utf-8")

    short = next(entry.folder for entry in entries if entry.run.student.name == "short")
    teacher = load_teacher(ingredients / "teacher")
    saved = load_student(short / "student", teacher)
    assert untrained_checkpoint(None, saved) == str(ingredients / "student")  # and not what was cut from it

    study_values["students"] = {"saved": {"path": str(short / "student")}, "bare": {"path": str(short / "bare")}}
    (short / "student").joinpath("README.md").rename(short / "README.md")
    (short / "student").rename(short / "bare")
    study_values |= {"own_index": True, "grid": {"teachers": ["T"], "students": ["bare"], "systems": ["ridge"]}}
    config = loaded(study_values)
    *_, last = folders_of(config, runs_of(config))
    list(launch_runs(config, [last]))
    assert "is a trained student, and its card names no base_model" in last.error
