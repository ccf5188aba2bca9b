"""A study from its YAML file, every name and type checked before anything is loaded."""

from collections.abc import Mapping
from pathlib import Path

from optical_hf.files import expand_path
from optical_hf.settings import read_settings, read_yaml
from optical_hf.study.config.study_config import NAMED, StudyConfig


def load_study(path: str | Path, given: Mapping[str, str] | None = None) -> StudyConfig:
    """Read a study file.

    Args:
        path: the YAML file.
        given: values of `${name}`s that go before the environment and the file's own.

    Returns:
        The study, checked.

    Raises:
        ValueError: with the place in the file and what was expected there.
    """
    path = expand_path(path)
    values = read_yaml(path, given)
    for part in NAMED:
        if isinstance(values.get(part), dict):
            values[part] = {str(name): _named(str(name), entry) for name, entry in values[part].items()}
        elif part == "budgets" and values.get(part) is None:
            values.pop(part, None)
    for part in ("documents", "query_texts"):
        if isinstance(values.get(part), dict):
            values[part] = {name: _named(str(name), _listed(entry)) for name, entry in values[part].items()}
    if isinstance(values.get("bitext"), dict):
        values["bitext"] = {
            code: [files] if isinstance(files, str) else files for code, files in values["bitext"].items()
        }
    grid = values.pop("grid", None)
    if grid:
        values["grid"] = [grid] if isinstance(grid, dict) else grid
    return read_settings(StudyConfig, values, str(path))


def _listed(entry: object) -> object:
    """A set of texts as a mapping with a list of files: `passages.txt` and `[a.txt, b.txt]` are such too."""
    entry = {"files": entry} if isinstance(entry, str | list) else entry
    if isinstance(entry, dict) and isinstance(entry.get("files"), str):
        entry = {**entry, "files": [entry["files"]]}
    return entry


def _named(name: str, entry: object) -> object:
    return {**(entry or {}), "name": name} if isinstance(entry, dict | None) else entry
