"""A study from its YAML file, every name and type checked before anything is loaded. Knows nothing about how runs are made."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from optical_hf.files import expand_path
from optical_hf.languages import canonical_language
from optical_hf.settings import checked, read_settings, read_yaml
from optical_hf.study.config.study_config import (
    BITEXT_FILES,
    Bitext,
    BudgetSpec,
    CollectionSpec,
    GridSpec,
    StudentSpec,
    StudyConfig,
    SystemSpec,
    TeacherSpec,
)

NAMED = {
    "teachers": TeacherSpec,
    "students": StudentSpec,
    "systems": SystemSpec,
    "budgets": BudgetSpec,
    "collections": CollectionSpec,
}


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
    where = str(path)
    for key, cls in NAMED.items():
        entries = values.get(key)
        if key == "budgets" and entries is None:
            entries = {}
        if not isinstance(entries, dict) or (not entries and key != "budgets"):
            raise ValueError(f"{where}: {key}: expected at least one, as 'name: {{...}}'")
        values[key] = {
            str(name): read_settings(cls, entry, f"{where}: {key}: {name}", name=str(name))
            for name, entry in entries.items()
        }
    values["bitext"] = _bitext(values.get("bitext"), where)
    grids = values.get("grid") or [{}]
    grids = [grids] if isinstance(grids, dict) else grids
    if not isinstance(grids, list):
        raise ValueError(f"{where}: grid: expected 'axis: [names]' lines, or a list of them, got {grids!r}")
    for tier in ("high", "low", "middle"):
        if values.get(tier) is not None:
            values[tier] = [
                canonical_language(str(code)) for code in checked(values[tier], tuple[str, ...], f"{where}: {tier}")
            ]
    named = {key: values.pop(key) for key in (*NAMED, "bitext")}
    values.pop("grid", None)
    config = read_settings(
        StudyConfig, values, where, **named,
        grid=tuple(read_settings(GridSpec, entry, f"{where}: grid {number}") for number, entry in enumerate(grids, 1)),
    )  # fmt: skip
    _check_names(config, where)
    return config


def _bitext(entries: Any, where: str) -> Bitext:
    if not isinstance(entries, dict) or not entries:
        raise ValueError(f"{where}: bitext: expected 'language: file' lines, got {entries!r}")
    found = {}
    for code, files in entries.items():
        listed = [files] if isinstance(files, str) else files
        try:
            found[canonical_language(str(code))] = checked(listed, BITEXT_FILES, f"{where}: bitext: {code}")
        except ValueError as error:
            raise ValueError(str(error) if where in str(error) else f"{where}: bitext: {error}") from None
    return found


def _check_names(config: StudyConfig, where: str) -> None:
    """Names in grids and baselines must be defined; budgets are needed where gradient steps are."""
    for number, grid in enumerate(config.grid, 1):
        for axis in NAMED:
            _known(getattr(grid, axis) or (), getattr(config, axis), f"{where}: grid {number}: {axis}")
    _known(config.baselines, config.systems, f"{where}: baselines")
    if not config.budgets and any(system.losses for system in config.systems.values()):
        raise ValueError(f"{where}: budgets: expected at least one, as some systems take gradient steps")
    if any(size is not None and size < 1 for size in config.sizes):
        raise ValueError(f"{where}: sizes: expected numbers of pairs above 0, or null for all")
    tiers = [code for tier in (config.high, config.low, config.middle) for code in dict.fromkeys(tier or ())]
    if twice := sorted({code for code in tiers if tiers.count(code) > 1}):
        raise ValueError(f"{where}: {', '.join(twice)} in two of high, low and middle: name each language in one")
    for name in ("processes", "together"):
        if getattr(config, name) < 1:
            raise ValueError(f"{where}: {name} is {getattr(config, name)}: expected at least 1")


def _known(names: tuple[str, ...], defined: Mapping[str, Any], where: str) -> None:
    for name in names:
        if name not in defined:
            raise ValueError(f"{where}: {name!r} is not defined; known are {', '.join(defined)}")
