"""Recipes of examples/recipes: `optical-hf train` takes each, with files and an output beside it."""

from pathlib import Path

import pytest

from optical_hf.cli.config_file import parse_options
from optical_hf.cli.train import parse_train
from optical_hf.settings import read_yaml
from optical_hf.training import OTDistillationArguments
from optical_hf.training.recipe import RECIPE

RECIPES = sorted((Path(__file__).parents[2] / "examples" / "recipes").glob("*.yaml"))


def test_there_are_five() -> None:
    assert [path.stem for path in RECIPES] == ["default", "late_interaction", "lora", "no_bitext", "optical"]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_read(path: Path, tmp_path: Path) -> None:
    chosen, args = parse_train([str(path), "--bitext", "mar-eng.tsv", "--output", str(tmp_path / "student")])
    stated = read_yaml(path)
    assert (chosen.teacher, chosen.student) == (stated["teacher"], stated["student"])
    assert (args.max_steps, args.learning_rate) == (stated["max_steps"], stated["learning_rate"])
    assert [loss.name for loss, _ in args.loss_weights.items()] == [stated["losses"].split("(")[0]]


def test_the_default_recipe_is_that_of_train(tmp_path: Path) -> None:
    files = ["--bitext", "mar-eng.tsv", "--output", str(tmp_path)]
    _, written = parse_train([str(RECIPES[0]), *files])
    _, plain = parse_train(["--teacher", "T", "--student", "S", *files])
    assert written.loss_weights == plain.loss_weights
    for name in RECIPE.keys() - {"losses"}:
        assert getattr(written, name) == getattr(plain, name)


def test_what_follows_a_recipe_replaces_it(tmp_path: Path) -> None:
    chosen, args = parse_train(
        [str(RECIPES[0]), "--documents", "index.parquet", "--max_steps", "7", "--output", str(tmp_path)]
    )
    assert (args.max_steps, chosen.documents, chosen.query_prompt) == (7, ["index.parquet"], "query: ")


def test_help_of_a_script_prints_its_description_and_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse_options((OTDistillationArguments,), ["--help"], description="What it does.\n\n    an example")
    told = capsys.readouterr().out
    assert ended.value.code == 0
    assert "What it does.\n\n    an example" in told
    assert {"--max_steps", "--losses"} <= {*told.replace(",", " ").split()}
