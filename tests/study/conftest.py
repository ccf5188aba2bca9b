"""A tiny study on disk: random teacher and student, scenes as bitext and as a collection."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
import tiny_pairs
import yaml

from optical_hf.models.tiny import tiny_encoder
from optical_hf.scenes import scenes_bitext
from optical_hf.study import StudyConfig, load_study
from optical_hf.study.run import launching, run_cost, running
from optical_hf.study.run.launching import RunFolder

LANGUAGES = ("de", "so", "mr")
# To choose the penalty takes as long as the rest of a run.
RIDGE = {"alignment": "ridge", "fit": {"regularisation": 1e-3}}


@pytest.fixture(scope="session")
def ingredients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a teacher, a student's backbone, bitext and test lines."""
    folder = tmp_path_factory.mktemp("ingredients")
    tiny_pairs.teacher(width=16).save_pretrained(str(folder / "teacher"))
    pairs = tiny_pairs.bitext()
    tiny_encoder(pairs["target"], width=16, layers=3, vocabulary_size=300, seed=1).save_pretrained(
        str(folder / "student")
    )
    test = scenes_bitext(dict.fromkeys(LANGUAGES, 12), seed=7)
    for code in LANGUAGES:
        rows = [row for row in pairs if row["language"] == code]
        lines = [f"{row['target']}\t{row['source']}" for row in rows]
        (folder / f"{code}-en.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        asked = [row for row in test if row["language"] == code]
        lines = [f"{row['target']}\t{row['source']}" for row in asked]
        (folder / f"test.{code}-en.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def study_values(ingredients: Path, tmp_path: Path) -> dict:
    """What the YAML file of a tiny study says; a test changes it and writes it with `write`."""
    tests = {code: str(ingredients / f"test.{code}-en.tsv") for code in LANGUAGES}
    return {
        "name": "tiny",
        "output": str(tmp_path / "out"),
        "teachers": {"T": {"path": str(ingredients / "teacher")}},
        "students": {
            "short": {"path": str(ingredients / "student"), "layers": 1},
            "whole": {"path": str(ingredients / "student")},
        },
        "systems": {"ridge": RIDGE, "MSE": {"alignment": "ridge", "losses": "pooled_mse"}},
        "budgets": {"2 steps": {"steps": 2, "batch": 8, "learning_rate": 1e-3}},
        "bitext": {code: str(ingredients / f"{code}-en.tsv") for code in LANGUAGES},
        "sizes": [12],
        "collections": {"scenes": {"kind": "bitext", "queries": tests}},
        "high": ["de"],
        "low": ["so", "mr"],
        "baselines": ["ridge"],
        "rounds": 50,
        "own_index": False,
    }


@pytest.fixture
def write() -> Callable[[dict, Path], Path]:
    """Write what a study file says, and return where."""

    def written(values: dict, folder: Path) -> Path:
        path = folder / "study.yaml"
        path.write_text(yaml.safe_dump(values, allow_unicode=True, sort_keys=False), encoding="utf-8")
        return path

    return written


@pytest.fixture
def loaded(tmp_path: Path, write: Callable[[dict, Path], Path]) -> Callable[[dict], StudyConfig]:
    return lambda values: load_study(write(values, tmp_path))


@pytest.fixture
def counted() -> None:
    """For a test that looks at the operations of runs: `in_process` counts none else, as that takes a fifth of a tiny run."""


class NoOperations(nullcontext):
    def get_total_flops(self) -> float:
        return 1.0


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> list[str]:
    """Do runs in this process; the list gets the label of each."""
    if "counted" not in request.fixturenames:
        monkeypatch.setattr(run_cost, "flop_counter", NoOperations)
    started: list[str] = []

    class Over:
        pid, returncode, stdin = 0, 0, None

        def poll(self) -> int:
            return 0

        def wait(self, timeout: float) -> int:
            return 0

    def start(config: StudyConfig, entries: list[RunFolder]) -> Over:
        started.extend(entry.run.label for entry in entries)
        running.main(launching.running_arguments(config, entries))
        return Over()

    monkeypatch.setattr(launching, "_start", start)
    monkeypatch.setattr(running, "_log_into", lambda folder: None)
    return started
