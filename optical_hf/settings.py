"""Dataclasses from a YAML mapping, checked by name and type before anything is loaded.

A frozen dataclass says which keys there are, of which type, and which must be given; what does not fit raises ValueError with
the place in the file. Knows nothing about studies.
"""

import os
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from difflib import get_close_matches
from pathlib import Path
from string import Template
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from optical_hf.strict_yaml import QUOTE, read_mapping

Settings = TypeVar("Settings")


def read_yaml(path: Path, given: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Read a YAML mapping and fill in its `${name}`s.

    A name is looked up in `given` (the command line), then in the environment, then in the file's own `variables`.

    Raises:
        ValueError: no such file, no YAML, no mapping, a name that nothing defines, a given one that the file does not use.
    """
    values = read_mapping(path, f"no study file {str(path)!r}: give a YAML file, see docs/study.md")
    own = values.pop("variables", None) or {}
    if not isinstance(own, dict):
        raise ValueError(f"{path}: variables: expected 'name: value' lines, got {type(own).__name__}")
    used = Template(path.read_text(encoding="utf-8")).get_identifiers()
    for name in given or {}:
        if name not in used:
            raise ValueError(
                f"{path}: --set {name} changes nothing: the file uses {', '.join(used) or 'no names'}; edit the file"
            )
    names = {**{key: str(value) for key, value in own.items()}, **os.environ, **(given or {})}
    return _filled(values, names, str(path))


def _filled(value: Any, names: Mapping[str, str], where: str) -> Any:
    if isinstance(value, dict):
        return {key: _filled(entry, names, f"{where}: {key}") for key, entry in value.items()}
    if isinstance(value, list):
        return [_filled(entry, names, where) for entry in value]
    if not isinstance(value, str):
        return value
    try:
        return Template(value).substitute(names)
    except KeyError as error:
        raise ValueError(
            f"{where}: nothing defines {error.args[0]!r} of {value!r}: put it under `variables`, into the environment, or give "
            f"--set {error.args[0]}=VALUE"
        ) from None
    except ValueError:
        raise ValueError(f"{where}: {value!r} has a lone $: write $$ for a dollar sign") from None


def read_settings(cls: type[Settings], values: Any, where: str, **more: Any) -> Settings:
    """Make a dataclass from a mapping.

    Args:
        cls: the dataclass; its `__post_init__` may raise ValueError, which then names the place.
        values: the mapping; None stands for an empty one.
        where: its place in the file, for messages.
        **more: fields that the mapping does not hold (the name it is filed under).

    Raises:
        ValueError: unknown or missing keys, values of another type, or what the class refuses.
    """
    values = {} if values is None else values
    if not isinstance(values, Mapping):
        raise ValueError(f"{where}: expected 'key: value' lines, got {values!r}")
    known = [field for field in fields(cls) if field.name not in more]  # type: ignore[arg-type]
    names = [field.name for field in known]
    for key in values:
        if key not in names:
            near = get_close_matches(str(key), [*names, *more], n=1)
            meant = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join([*more, *names])}"
            raise ValueError(f"{where}: unknown key {key!r}{meant}")
    hints = get_type_hints(cls)
    read: dict[str, Any] = {}
    for field in known:
        if field.name in values:
            read[field.name] = checked(values[field.name], hints[field.name], f"{where}: {field.name}")
        elif field.default is MISSING and field.default_factory is MISSING:
            raise ValueError(f"{where}: {field.name} is missing")
    try:
        return cls(**read, **more)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def checked(value: Any, kind: Any, where: str) -> Any:
    """The value, if it is of the type a dataclass field has; a list becomes a tuple where the field is one.

    Raises:
        ValueError: for another type.
    """
    origin, parts = get_origin(kind), get_args(kind)
    if kind is Any or (value is None and type(None) in parts) or (origin is Literal and value in parts):
        return value
    if origin in (Union, types.UnionType):
        return _first_that_fits(value, [part for part in parts if part is not type(None)], kind, where)
    if origin is tuple and isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(checked(entry, parts[0], where) for entry in value)
    if origin is dict and isinstance(value, Mapping):
        keys = [checked(key, parts[0], where) for key in value]
        return {
            key: checked(entry, parts[1], f"{where}: {key}") for key, entry in zip(keys, value.values(), strict=True)
        }
    if origin is None and _is(value, kind):
        return kind(value)
    raise ValueError(f"{where}: expected {_named(kind)}, got {value!r}{_quoted(value)}")


def _first_that_fits(value: Any, kinds: Sequence[Any], whole: Any, where: str) -> Any:
    for kind in kinds:
        try:
            return checked(value, kind, where)
        except ValueError:
            continue
    raise ValueError(f"{where}: expected {_named(whole)}, got {value!r}{_quoted(value)}")


def _quoted(value: Any) -> str:
    """A hint where a word may have been meant."""
    found = value if isinstance(value, list) else [value]
    return f"; {QUOTE}" if any(isinstance(one, bool) for one in found) else ""


def _is(value: Any, kind: type) -> bool:
    """Whether a YAML scalar is of a type; YAML 1.1 reads 1e-3 as text, which is a number all the same."""
    if kind is float and isinstance(value, str):
        try:
            float(value)
        except ValueError:
            return False
        return True
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def _named(kind: Any) -> str:
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Literal:
        return f"one of {', '.join(map(str, parts))}"
    if origin in (Union, types.UnionType):
        return " or ".join(_named(part) for part in parts if part is not type(None))
    if origin is tuple:
        return f"a list of {_named(parts[0])}s"
    if origin is dict:
        return "'key: value' lines"
    return {str: "text", int: "a whole number", float: "a number", bool: "true or false"}.get(kind, kind.__name__)
