"""`optical-hf study` as it is typed: the grid before it runs, and the studies that come with the repository."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from optical_hf.cli.app import app
from optical_hf.losses import parse_losses
from optical_hf.study import load_study, runs_of

BENCHMARKS = Path(__file__).parents[2] / "examples" / "benchmarks"


@pytest.mark.slow
def test_a_dry_run_prints_the_grid_and_runs_nothing(
    study_values: dict, tmp_path: Path, write: Callable[[dict, Path], Path]
) -> None:
    study_values["students"]["half"] = {
        "path": study_values["students"]["whole"]["path"],
        "random": {"hidden_size": 8, "num_attention_heads": 2},
    }
    shown = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["study", str(write(study_values, tmp_path)), "--dry-run"])
    assert shown.exit_code == 0, shown.output
    for part in (
        "T / short / ridge",
        "T / whole / MSE",
        "T / half / MSE",
        "6 runs, 6 of them to do",
        "96 pairs of bitext",
        "36 queries",
    ):
        assert part in " ".join(shown.output.split())
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "late", "low", "losses"),
    [
        ("claim.yaml", "MiniLM, late interaction", None, {"transport", "pooled_mse", "contrastive"}),
        ("claim_small.yaml", "late MiniLM", {"sw", "so", "tl", "mr"}, {"transport", "pooled_mse", "contrastive"}),
        ("claim_dictionary.yaml", "late MiniLM", {"sw", "so", "tl", "mr"}, {"pooled_mse", "contrastive"}),
    ],
)
def test_the_studies_of_the_repository_can_be_read(
    name: str, late: str, low: set[str] | None, losses: set[str]
) -> None:
    places = {"data": "/data", "models": "/models"} | ({"late": "/late"} if low else {})
    config = load_study(BENCHMARKS / name, places)
    runs = runs_of(config)
    assert {run.teacher.name for run in runs} == {"MiniLM", late}
    used = {loss.name for run in runs if run.system.losses for loss in parse_losses(run.system.losses)}
    assert used
    assert losses <= used
    assert (config.low and set(config.low)) == low


def test_the_study_of_the_documentation_can_be_read(tmp_path: Path) -> None:
    page = (BENCHMARKS.parents[1] / "docs" / "study.md").read_text(encoding="utf-8")
    path = tmp_path / "study.yaml"
    path.write_text(page.split("```yaml\n")[1].split("```")[0], encoding="utf-8")
    config = load_study(path, {"data": "/data"})
    assert config.bitext["so"] == (("/data/train.so.gz", "/data/train-so.en.gz"),)
    # 1 ceiling; ridge, MSE at one budget, contrastive, with documents: 2 students x 2 sizes x 3 seeds each; re-indexing
    assert len(runs_of(config)) == 1 + 4 * 12 + 1
