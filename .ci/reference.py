"""Write the generated parts of the docs into build/reference: python .ci/reference.py. The site takes them in as snippets.

- cli.md: every verb of `optical-hf` with its options, from typer; those of `train`, which reads its own, from their dataclasses.
- study_*.md: the keys of a study's file, from the docstrings of the dataclasses that read it.
"""

import inspect
import re
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

import typer
from transformers import TrainingArguments
from typer.cli import get_docs_for_click

from optical_hf.cli.app import app
from optical_hf.cli.train import TrainOptions
from optical_hf.study.config import data_specs, study_config
from optical_hf.training import OTDistillationArguments
from optical_hf.training.recipe import RECIPE

TARGET = Path(__file__).parents[1] / "build" / "reference"
TRAIN_USAGE = "$ optical-hf train [OPTIONS]\n```\n"
PARTS = {
    "study": study_config.StudyConfig,
    "teachers": study_config.TeacherSpec,
    "students": study_config.StudentSpec,
    "systems": study_config.SystemSpec,
    "budgets": study_config.BudgetSpec,
    "documents": data_specs.DocumentsSpec,
    "collections": data_specs.CollectionSpec,
}
"""Heading of a study's keys -> the dataclass that reads them."""


def option_lines(options: Iterable[Field[Any]]) -> Iterator[str]:
    for option in options:
        default = RECIPE.get(option.name, option.default)
        said = "" if default in (MISSING, None, "") else f"  [default: {default}]"
        yield f"* `--{option.name}`: {' '.join(str(option.metadata.get('help', '')).split())}{said}"


def verbs(command: Any) -> Iterator[tuple[str, Any]]:
    """The commands below this one, by name."""
    for name, verb in getattr(command, "commands", {}).items():
        yield name, verb
        yield from verbs(verb)


def command_line() -> str:
    """Typer's own page, one level of headings lower, with the options of `train` filled in."""
    command = typer.main.get_command(app)
    text = get_docs_for_click(obj=command, ctx=typer.Context(command), name="optical-hf")
    for name, verb in verbs(command):  # typer cuts what they do after 45 characters
        start, whole = f"* `{name}`: ", (verb.help or "").strip().split("\n")[0]
        text = text.replace(f"{start}{verb.get_short_help_str()}\n", f"{start}{whole}\n")
    host = {option.name for option in fields(TrainingArguments)}
    own = [option for option in fields(OTDistillationArguments) if option.init and option.name not in host]
    lines = ["**Options**:", "", *option_lines(fields(TrainOptions)), *option_lines(own), ""]
    lines += [
        "Every option of `transformers.TrainingArguments` stands beside these: `optical-hf train --help-all` lists them.",
        "",
    ]
    if TRAIN_USAGE not in text:
        raise SystemExit("the page of typer has no place for the options of `optical-hf train`")
    text = text.replace(TRAIN_USAGE, TRAIN_USAGE + "\n" + "\n".join(lines))
    return re.sub(r"^# .*\n", "", text, count=1)


def keys(cls: type) -> str:
    """A table of the arguments that a docstring in Google's style describes, with their defaults."""
    described = dict(re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", inspect.getdoc(cls) or "", re.MULTILINE))
    rows = ["| key | default | what it says |", "|---|---|---|"]
    for one in fields(cls):
        if one.name in described and one.name != "name":
            required = one.default is MISSING and one.default_factory is MISSING
            plain = f"`{one.default}`" if isinstance(one.default, int | float | str) else ""
            rows.append(
                f"| `{one.name}` | {'required' if required else plain} | {' '.join(described[one.name].split())} |"
            )
    return "\n".join(rows)


if __name__ == "__main__":
    TARGET.mkdir(parents=True, exist_ok=True)
    (TARGET / "cli.md").write_text(command_line(), encoding="utf-8")
    study = "\n\n".join(f"## `{name}`\n\n{keys(cls)}" for name, cls in PARTS.items())
    (TARGET / "study.md").write_text(study + "\n", encoding="utf-8")
