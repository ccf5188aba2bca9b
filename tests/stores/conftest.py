"""What the tests of stores leave behind in their process, taken away."""

import sys

import pytest


@pytest.fixture(autouse=True)
def no_milvus_server_stays():
    """milvus-lite serves from threads of this process, and a test that forks beside them may hang."""
    yield
    if serving := sys.modules.get("milvus_lite.server_manager"):
        serving.server_manager_instance.release_all()
