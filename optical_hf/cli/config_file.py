"""Options from a command line and a YAML file together, checked by name before anything is loaded."""

import json
from argparse import ArgumentError
from collections.abc import Collection, Mapping, Sequence
from dataclasses import Field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from transformers import HfArgumentParser

from optical_hf.files import expand_path
from optical_hf.strict_yaml import QUOTE, read_mapping


class OptionParser(HfArgumentParser):
    """`transformers.HfArgumentParser` that raises ValueError with one line where argparse would print a page and exit."""

    def error(self, message: str) -> Any:
        """Raise instead of exiting, so that the command line speaks with one voice."""
        raise ValueError(message)


def parse_options(verb: str, classes: Sequence[type], arguments: Sequence[str]) -> tuple[Any, ...]:
    """Read options for the dataclasses `classes` from `[CONFIG.yaml] [--option value ...]`; the command line wins.

    Raises:
        ValueError: for an option or key that no class has (naming the one that was probably meant), a value of the wrong type,
            a required option that is missing, or a file that is not a YAML mapping.
    """
    known = {f.name: f for cls in classes for f in fields(cls) if f.init}
    listed = list(arguments)
    if listed and not listed[0].startswith("-"):
        listed = [*_from_yaml(expand_path(listed[0]), known), *listed[1:]]
    for argument in listed:
        name = argument.split("=")[0].removeprefix("--").replace("-", "_")
        if argument.startswith("--") and name not in known and name.removeprefix("no_") not in known:
            raise ValueError(f"unknown option {argument.split('=')[0]!r}{_meant(name, known)}")
    parser = OptionParser(classes, prog=f"optical-hf {verb}", allow_abbrev=False)
    try:
        *parsed, rest = parser.parse_args_into_dataclasses(
            listed, return_remaining_strings=True, look_for_args_file=False
        )
    except ArgumentError as error:
        raise ValueError(str(error)) from error
    if rest:
        raise ValueError(f"cannot place {rest[0]!r}: expected options that begin with --, each followed by its value")
    return tuple(parsed)


def _from_yaml(path: Path, known: Mapping[str, Field[Any]]) -> list[str]:
    """Turn a YAML mapping into command-line arguments."""
    missing = f"no configuration file {str(path)!r}: give a YAML file, or options that begin with --"
    values = read_mapping(path, missing)
    arguments: list[str] = []
    for key, value in values.items():
        if key not in known:
            raise ValueError(f"{path}: unknown key {key!r}{_meant(str(key), known)}")
        if value is None:
            continue
        items = value if isinstance(value, list) else [value]
        if "bool" not in str(known[key].type) and any(isinstance(item, bool) for item in items):
            raise ValueError(f"{path}: {key}: got {value!r}; {QUOTE}")
        arguments += [f"--{key}", *(json.dumps(i) if isinstance(i, Mapping) else str(i) for i in items)]
    return arguments


def _meant(name: str, known: Collection[str]) -> str:
    near = get_close_matches(name, known, n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""
