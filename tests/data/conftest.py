"""Shared by the tests of data."""

import datasets
import pytest


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """What is built is kept in the test's own folder."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
