"""The recipe of `optical-hf train`: it stands where nothing else is said, and is made of fields that exist."""

import logging
from dataclasses import fields

import pytest
import yaml

from optical_hf.cli.train import parse_train
from optical_hf.losses import Contrastive
from optical_hf.training import OTDistillationArguments
from optical_hf.training.checks.loss_check import checked_losses
from optical_hf.training.recipe import RECIPE

WHERE = ["--teacher", "T", "--student", "S", "--bitext", "x.tsv", "--output", "O"]


def test_without_options_the_recipe_is_what_runs():
    _, args = parse_train(WHERE)
    assert {name: getattr(args, name) for name in RECIPE} == dict(RECIPE)
    assert set(RECIPE) <= {field.name for field in fields(OTDistillationArguments)}


def test_options_and_files_go_before_the_recipe(tmp_path):
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({"learning_rate": 3e-5, "losses": "pooled_mse"}))
    _, args = parse_train([str(tmp_path / "c.yaml"), *WHERE, "--learning_rate", "2e-5", "--freeze_embeddings", "False"])
    assert (args.learning_rate, args.losses, args.freeze_embeddings) == (2e-5, "pooled_mse", False)
    assert args.per_device_train_batch_size == RECIPE["per_device_train_batch_size"]


def test_epochs_take_the_place_of_steps():
    _, args = parse_train([*WHERE, "--num_train_epochs", "2"])
    assert (args.num_train_epochs, args.max_steps) == (2, -1)


@pytest.mark.parametrize(("batch", "bank", "warned"), [(8, 0, True), (32, 0, False), (8, 100, False)])
def test_a_small_batch_without_a_bank_is_warned_of(tmp_path, caplog, batch, bank, warned):
    args = OTDistillationArguments(str(tmp_path), per_device_train_batch_size=batch, use_cpu=True)
    caplog.set_level(logging.WARNING, "optical_hf")
    assert checked_losses({Contrastive(bank=bank): 1.0}, args)
    assert ("teaches little" in caplog.text) == warned
