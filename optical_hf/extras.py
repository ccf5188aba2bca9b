"""Packages that only some features need: imported when used, with the command that installs them where they are missing."""

from importlib import import_module
from typing import Any


def import_extra(module: str, extra: str, what: str) -> Any:
    """A module of an optional dependency.

    Args:
        module: its full name.
        extra: the extra of this package that installs it.
        what: what needs it, for the message.

    Raises:
        ImportError: where it is not installed, with the pip command.

    Example:
        >>> import_extra("nothing.here", "search", "this engine")
        Traceback (most recent call last):
        ImportError: this engine needs nothing: pip install "optical-hf[search]"
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ImportError(f'{what} needs {package}: pip install "optical-hf[{extra}]"') from error
