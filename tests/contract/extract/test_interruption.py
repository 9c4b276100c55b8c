"""What ends a task is an exception that a signal raises, wherever the main thread is."""

from __future__ import annotations

import signal
import sqlite3
import sys
import threading
import time
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Any

import duckdb
import psycopg
import psycopg2
import pytest

from airflow_ml_provider.extract.connect import Connection
from airflow_ml_provider.extract.dbapi.sqlite import SqliteSource
from airflow_ml_provider.extract.postgres.source import PostgresSource
from airflow_ml_provider.extract.selection import Selection
from airflow_ml_provider.extract.sources import source_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ENDLESS = (
    "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) as a from n"
)
BUSY = """
select pid from pg_stat_activity
where datname = current_database() and state = 'active' and pid <> pg_backend_pid()
"""


class TaskTimeout(BaseException):
    """What Airflow raises, in its own words."""


@contextmanager
def interrupted() -> Iterator[None]:
    """Raise in the main thread after half a second, and see that little time is lost after it."""

    def stop(*_: object) -> None:
        raise TaskTimeout

    earlier = signal.signal(signal.SIGALRM, stop)
    began = time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        with pytest.raises(TaskTimeout):
            yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, earlier)
    assert time.monotonic() - began < 15


@pytest.mark.parametrize("driver", [psycopg2, psycopg])
@pytest.mark.parametrize("phase", ["highest", "describing", "sampling"])
def test_postgresql_stops_at_once(
    parameters: dict[str, str], run: Callable[..., list[Any]], driver: Any, phase: str
) -> None:
    run("create table t as select 1 as a")
    # Declared to give the same rows each time, as partitions want it.
    run(
        "create function slow(int) returns int stable language sql "
        "as $$ select pg_sleep(60); select $1 $$"
    )
    slow = "select slow(a) as a from t"
    selection = {
        "highest": Selection("warehouse", query=slow),
        "describing": Selection("warehouse", table="t"),
        "sampling": Selection("warehouse", query=slow, partitions=2, partition_by="a"),
    }[phase]
    source = PostgresSource(selection, lambda: driver.connect(**parameters))
    with ExitStack() as stack:
        if phase == "describing":
            other = stack.enter_context(closing(psycopg2.connect(**parameters)))
            other.cursor().execute("lock table t in access exclusive mode")
        with interrupted():
            if phase == "highest":
                source.highest("a", None)
            else:
                stack.enter_context(source.open(1 << 20))
    assert run(BUSY) == []


def test_a_driver_of_adbc_stops_at_once(tmp_path: Path) -> None:
    path = str(tmp_path / "warehouse.duckdb")
    duckdb.connect(path).close()
    long = "select sum(a.i * b.i) % 7 as a from range(90000) a(i), range(90000) b(i)"
    source = source_for(Connection("duckdb", host=path), None, Selection("warehouse", query=long))
    with interrupted():
        source.highest("a", None)
    with interrupted(), source.open(1 << 20):  # DuckDB 1 works while it opens, 2 behind it
        signal.pause()


def own_threads() -> list[str]:
    """Name the threads of an extract; those of the local AWS come and go."""
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.startswith(("stream-", "extract-", "s3-part"))]


def test_sqlite_stops_at_once() -> None:
    source = SqliteSource(
        Selection("warehouse", query=ENDLESS), lambda: sqlite3.connect(":memory:")
    )
    with interrupted(), source.open(1 << 20):
        pass
    assert own_threads() == []


@pytest.mark.parametrize("adbc", [True, False])
@pytest.mark.parametrize("partitions", [1, 2])
def test_reading_stops_at_once(
    *,
    run: Callable[..., list[Any]],
    extract: Callable[..., Any],
    published: Callable[[], Any],
    bucket: str,
    client: Callable[[str], Any],
    monkeypatch: pytest.MonkeyPatch,
    adbc: bool,
    partitions: int,
) -> None:
    if not adbc:
        monkeypatch.setitem(sys.modules, "adbc_driver_postgresql", None)
    run("create table t as select i as a from generate_series(1, 1000) as g(i)")
    run(
        "create function slow(int) returns int stable language sql "
        "as $$ select pg_sleep(1); select $1 $$"
    )
    before = extract(query="select 1 as before")
    with interrupted():
        extract(query="select a, slow(a) as b from t", partitions=partitions, partition_by="a")
    assert published() == before
    assert run(BUSY) == []
    assert own_threads() == []
    assert "Uploads" not in client("s3").list_multipart_uploads(Bucket=bucket)
