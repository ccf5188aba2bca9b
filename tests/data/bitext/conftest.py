"""A folder of its own for each test that writes bitext."""

from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the working one: messages name files as they were given."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
