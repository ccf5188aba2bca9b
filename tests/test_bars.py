"""Bars are drawn where somebody sees them move."""

import os
import sys
from unittest.mock import patch

import pytest

from optical_hf.bars import NO_BARS, bars_shown, quiet_bars


@pytest.mark.parametrize("terminal", [True, False])
def test_bars_are_shown_on_a_terminal_where_they_are_wanted(monkeypatch, terminal):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    assert bars_shown() is terminal
    assert bars_shown(False) is False
    with patch.dict(
        os.environ, {"TQDM_DISABLE": "0"}, clear=True
    ):  # the same mapping: rich keeps it when it is imported
        quiet_bars()
        assert dict(os.environ) == ({"TQDM_DISABLE": "0"} if terminal else {**NO_BARS, "TQDM_DISABLE": "0"})


def test_bars_are_shown_in_a_notebook(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipykernel", sys)
    assert bars_shown()
