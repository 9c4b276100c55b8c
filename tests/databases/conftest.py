"""A MariaDB of its own, on a socket below a folder, gone with the tests."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import closing
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow as pa
import pymysql
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from airflow_ml_provider.extract.source import Source

_FOLDERS = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
_START_SECONDS = 60


def _program(name: str) -> str:
    found = shutil.which(name, path=_FOLDERS)
    if found is None:
        pytest.fail(f"{name} is not installed: apt-get install mariadb-server", pytrace=False)
    return found


@pytest.fixture(scope="session")
def mariadb_socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("mariadb")
    socket, data = str(folder / "socket"), f"--datadir={folder / 'data'}"
    install = [_program("mariadb-install-db"), "--no-defaults", data, "--skip-test-db"]
    root = ["--user=root"] if os.geteuid() == 0 else []
    subprocess.run(
        [*install, "--auth-root-authentication-method=normal", *root],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    settings = ["--skip-networking", "--innodb-flush-log-at-trx-commit=0", "--skip-log-bin"]
    command = [_program("mariadbd"), "--no-defaults", data, f"--socket={socket}", *settings, *root]
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT) as server,
    ):
        try:
            _wait(server, folder / "log")
            yield socket
        finally:
            server.terminate()


def _wait(server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = monotonic() + _START_SECONDS
    while monotonic() < deadline and server.poll() is None:
        if "ready for connections" in log.read_text():
            return
        sleep(0.05)
    pytest.fail(f"mariadbd did not start:\n{log.read_text()}", pytrace=False)


@pytest.fixture
def mariadb(mariadb_socket: str) -> Iterator[dict[str, Any]]:
    """What a driver connects with to a fresh database."""
    name = f"w{uuid4().hex[:8]}"
    given = {"unix_socket": mariadb_socket, "user": "root"}
    with closing(pymysql.connect(**given)) as root, root.cursor() as cursor:
        cursor.execute(f"create database {name} character set utf8mb4")
        yield {**given, "database": name}
        cursor.execute(f"drop database {name}")


@pytest.fixture
def run(mariadb: dict[str, Any]) -> Callable[..., Any]:
    """Give what runs statements, one after the other, and gives the last one's rows."""

    def run(*statements: str) -> Any:
        with closing(pymysql.connect(**mariadb, autocommit=True)) as connection:
            for statement in statements:
                with connection.cursor() as cursor:
                    cursor.execute(statement)
                    rows = cursor.fetchall()
        return rows

    return run


@pytest.fixture
def read() -> Callable[[Source], pa.Table]:
    """Give what reads all rows of a source."""

    def read(source: Source) -> pa.Table:
        with source.open() as rows:
            (stream,) = rows.streams
            with stream() as batches:
                found = list(batches)
        assert all(batch.schema == rows.schema for batch in found)
        return pa.Table.from_batches(found, rows.schema)

    return read
