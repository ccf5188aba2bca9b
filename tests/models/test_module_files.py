"""A saved student whose folders are not whole: one line that names the file, from every way of loading."""

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny_pairs
import torch
from typer.testing import CliRunner

from optical_hf.cli.app import app
from optical_hf.models import load_student, load_teacher
from optical_hf.models.module_files import missing_module_file
from optical_hf.training import save_student


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_student(tiny_pairs.pair()[0], tmp_path / "student")
    return tmp_path / "student"


def without_dense(folder: Path) -> None:
    shutil.rmtree(folder / "2_Dense")


def a_pickle_for_the_folder(folder: Path) -> None:
    shutil.rmtree(folder / "2_Dense")
    (folder / "2_Dense").write_bytes(pickle.dumps({"a": 1}))


def a_pickle_for_the_weights(folder: Path) -> None:
    (folder / "2_Dense" / "model.safetensors").unlink()
    (folder / "2_Dense" / "pytorch_model.bin").write_bytes(pickle.dumps({"a": print}, protocol=2))


def without_pooling(folder: Path) -> None:
    shutil.rmtree(folder / "1_Pooling")


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (without_dense, r"its module Dense has no 2_Dense/config\.json"),
        (a_pickle_for_the_folder, r"its module Dense has no 2_Dense/config\.json"),
        (
            a_pickle_for_the_weights,
            r"no 2_Dense/model\.safetensors, but a pickle, and what it holds is more than weights",
        ),
        (without_pooling, r"its module Pooling has no 1_Pooling/config\.json"),
    ],
)
def test_a_student_without_a_file_of_a_module_is_told(damage: Callable[[Path], None], told: str, saved: Path) -> None:
    assert missing_module_file(saved) is None
    damage(saved)
    for load in (load_teacher, lambda path: load_student(path, tiny_pairs.teacher())):
        with pytest.raises(ValueError, match=told) as caught:
            load(str(saved))
        assert str(saved) in str(caught.value)
    with pytest.raises(ValueError, match=told):
        CliRunner().invoke(app, ["card", str(saved)], catch_exceptions=False)


def test_weights_in_a_pickle_that_holds_nothing_else_are_read(saved: Path) -> None:
    (saved / "2_Dense" / "model.safetensors").unlink()
    torch.save(dict(tiny_pairs.pair()[0][1].state_dict()), saved / "2_Dense" / "pytorch_model.bin")
    assert load_teacher(str(saved)) is not None
