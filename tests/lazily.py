"""Libraries that a few tests need, imported when the first of them runs: importing them takes every worker seconds."""

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import pytest


class Lazy(ModuleType):
    """A module, imported when something of it is asked for."""

    __test__ = False  # pytest asks every name of a file

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # pytest looks whether it is a mock, or wrapped
            raise AttributeError(name)
        return getattr(import_module(self.__name__), name)


def lazily(name: str) -> Lazy:
    """The module of this name; where its library is not installed, the tests of the file that asks are skipped."""
    if find_spec(name.split(".", maxsplit=1)[0]) is None:
        pytest.skip(f"no {name}", allow_module_level=True)
    return Lazy(name)
