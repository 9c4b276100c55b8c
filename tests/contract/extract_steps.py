"""A step of a pipeline that extracts, and attempts of its runs that end by a real SIGKILL.

As a program it forks each attempt from a process that has all loaded. It reads lines of JSON,
``{"attempts": [{"database": ..., "arguments": ..., "kill_at": 3 or null}, ...]}``, whose attempts
run at the same time, and answers each with ``[{"killed": ..., "error": ...}, ...]``. ``kill_at``
counts the calls to S3: the process dies just before the n-th.
"""

from __future__ import annotations

import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import traceback
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from itertools import count
from typing import TYPE_CHECKING, Any

import boto3
import psycopg2
import pyarrow.parquet as pq

from airflow_ml_provider.extract.connect import Connection
from airflow_ml_provider.extract.query import extract_query
from airflow_ml_provider.extract.runs.history import History, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa

    Attempts = Callable[..., list[dict[str, Any]]]


def connection_of(database: dict[str, Any]) -> tuple[Connection, Callable[[], Any]]:
    """Give the connection and what opens it, of ``{"sqlite": path}`` or libpq's parameters."""
    if path := database.get("sqlite"):
        return Connection("sqlite", host=path), partial(sqlite3.connect, path)
    return Connection("postgres"), partial(psycopg2.connect, **database)


@dataclass
class Step:
    """A step over the table ``orders`` of a database."""

    database: dict[str, Any]
    root: str
    client: Any
    options: dict[str, Any] = field(default_factory=dict)

    def sql(self, text: str, *rows: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """Run a statement, once for each of the rows if there are any, and commit."""
        if "sqlite" in self.database:
            text = text.replace("%s", "?")
        with closing(connection_of(self.database)[1]()) as connection:
            cursor = connection.cursor()
            if rows:
                cursor.executemany(text, rows)
            else:
                cursor.execute(text)
            found = cursor.fetchall() if cursor.description else []
            connection.commit()
        return list(found)

    def insert(self, *rows: tuple[Any, ...]) -> None:
        """Add rows."""
        if rows:
            marks = ", ".join(["%s"] * len(rows[0]))
            self.sql(f"insert into orders values ({marks})", *rows)

    def output(self, run: str) -> str:
        """Give where a run's result goes."""
        return f"{self.root}/{run}/orders"

    def history(self) -> State:
        """Give what the runs remember."""
        return History(lambda: self.client, f"{self.root}/_history/orders.json").read()

    def arguments(self, run: str, **changes: Any) -> dict[str, Any]:
        """Give the arguments of `extract_query`."""
        return {
            "conn_id": "warehouse",
            "query": None,
            "table": "orders",
            "parameters": {},
            "defaults": {},
            "columns": {},
            "partitions": 1,
            "partition_by": None,
            "watermark": None,
            "watermark_delay_seconds": 0,
            "on_drift": "fail",
            "checks": [],
            "memory_mb": 300,
            "history": f"{self.root}/_history/orders.json",
            "run_key": run,
            "output": self.output(run),
            "on_empty": "continue",
            "kms_key_id": None,
            **self.options,
            **changes,
        }

    def run(self, run: str, **changes: Any) -> list[Any]:
        """Run it, and give the ids that it published."""
        connection, connect = connection_of(self.database)
        arguments = self.arguments(run, **changes)
        extract_query(connection, connect, client=lambda: self.client, **arguments)
        return self.ids(run)

    def published(self, run: str) -> pa.Table:
        """Give what a reader of a run's result sees."""
        bucket, _, prefix = self.output(run).removeprefix("s3://").partition("/")
        answer = self.client.get_object(Bucket=bucket, Key=f"{prefix}/part-00000.parquet")
        return pq.read_table(io.BytesIO(answer["Body"].read()))

    def ids(self, run: str) -> list[Any]:
        """Give the ids of a run's result, in order."""
        return sorted(self.published(run)["id"].to_pylist())


@contextmanager
def attempts(step: Step) -> Iterator[Attempts]:
    """Give what attempts runs, ``(run, kill_at)``, at the same time, and tells how each ended."""
    with subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:

        def attempts(*runs: tuple[str, int | None]) -> list[dict[str, Any]]:
            fields = [
                {"database": step.database, "arguments": step.arguments(run), "kill_at": kill_at}
                for run, kill_at in runs
            ]
            program.stdin.write(json.dumps({"attempts": fields}) + "\n")
            program.stdin.flush()
            answer: list[dict[str, Any]] = json.loads(program.stdout.readline())
            return answer

        yield attempts
        program.stdin.close()


def attempt(database: dict[str, Any], arguments: dict[str, Any], kill_at: int | None) -> None:
    """Extract, or die on the way."""
    client = boto3.client("s3")
    calls = count(1)

    def call(**_: Any) -> None:
        if next(calls) == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    client.meta.events.register("before-call.s3", call)
    connection, connect = connection_of(database)
    extract_query(connection, connect, client=lambda: client, **arguments)


def started(**fields: Any) -> tuple[int, int]:
    """Fork an attempt; give its process and where its error will stand."""
    read_end, write_end = os.pipe()
    if process := os.fork():
        os.close(write_end)
        return process, read_end
    try:
        attempt(**fields)
    except BaseException:  # noqa: BLE001  whatever it was, the parent tells
        os.write(write_end, traceback.format_exc().encode()[-4_000:])
    finally:
        os._exit(0)


def ended(process: int, read_end: int) -> dict[str, Any]:
    """Wait for an attempt, and say how it ended."""
    with os.fdopen(read_end, "rb") as pipe:
        error = pipe.read().decode(errors="replace")
    _, status = os.waitpid(process, 0)
    return {"killed": os.WIFSIGNALED(status), "error": error or None}


def main() -> None:
    """Answer until there are no more lines."""
    # What an extract would load by itself, in each process anew.
    for name in ("adbc_driver_postgresql", "adbc_driver_sqlite", "pandas"):
        import_module(name)
    for line in sys.stdin:
        running = [started(**fields) for fields in json.loads(line)["attempts"]]
        sys.stdout.write(json.dumps([ended(*one) for one in running]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
