"""A study file: what is read from it, and what is said where it is wrong."""

from pathlib import Path

import pytest
import yaml

from optical_hf.study import load_study, runs_of
from optical_hf.study.config.grid import NO_STUDENT, RunConfig

VALUES = {
    "name": "demo",
    "output": "runs/demo",
    "teachers": {"T": {"path": "teacher"}},
    "students": {"small": {"path": "student", "layers": 3}, "large": {"path": "student"}},
    "systems": {
        "untrained": {},
        "ridge": {"alignment": "ridge"},
        "MSE": {"alignment": "ridge", "losses": "pooled_mse"},
        "ceiling": {"reads": "english"},
    },
    "budgets": {"short": {"steps": 10, "learning_rate": "1e-3"}, "dear": {"flops": "1e12"}},
    "bitext": {"mar": "mar-eng.tsv"},
    "collections": {"C": {"kind": "bitext", "queries": {"mr": "test.mar-eng.tsv"}}},
    "sizes": [500, 2000],
    "seeds": [0, 1, 2],
    "own_index": False,
}


def written(folder: Path, values: object) -> Path:
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    return path


def test_a_file_is_read_with_its_types(tmp_path: Path) -> None:
    config = load_study(written(tmp_path, VALUES))
    assert config.budgets["short"].learning_rate == 1e-3  # YAML 1.1 reads 1e-3 as text
    assert config.budgets["dear"].flops == 1e12
    assert config.bitext == {"mr": ("mar-eng.tsv",)}
    assert config.sizes == (500, 2000)
    assert config.students["small"].name == "small"


def test_what_does_not_matter_to_a_run_makes_no_other_run(tmp_path: Path) -> None:
    runs = runs_of(load_study(written(tmp_path, VALUES | {"own_index": True})))
    found = {}
    for run in runs:
        found.setdefault(run.system.name, []).append(run)
    counts = {name: len(listed) for name, listed in found.items()}
    # 2 students x 2 sizes x 3 seeds = 12; untrained has neither size nor seed, the ceiling no student, MSE two budgets
    assert counts == {"untrained": 2, "ridge": 12, "MSE": 24, "ceiling": 1, "own_index": 1}
    assert all(run.budget is None for run in found["ridge"])
    assert found["ceiling"][0].student is None
    assert NO_STUDENT in found["ceiling"][0].label
    assert len({run.key for run in runs}) == len(runs)


def test_a_grid_names_what_is_combined(tmp_path: Path) -> None:
    grids = [
        {"systems": ["ridge"], "sizes": [500], "seeds": [0]},
        {"systems": ["MSE"], "students": ["small"], "budgets": ["short"], "sizes": [500]},
        {"systems": ["ridge"], "sizes": [500], "seeds": [0], "students": ["small"]},  # again: no further run
    ]
    runs = runs_of(load_study(written(tmp_path, VALUES | {"grid": grids})))
    assert [run.label for run in runs] == [
        "T / small / ridge / 500 pairs a language / seed 0",
        "T / large / ridge / 500 pairs a language / seed 0",
        *(f"T / small / MSE / 500 pairs a language / short / seed {seed}" for seed in (0, 1, 2)),
    ]


def test_a_name_for_display_does_not_change_a_run_and_its_content_does(tmp_path: Path) -> None:
    first = runs_of(load_study(written(tmp_path, VALUES)))
    renamed = VALUES | {"teachers": {"another name": {"path": "teacher"}}}
    assert [run.key for run in runs_of(load_study(written(tmp_path, renamed)))] == [run.key for run in first]
    moved = VALUES | {"teachers": {"T": {"path": "teacher2"}}}
    assert not {run.key for run in first} & {run.key for run in runs_of(load_study(written(tmp_path, moved)))}


def test_an_option_of_value_nothing_is_not_an_option_left_out(tmp_path: Path) -> None:
    systems = [{"alignment": "ridge"}, {"alignment": "ridge", "fit": {"pooled_weight": 0}}]
    keys = {
        runs_of(load_study(written(tmp_path, VALUES | {"systems": {"S": system}})))[0].key
        for system in [*systems, {"alignment": "ridge", "fit": {"special_tokens": False}}]
    }
    assert len(keys) == 3


def test_a_run_is_read_back_from_its_json(tmp_path: Path) -> None:
    for run in runs_of(load_study(written(tmp_path, VALUES))):
        assert RunConfig.from_dict(yaml.safe_load(yaml.safe_dump(run.to_dict()))) == run


def test_names_are_filled_in_from_the_command_line_the_environment_and_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("from_environment", "E")
    values = VALUES | {
        "variables": {"from_file": "F", "from_environment": "-", "given": "-"},
        "teachers": {"T": {"path": "${from_file}/${from_environment}/${given}"}},
    }
    config = load_study(written(tmp_path, values), {"given": "G"})
    assert config.teachers["T"].path == "F/E/G"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"studets": {}}, r"unknown key 'studets'; did you mean 'students'\?"),
        ({"teachers": {"T": {"paht": "x"}}}, r"teachers: T: unknown key 'paht'; did you mean 'path'\?"),
        ({"teachers": {"T": {}}}, "teachers: T: path is missing"),
        (
            {"teachers": {"T": {"path": "x", "kind": "dense"}}},
            "kind: expected one of vector, late_interaction, got 'dense'",
        ),
        ({"teachers": None}, "teachers: expected 'key: value' lines, got None"),
        ({"teachers": {}}, "teachers: expected at least 1"),
        ({"students": {"S": {"path": "x", "layers": "six"}}}, "layers: expected a whole number, got 'six'"),
        ({"students": {"S": {"path": "x", "layers": 0}}}, "layers: expected greater than 0, got 0"),
        ({"students": {"S": {"path": "x", "mixed_layers": []}}}, "mixed_layers is empty"),
        ({"students": {"S": {"path": "x", "layers": 2, "mixed_layers": [1, 3]}}}, "names layer 3, but layers keeps 2"),
        ({"students": {"S": {"path": "x", "trim": 1}}}, "trim: expected true or false, got 1"),
        ({"systems": {"X": {"losses": "pooled_mes"}}}, "systems: X: unknown loss 'pooled_mes'"),
        ({"systems": {"X": {"reads": "english", "alignment": "ridge"}}}, "read by the teacher"),
        ({"systems": {"X": {"translator": "opus"}}}, "a translator belongs to reads: translation"),
        ({"systems": {"X": {"alignment": "ridge", "arguments": {"fp16": True}}}}, "arguments are those of gradient"),
        ({"systems": {"X": {"losses": "contrastive", "arguments": {"lr": 1}}}}, "'lr' is no training argument"),
        ({"systems": {"X": {"losses": "contrastive", "arguments": {"seed": 1}}}}, "'seed' is set by the study"),
        ({"budgets": {"B": {"steps": 1, "flops": 1e9}}}, "expected either steps or flops"),
        ({"budgets": {"B": {"steps": 0}}}, "steps: expected greater than 0, got 0"),
        ({"budgets": None}, "budgets: expected at least one, as some systems take gradient steps"),
        ({"bitext": {"martian": "x.tsv"}}, "bitext: .*martian"),
        ({"collections": {"C": {"kind": "bitext", "queries": {}}}}, "queries: expected at least 1"),
        ({"collections": {"C": {"kind": "lines", "queries": {"mr": "x"}}}}, "kind lines needs documents"),
        ({"grid": {"students": ["huge"]}}, "grid: 1: students: 'huge' is not defined; known are small, large"),
        ({"baselines": ["msee"]}, "baselines: 'msee' is not defined"),
        ({"high": ["mr"], "low": ["mar"]}, "mr in two of high, low and middle"),
        ({"sizes": [0]}, "sizes: 1: expected greater than 0, got 0"),
        ({"bitext": {"mr": 3}}, "bitext: mr: expected a list, got 3"),
        ({"bitext": {"mr": ["a", 3]}}, "bitext: mr: 2: expected text or a list, got 3"),
        ({"bitext": {"mr": "a", "mar": "b"}}, "name the language 'mr' twice"),
        ({"output": "${nowhere_at_all}"}, "nothing defines 'nowhere_at_all'"),
        ({"output": "5 $ and more"}, "lone"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, change: dict, told: str) -> None:
    path = written(tmp_path, VALUES | change)
    with pytest.raises(ValueError, match=told) as caught:
        load_study(path)
    assert str(caught.value).startswith(str(path))


def test_a_file_that_is_no_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no file"):
        load_study(tmp_path / "absent.yaml")
    with pytest.raises(ValueError, match="--set output changes nothing"):
        load_study(written(tmp_path, VALUES), {"output": "elsewhere"})
    with pytest.raises(ValueError, match="expected 'key: value' lines, got list"):
        load_study(written(tmp_path, ["a"]))
    (tmp_path / "broken.yaml").write_text("a: [", encoding="utf-8")
    with pytest.raises(ValueError, match="not readable as YAML"):
        load_study(tmp_path / "broken.yaml")
