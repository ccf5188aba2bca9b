"""A run is known by what it reads and not by where that lies, and no run begins from what other code made."""

import gzip
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from optical_hf.cli.app import app
from optical_hf.models.tiny import tiny_encoder
from optical_hf.study import StudyConfig, folders_of, launch_runs, runs_of
from optical_hf.study.run import contents, running
from optical_hf.study.run import run_cost as accounting
from optical_hf.study.run.run_cost import CODE, versions

pytestmark = pytest.mark.slow

Written = Callable[[dict], StudyConfig]


@pytest.fixture
def here(ingredients: Path, study_values: dict, tmp_path: Path) -> Path:
    """The ingredients in a folder of the test's own, which the study's file names."""
    folder = tmp_path / "here"
    shutil.copytree(ingredients, folder)
    point_to(study_values, str(ingredients), str(folder))
    study_values["grid"] = {"systems": ["ridge"], "students": ["short"]}
    return folder


def point_to(values: dict, old: str, new: str) -> None:
    text = yaml.safe_dump(values)
    values.clear()
    values.update(yaml.safe_load(text.replace(old, new)))


def names(config: StudyConfig) -> list[str]:
    return [entry.folder.name for entry in folders_of(config, runs_of(config))]


def test_a_run_keeps_its_name_however_its_files_are_written_and_wherever_they_lie(
    here: Path, study_values: dict, loaded: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = names(loaded(study_values))
    monkeypatch.chdir(tmp_path)
    for other in ("here", "./here", "../" + tmp_path.name + "/here"):
        changed = yaml.safe_load(yaml.safe_dump(study_values).replace(str(here), other))
        assert names(loaded(changed)) == first
    here.rename(tmp_path / "there")
    point_to(study_values, str(here), str(tmp_path / "there"))
    assert names(loaded(study_values)) == first
    plain = tmp_path / "there" / "so-en.tsv"
    plain.with_name("so-en.tsv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    point_to(study_values, "/so-en.tsv", "/so-en.tsv.gz")
    study_values["collections"]["scenes"]["queries"]["so"] = str(tmp_path / "there" / "test.so-en.tsv")
    assert names(loaded(study_values)) == first


def change_a_row(here: Path, name: str) -> None:
    path = here / name
    path.write_text(path.read_text(encoding="utf-8").replace("\t", " x\t", 1), encoding="utf-8")


def train_again(here: Path, name: str) -> None:
    tiny_encoder(["a dog", "a house"], width=16, layers=3, vocabulary_size=300, seed=5).save_pretrained(
        str(here / name)
    )


def test_a_run_of_other_contents_is_another_run(
    here: Path, study_values: dict, loaded: Written, in_process: list[str]
) -> None:
    config = loaded(study_values)
    entries = folders_of(config, runs_of(config))
    list(launch_runs(config, entries))
    closed_forms = {path: path.stat().st_mtime_ns for path in Path(config.output).glob("kept/*/closed_forms/*")}
    for change, name, more in (
        (change_a_row, "mr-en.tsv", 2),  # bitext: its closed form, and what that cost
        (change_a_row, "test.de-en.tsv", 0),  # a query
        (train_again, "teacher", 2),
        (train_again, "student", 2),
    ):
        change(here, name)
        (after,) = folders_of(config, runs_of(config))
        assert after.folder not in [entry.folder for entry in entries], name
        assert after.status == "open"
        list(launch_runs(config, [after]))
        entries.append(after)
        assert [entry.status for entry in entries] == ["done"] * len(entries), after.error
        found = {path: path.stat().st_mtime_ns for path in Path(config.output).glob("kept/*/closed_forms/*")}
        assert closed_forms.items() <= found.items()  # nothing is deleted or done anew
        assert len(found) == len(closed_forms) + more, name  # no closed form of other rows or weights
        closed_forms = found


def test_a_card_beside_the_weights_is_no_other_model(here: Path, study_values: dict, loaded: Written) -> None:
    first = names(loaded(study_values))
    (here / "teacher" / "README.md").write_text("a teacher", encoding="utf-8")
    (here / "teacher" / "checkpoint-5").mkdir()
    (here / "teacher" / "checkpoint-5" / "model.safetensors").write_bytes(b"x")
    assert names(loaded(study_values)) == first


def test_a_dictionary_file_is_known_by_its_content(here: Path, study_values: dict, loaded: Written) -> None:
    study_values["systems"] = {"words": {"reads": "translation", "translator": {"so": str(here / "words.tsv")}}}
    study_values |= {"baselines": [], "grid": {}}
    found = []
    for text in ("ey\tdog\n", "ey\tdog\n", "ey\tcat\n"):
        (here / "words.tsv").write_text(text, encoding="utf-8")
        found.append(names(loaded(study_values)))
    assert found[0] == found[1] != found[2]


def test_files_are_hashed_once(
    here: Path, study_values: dict, loaded: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    digest = hashlib.file_digest
    monkeypatch.setattr(
        contents.hashlib, "file_digest", lambda file, kind: hashed.append(file.name) or digest(file, kind)
    )
    config = loaded(study_values)
    first = names(config)
    assert len(hashed) == len(set(hashed)) > 4
    hashed.clear()
    assert names(config) == first
    assert hashed == []


def test_what_is_done_is_found_where_its_files_are_gone(
    here: Path, study_values: dict, loaded: Written, in_process: list[str], tmp_path: Path
) -> None:
    config = loaded(study_values)
    entries = folders_of(config, runs_of(config))
    list(launch_runs(config, entries))
    shutil.rmtree(here)
    again = folders_of(config, runs_of(config), fetch=False)
    assert [(entry.folder, entry.status) for entry in again] == [(entry.folder, "done") for entry in entries]
    shown = CliRunner().invoke(app, ["study", str(tmp_path / "study.yaml"), "--report-only"])
    assert "1 runs: 1 done" in " ".join(shown.output.split()), shown.output


def test_what_changes_while_a_study_runs_is_told(
    here: Path, study_values: dict, loaded: Written, in_process: list[str]
) -> None:
    study_values["grid"] = {"systems": ["ridge"]}
    config = loaded(study_values)
    entries = folders_of(config, runs_of(config))
    change_a_row(here, "mr-en.tsv")
    list(launch_runs(config, entries[:1]))
    assert "the bitext changed after the study was started" in entries[0].error
    entries = folders_of(config, runs_of(config))
    train_again(here, "teacher")
    list(launch_runs(config, entries[:1]))
    assert "the teacher changed after the study was started" in entries[0].error


def test_the_code_that_decides_results_is_all_but_the_shell_and_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "optical_hf"
    for name in ("study/config/grid.py", "languages.py", "models/loading.py", "cli/app.py", "hub/card.py"):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text("x = 1\n", encoding="utf-8")
    monkeypatch.setattr(accounting, "__file__", str(package / "study" / "run" / "run_cost.py"))
    seen = []
    for name in (None, "study/config/grid.py", "languages.py", "models/loading.py", "cli/app.py", "hub/card.py"):
        if name is not None:
            (package / name).write_text("x = 2\n", encoding="utf-8")
        versions.cache_clear()
        seen.append(versions()[CODE])
    versions.cache_clear()
    assert len(set(seen)) == 4
    assert len(set(seen[3:])) == 1


def test_no_run_begins_from_what_other_code_made(
    here: Path, study_values: dict, loaded: Written, in_process: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    study_values["keep_students"] = True
    config = loaded(study_values)
    (entry,) = folders_of(config, runs_of(config))
    list(launch_runs(config, [entry]))
    kept = sorted(path.relative_to(config.output).parts[2] for path in Path(config.output).glob("kept/*/*"))
    assert kept == ["backbones", "closed_forms", "documents", "students", "tokens"]
    times = {path: path.stat().st_mtime_ns for path in Path(config.output).glob("kept/**/*") if path.is_file()}
    (entry.folder / running.RESULT).unlink()
    found = versions() | {CODE: "newer"}
    monkeypatch.setattr(accounting, "versions", lambda: found)
    list(launch_runs(config, [entry]))
    assert entry.status == "done", entry.error
    folders = {path.parent for path in Path(config.output).glob("kept/*/closed_forms")}
    assert len(folders) == 2
    assert {path: path.stat().st_mtime_ns for path in times} == times
