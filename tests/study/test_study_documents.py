"""Index documents in a study: what the file says, which runs they make, and that students learn from them."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from optical_hf.models import load_teacher
from optical_hf.study import StudyConfig, folders_of, launch_runs, runs_of
from optical_hf.study.config.data_specs import DocumentsSpec
from optical_hf.study.config.grid import RunConfig
from optical_hf.study.report.runs_table import read_table
from optical_hf.study.run import running
from optical_hf.study.run.index_texts import documents_of
from optical_hf.study.run.run_data import read_collections

Written = Callable[[dict], StudyConfig]
CONTRASTIVE = {"alignment": "contrastive", "fit": {"regularisation": 1e-3, "steps": 20}}


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    path = tmp_path / "passages.txt"
    path.write_text("\n".join(f"a dog and {number} red balls" for number in range(9)), encoding="utf-8")
    return path


@pytest.fixture
def values(study_values: dict, texts: Path) -> dict:
    """A system without documents, one with those of the collections, one with those of a file."""
    return study_values | {
        "documents": {"passages": str(texts)},
        "systems": {
            "bitext": CONTRASTIVE,
            "index": CONTRASTIVE | {"documents": "searched"},
            "passages": CONTRASTIVE | {"documents": "passages"},
        },
        "baselines": [],
        "grid": {"students": ["short"]},
    }


def done(config: StudyConfig) -> list[dict]:
    entries = folders_of(config, runs_of(config))
    list(launch_runs(config, entries))
    assert [entry.error for entry in entries] == [""] * len(entries)
    return [json.loads((entry.folder / running.RESULT).read_text(encoding="utf-8")) for entry in entries]


def test_sets_of_documents_have_names(values: dict, loaded: Written, texts: Path) -> None:
    values["documents"] |= {
        "two": [str(texts), [str(texts), "index.npy"]],
        "body": {"files": "x.jsonl", "text": "body", "vector": None},
    }
    config = loaded(values)
    assert config.documents["passages"] == DocumentsSpec("passages", (str(texts),))
    assert config.documents["two"].files == (str(texts), (str(texts), "index.npy"))
    assert config.documents["body"] == DocumentsSpec("body", ("x.jsonl",), "body", None)
    assert [run.documents and run.documents.name for run in runs_of(config)] == [None, "searched", "passages"]
    assert {run.label.split(" / ")[2] for run in runs_of(config)} == {"bitext", "index", "passages"}


NOT_LEARNT = "set alignment: contrastive or ridge, or losses"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"systems": {"one": CONTRASTIVE | {"documents": "passage"}}}, "known are searched, passages"),
        ({"documents": {"searched": "x.txt"}}, "rename yours"),
        ({"documents": {"x": None}}, "documents: x: files is missing"),
        ({"documents": {"x": []}}, "at least 1"),
        ({"documents": {"x": {"file": "a.txt"}}}, "did you mean 'files'"),
        ({"systems": {"one": {"alignment": "transport", "documents": "searched"}}}, NOT_LEARNT),
        ({"systems": {"one": {"reads": "english", "documents": "searched"}}}, NOT_LEARNT),
    ],
)  # fmt: skip
def test_what_cannot_be_learnt_from_is_refused(values: dict, loaded: Written, change: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        loaded(values | change)


@pytest.mark.slow
def test_a_run_is_known_by_the_content_of_its_documents_and_an_old_one_keeps_its_name(
    values: dict, loaded: Written, texts: Path, tmp_path: Path
) -> None:
    config = loaded(values)
    plain, searched, passages = (entry.run for entry in folders_of(config, runs_of(config)))
    assert len({plain.key, searched.key, passages.key}) == 3
    assert RunConfig.from_dict(json.loads(json.dumps(passages.to_dict()))) == passages
    without = plain.to_dict()
    del without["documents"], without["system"]["documents"]
    assert RunConfig.from_dict(without).key == plain.key
    assert replace(searched, seed=1).key != searched.key  # gradient steps and samples depend on it

    texts.rename(tmp_path / "moved.txt")
    values["documents"] = {"other name": {"files": [str(tmp_path / "moved.txt")]}}
    values["systems"]["passages"]["documents"] = "other name"
    config = loaded(values)
    assert folders_of(config, runs_of(config))[2].run.key == passages.key
    np.save(tmp_path / "moved.npy", np.eye(9, 16, dtype=np.float32))
    assert folders_of(config, runs_of(config))[2].run.key != passages.key


@pytest.mark.slow
def test_the_targets_of_what_is_searched_are_the_vectors_of_the_index(
    values: dict, loaded: Written, tmp_path: Path
) -> None:
    config = loaded(values)
    run = runs_of(config)[1]
    teacher, sets = load_teacher(run.teacher.path), read_collections(run.collections)

    def index(entry):
        return running._index_of(run, teacher, entry, tmp_path)

    found = documents_of(run, teacher, sets, index).read
    assert set(found["text"]) == {text for entry in sets for part in entry.parts for text in part.documents["text"][:]}
    wanted = teacher.encode_document(found["text"][:], normalize_embeddings=True)
    np.testing.assert_allclose(np.stack(found.with_format("numpy")["vector"][:]), wanted, atol=1e-5)
    some = replace(run, system=replace(run.system, fit={"max_documents": 5}))
    few = documents_of(some, teacher, sets, index)
    every = sum(len(part.documents) for entry in sets for part in entry.parts)
    assert (len(few.read), len(few.unread)) == (5, every - 5)  # nobody reads these, and their vectors are negatives
    assert documents_of(runs_of(config)[0], teacher, sets, index) is None
    maxsim = replace(run, teacher=replace(run.teacher, kind="late_interaction"))
    late = load_teacher(run.teacher.path, kind="late_interaction")
    assert documents_of(
        maxsim, late, sets, lambda entry: running._index_of(maxsim, late, entry, tmp_path)
    ).read.column_names == ["text"]


@pytest.mark.slow
@pytest.mark.usefixtures("counted")
def test_contrastive_systems_learn_with_documents_and_without(
    values: dict, loaded: Written, in_process: list[str], texts: Path
) -> None:
    config = loaded(values)
    plain, index, passages = done(config)
    assert (plain["documents"], passages["documents"]) == (0, 9)
    assert index["documents"] > 9
    assert index["flops"]["fit"] > plain["flops"]["fit"]
    table = read_table(config, folders_of(config, runs_of(config))).rows
    assert table.groupby("system")["documents"].first().to_dict() == {
        "bitext": 0,
        "index": index["documents"],
        "passages": 9,
    }
    assert isinstance(table, pd.DataFrame)
    in_process.clear()
    done(config)
    assert in_process == []
    texts.write_text("a cat\nanother cat\n", encoding="utf-8")
    assert [result["documents"] for result in done(config)][2] == 2
    assert len(in_process) == 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["vector", "late_interaction"])
def test_gradient_steps_learn_from_documents_within_a_budget(
    kind: str, values: dict, loaded: Written, in_process: list[str]
) -> None:
    losses, budget = {
        "vector": ("contrastive", {"flops": 3e8, "batch": 8}),
        "late_interaction": ("contrastive_maxsim,transport", {"steps": 2, "batch": 8}),
    }[kind]
    values["teachers"]["T"]["kind"] = kind
    steps = {"alignment": "ridge", "losses": losses, "documents": "searched" if kind == "vector" else "passages"}
    values |= {"systems": {"steps": steps}, "budgets": {"B": budget}}
    (result,) = done(loaded(values))
    assert result["steps"] > 0
    assert result["documents"] > 0
    assert result["flops"]["fit"] + result["flops"]["train"] < 1.1 * budget.get("flops", 1e12)
