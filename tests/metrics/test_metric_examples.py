"""The examples in the docstrings of optical_hf.metrics run."""

import doctest
from importlib import import_module

import pytest


@pytest.mark.parametrize(
    "name", ["bootstrap", "gap", "naming", "ranking", "seeds", "sign_test", "significance", "resource_groups"]
)
def test_examples_run(name):
    result = doctest.testmod(import_module(f"optical_hf.metrics.{name}"))
    assert result.attempted > 0
    assert result.failed == 0
