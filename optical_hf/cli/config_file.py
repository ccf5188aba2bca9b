"""Options from a command line and a YAML file together, checked by name before anything is loaded."""

from argparse import ArgumentError, RawDescriptionHelpFormatter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from typing import Any, get_args, get_origin, get_type_hints

from transformers import HfArgumentParser

from optical_hf.files import expand_path
from optical_hf.settings import check_options, read_yaml


class OptionParser(HfArgumentParser):
    """`transformers.HfArgumentParser` that raises ValueError with one line where argparse would print a page and exit."""

    def error(self, message: str) -> Any:
        """Raise instead of exiting, so that all errors are printed in one form."""
        raise ValueError(message)


def parse_options(
    classes: Sequence[type],
    arguments: Sequence[str],
    defaults: Callable[[set[str]], Mapping[str, Any]] | None = None,
    description: str | None = None,
) -> tuple[Any, ...]:
    """Read options for the dataclasses `classes` from `[CONFIG.yaml] [--option value ...]`; the command line wins.

    Args:
        classes: their fields are the options.
        arguments: of the command line.
        defaults: from the names of the options that are given, values for others in place of those of the classes.
        description: what `--help` prints before the options.

    Raises:
        ValueError: for an option or key that no class has (naming the one that was probably meant), a value of the wrong type,
            a required option that is missing, or a file that is not a YAML mapping.
    """
    listed, stated = list(arguments), {}
    if listed and not listed[0].startswith("-"):
        path = expand_path(listed.pop(0))
        hints = {f.name: get_type_hints(cls)[f.name] for cls in classes for f in fields(cls)}
        lists = {name for name, hint in hints.items() if list in {get_origin(part) for part in (hint, *get_args(hint))}}
        values = {key: value for key, value in read_yaml(path).items() if value is not None}
        values |= {key: [value] for key, value in values.items() if key in lists and isinstance(value, str)}
        stated = check_options(classes, values, str(path))
    known = ["help", *(field.name for cls in classes for field in fields(cls) if field.init)]
    given = set(stated)
    for argument in listed:
        name = argument.split("=")[0].removeprefix("--").replace("-", "_")
        given |= {name, name.removeprefix("no_")} if argument.startswith("--") else set()
        if argument.startswith("--") and name not in known and name.removeprefix("no_") not in known:
            near = get_close_matches(name, known, n=1)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"unknown option {argument.split('=')[0]!r}{meant}")
    parser = OptionParser(
        classes, usage="%(prog)s [CONFIG.yaml] [--option value ...]", description=description, allow_abbrev=False,
        formatter_class=RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.set_defaults(**(defaults(given) if defaults else {}) | stated)
    for action in parser._actions:
        action.required = action.required and action.dest not in stated
    try:
        *parsed, rest = parser.parse_args_into_dataclasses(
            listed, return_remaining_strings=True, look_for_args_file=False
        )
    except ArgumentError as error:
        raise ValueError(str(error)) from error
    if rest:
        raise ValueError(f"cannot place {rest[0]!r}: expected options that begin with --, each followed by its value")
    return tuple(parsed)
