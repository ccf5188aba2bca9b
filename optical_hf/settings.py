"""Settings from a YAML file: dataclasses and options whose names, types and ranges pydantic checks before anything is loaded.

One reader for `optical-hf study` and for the `--config` of other commands. What does not fit raises ValueError with its place in
the file, what was expected and what came.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, make_dataclass
from difflib import get_close_matches
from pathlib import Path
from string import Template
from typing import Any, TypeVar, get_args, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from optical_hf.strict_yaml import QUOTE, read_mapping

Settings = TypeVar("Settings")

STRICT = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
"""Configuration of a settings class: `@pydantic.dataclasses.dataclass(frozen=True, config=STRICT)`."""

WORDS = {
    "bool_type": "true or false",
    "dataclass_type": "'key: value' lines",
    "dict_type": "'key: value' lines",
    "float_type": "a number",
    "int_from_float": "a whole number",
    "int_type": "a whole number",
    "string_type": "text",
    "tuple_type": "a list",
}
"""What was expected, by pydantic's type of an error; for other types pydantic says it."""


def read_yaml(path: Path, given: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Read a YAML mapping and fill in its `${name}`s.

    A name is looked up in `given` (the command line), then in the environment, then in the file's own `variables`.

    Raises:
        ValueError: no such file, no YAML, no mapping, a name that nothing defines, or a given one that the file does not use.
    """
    values = read_mapping(path)
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


def read_settings(cls: type[Settings], values: Any, where: str) -> Settings:
    """Make a dataclass from a mapping, with the dataclasses in it.

    Args:
        cls: the dataclass. What its validators and `__post_init__` raise as ValueError is reported with its place. Dataclasses
            inside it need the configuration `STRICT`, which refuses unknown keys.
        values: the mapping, of what JSON can say.
        where: its place, for messages: the path of the file.

    Raises:
        ValueError: unknown or missing keys, values of another type or out of range.
    """
    known = [field.name for field in fields(cls) if field.init]  # type: ignore[arg-type]
    unknown = [key for key in values if key not in known] if isinstance(values, Mapping) else []
    if unknown:
        raise ValueError(f"{where}: {_unknown_key(unknown[0], known)}")
    return checked(values, cls, where)


def check_options(classes: Sequence[type], values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Check options by the fields of dataclasses without making one of them.

    Args:
        classes: whose fields are the options, any dataclasses.
        values: by name; those that are left out are not looked at.
        where: their place, for messages: the path of the file.

    Returns:
        The same options, lists as tuples where the field is one.

    Raises:
        ValueError: a name that no class has, or a value of another type.
    """
    options = [(f.name, get_type_hints(cls)[f.name], None) for cls in classes for f in fields(cls) if f.init]
    made = read_settings(dataclass(make_dataclass("Options", options), config=STRICT), values, where)
    return {name: getattr(made, name) for name in values}


def checked(value: Any, kind: Any, where: str) -> Any:
    """The value, if it is of a type: `3` is no text, "yes" is not true; a list becomes a tuple where the type is one.

    Raises:
        ValueError: for another type.
    """
    try:
        return TypeAdapter(kind).validate_json(json.dumps(value, default=str), strict=True)
    except ValidationError as error:
        raise ValueError(f"{where}: {_problem(error, value, kind)}") from None


def _problem(error: ValidationError, values: Any, kind: Any) -> str:
    """The first problem in one line: its place in `values`, what was expected there, and what came."""
    errors = error.errors(include_url=False)
    first = next((one for one in errors if one["type"] == "unexpected_keyword_argument"), errors[0])
    place, inside = _place(first["loc"], values, kind)
    if first["type"] == "unexpected_keyword_argument":
        return ": ".join([*place[:-1], _unknown_key(place[-1], [field.name for field in fields(inside)])])
    if first["type"] == "missing":
        return ": ".join([*place, f"{first['loc'][-1]} is missing"])
    if first["type"] == "value_error":
        return ": ".join([*place, str(first["ctx"]["error"])])
    wanted = [_wanted(one) for one in errors if _place(one["loc"], values, kind)[0] == place]
    came = first["input"]
    quote = f"; {QUOTE}" if isinstance(came, bool) and "true or false" not in wanted else ""
    return ": ".join([*place, f"expected {' or '.join(dict.fromkeys(wanted))}, got {came!r}{quote}"])


def _unknown_key(key: Any, known: Sequence[str]) -> str:
    near = get_close_matches(str(key), known, n=1)
    return f"unknown key {key!r}; " + (f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}")


def _place(location: Sequence[str | int], values: Any, kind: Any) -> tuple[list[str], Any]:
    """The part of a location that is in the file, numbers from 1, and the dataclass that it lies in.

    pydantic puts the name of the alternative it tried into the location as well.
    """
    place = []
    for part in location:
        inside = part in values if isinstance(values, dict) else isinstance(values, list) and isinstance(part, int)
        if inside:
            place.append(str(part + 1 if isinstance(part, int) else part))
            values = values[part]
        if is_dataclass(kind) and part in (hints := get_type_hints(kind)):
            kind = _dataclass_in(hints[str(part)]) or kind
    return place, kind


def _dataclass_in(kind: Any) -> Any:
    return kind if is_dataclass(kind) else next(filter(None, map(_dataclass_in, get_args(kind))), None)


def _wanted(error: Any) -> str:
    if error["type"] == "literal_error":
        return f"one of {error['ctx']['expected'].replace(' or ', ', ').replace(chr(39), '')}"
    if error["type"] == "too_short":
        return f"at least {error['ctx']['min_length']}"
    return WORDS.get(error["type"], error["msg"].removeprefix("Input should be "))
