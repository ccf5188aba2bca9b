"""How a verb ends: its exit status, and what was wrong on its command line."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from optical_hf import __version__

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
# The base of typer's public exception: newer versions of typer bring a click of their own.
UsageError: Any = typer.BadParameter.__base__


class WrongUsageError(UsageError, ValueError):
    """What was typed cannot be meant: status 2."""


@contextmanager
def usage() -> Iterator[None]:
    """What is found wrong in here was wrong on the command line."""
    try:
        yield
    except ValueError as error:
        raise WrongUsageError(str(error)) from error


def print_version() -> None:
    """Print the name of the package and its version."""
    print(f"optical-hf {__version__}")
