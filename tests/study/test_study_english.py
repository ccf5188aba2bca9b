"""Systems that learn from English query texts, or from documents without bitext: what the file says, which runs they make."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from optical_hf.cli.study import print_grid
from optical_hf.study import StudyConfig, folders_of, launch_runs, runs_of
from optical_hf.study.config.data_specs import DocumentsSpec
from optical_hf.study.config.grid import RunConfig
from optical_hf.study.run import running

Written = Callable[[dict], StudyConfig]
CONTRASTIVE = {"alignment": "contrastive", "fit": {"regularisation": 1e-3, "steps": 10}}
ALONE = CONTRASTIVE | {"documents": "searched", "no_bitext": True}


@pytest.fixture
def values(study_values: dict, tmp_path: Path) -> dict:
    """Bitext alone, with queries, and documents without bitext."""
    (tmp_path / "queries.txt").write_text("\n".join(f"who sees {number} red balls" for number in range(7)))
    return study_values | {
        "query_texts": {"log": str(tmp_path / "queries.txt")},
        "systems": {
            "bitext": CONTRASTIVE,
            "asked": CONTRASTIVE | {"query_texts": "log"},
            "alone": ALONE | {"query_texts": "log"},
        },
        "baselines": [],
        "sizes": [6, 12],
        "grid": {"students": ["short"]},
    }


def test_a_system_without_bitext_is_one_run_for_all_sizes_and_old_runs_keep_their_names(
    values: dict, loaded: Written
) -> None:
    config = loaded(values)
    assert config.query_texts["log"] == DocumentsSpec("log", (str(config.query_texts["log"].files[0]),))
    runs = [entry.run for entry in folders_of(config, runs_of(config))]
    named = [(run.system.name, run.size, bool(run.bitext), run.query_texts is not None) for run in runs]
    assert [one for one in named if one[0] == "alone"] == [("alone", None, False, True)]
    assert [one for one in named if one[0] == "asked"] == [("asked", 6, True, True), ("asked", 12, True, True)]
    (alone,) = [run for run in runs if run.system.name == "alone"]
    assert "no bitext" in alone.label
    assert RunConfig.from_dict(json.loads(json.dumps(alone.to_dict()))) == alone
    assert replace(alone, seed=1).key != alone.key
    plain = runs[0].to_dict()
    del plain["query_texts"], plain["system"]["query_texts"], plain["system"]["no_bitext"]
    assert RunConfig.from_dict(plain).key == runs[0].key
    asked = next(run for run in runs if run.system.name == "asked")
    assert replace(asked, contents=asked.contents | {"query_texts": "other"}).key != asked.key


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"systems": {"one": CONTRASTIVE | {"query_texts": "logs"}}}, "query_texts: 'logs' is not defined; known are log"),
        ({"query_texts": {"x": None}}, "query_texts: x: files is missing"),
        ({"systems": {"one": {"alignment": "transport", "query_texts": "log"}}}, "query_texts: log is for students that"),
        ({"systems": {"one": CONTRASTIVE | {"no_bitext": True}}}, "no_bitext is for students that learn from documents"),
        ({"bitext": {}}, "bitext: expected at least one language"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(values: dict, loaded: Written, change: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        loaded(values | change)


@pytest.mark.slow
@pytest.mark.usefixtures("counted", "in_process")
def test_students_learn_from_queries_and_without_bitext(
    values: dict, loaded: Written, capsys: pytest.CaptureFixture
) -> None:
    steps = ALONE | {"losses": "contrastive", "query_texts": "log"}
    values |= {"sizes": [12], "bitext": {}, "systems": {"alone": values["systems"]["alone"], "steps": steps}}
    del steps["fit"]
    config = loaded(values)
    entries = folders_of(config, runs_of(config))
    list(launch_runs(config, entries))
    assert [entry.error for entry in entries] == [""] * len(entries)
    found = [json.loads((entry.folder / running.RESULT).read_text(encoding="utf-8")) for entry in entries]
    for result in found[:2]:
        assert (result["pairs"], result["query_texts"]) == ({}, 7)
        assert result["documents"] > 9
    assert (found[0]["steps"], found[1]["steps"]) == (0, 2)
    print_grid(config, entries)
    assert "0 pairs of bitext" in " ".join(capsys.readouterr().out.split())


@pytest.mark.slow
@pytest.mark.usefixtures("counted", "in_process")
def test_queries_beside_bitext(values: dict, loaded: Written) -> None:
    values |= {"sizes": [12], "systems": {"asked": values["systems"]["asked"]}}
    config = loaded(values)
    entries = folders_of(config, runs_of(config))
    list(launch_runs(config, entries))
    assert [entry.error for entry in entries] == [""] * len(entries)
    result = json.loads((entries[0].folder / running.RESULT).read_text(encoding="utf-8"))
    assert (result["pairs"], result["query_texts"], result["documents"]) == (
        dict.fromkeys(("de", "so", "mr"), 12),
        7,
        0,
    )
