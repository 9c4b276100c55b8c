"""How rows of a real PostgreSQL are read: by which way, as whom, for how long, how far."""

from __future__ import annotations

import logging
import sys
import threading
import time
from contextlib import closing
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg
import psycopg2
import pytest
from adbc_driver_postgresql import connect as adbc_connect

from airflow_ml_provider.extract.adbc import reading as adbc
from airflow_ml_provider.extract.errors import (
    BadQuery,
    ExtractError,
    SourceUnavailable,
    TypeMismatch,
    UnknownType,
)
from airflow_ml_provider.extract.memory import BATCH_BYTES
from airflow_ml_provider.extract.postgres.column_types import Described
from airflow_ml_provider.extract.postgres.session import Session
from airflow_ml_provider.extract.postgres.source import PostgresSource
from airflow_ml_provider.extract.readers import Readers
from airflow_ml_provider.extract.selection import Selection, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa

    Run = Callable[..., list[tuple[Any, ...]]]
    Connect = Callable[[], Any]


@pytest.fixture(params=["adbc", "cursor"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Read in both ways."""
    if request.param == "cursor":
        _without_adbc(monkeypatch)
    return request.param


def _without_adbc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "adbc_driver_postgresql", None)


def _batches(source: PostgresSource, batch_bytes: int = BATCH_BYTES) -> Iterator[pa.RecordBatch]:
    with source.open(batch_bytes) as rows:
        for stream in rows.streams:
            with stream() as batches:
                yield from batches


def _source(connect: Connect, query: str, **fields: Any) -> PostgresSource:
    return PostgresSource(Selection("warehouse", query=query, **fields), connect)


@pytest.mark.parametrize("module", [psycopg2, psycopg])
def test_names_and_passwords_with_quotes_reach_adbc(
    way: str, module: Any, parameters: dict[str, str], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = r"o'hara \ é"
    if not run("select 1 from pg_roles where rolname = %s", name):
        run(f'create role "{name}" login')
    given = {**parameters, "user": name, "password": "p' \\ =", "application_name": "an 'extract'"}
    source = _source(
        lambda: module.connect(**given),
        "select current_user::text u, current_setting('application_name') as application",
    )
    if way == "adbc":
        _without_cursor(monkeypatch)

    (batch,) = _batches(source)

    assert batch.to_pylist() == [{"u": name, "application": "an 'extract'"}]


def _without_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    def cursor_stream(*_: object) -> None:
        pytest.fail("not by ADBC")

    monkeypatch.setattr("airflow_ml_provider.extract.postgres.source.cursor_stream", cursor_stream)


def test_where_adbc_can_not_connect_a_cursor_does(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    conninfo = Session.conninfo
    monkeypatch.setattr(Session, "conninfo", lambda session: f"{conninfo(session)} unheard_of=1")
    with caplog.at_level(logging.WARNING):
        (batch,) = _batches(_source(connect, "select 1 as a"))
    assert batch.to_pylist() == [{"a": 1}]
    assert "unheard_of" in caplog.text
    assert "a cursor is slower" in caplog.text


def test_without_adbc_a_cursor_reads(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _without_adbc(monkeypatch)
    (batch,) = _batches(_source(connect, "select 1 as a"))
    assert batch.to_pylist() == [{"a": 1}]
    assert "a cursor is slower" in caplog.text


def test_a_driver_that_gives_other_types_is_found_out(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if a later version gave uuids as such: what is not projected would come as it likes.
    monkeypatch.setattr(Session, "described", _described_as_text)
    with pytest.raises(UnknownType, match=r"adbc-driver-postgresql .* gives .*int32.*string"):
        list(_batches(_source(connect, "select 1 as a")))


def _described_as_text(session: Session, text: str) -> list[Any]:
    return [Described("a", 25, -1)]


@pytest.mark.parametrize(
    "query",
    ["select 1 as a, pg_sleep(60)::text", "select i from generate_series(1, 100000000) i"],
    ids=["waiting", "reading"],
)
def test_leaving_ends_a_stream_that_another_thread_reads(
    connect: Connect, run: Run, way: str, query: str
) -> None:
    raised: list[BaseException] = []

    def read(stream: Any) -> None:
        try:
            with stream() as batches:
                for _ in batches:
                    pass
        except SourceUnavailable as error:
            raised.append(error)

    active = (
        "select count(*) from pg_stat_activity where datname = current_database() "
        "and pid <> pg_backend_pid() and state = 'active'"
    )
    with _source(connect, query).open() as rows:
        thread = threading.Thread(target=read, args=rows.streams)
        thread.start()
        until = time.monotonic() + 30
        while run(active) == [(0,)] and time.monotonic() < until:
            time.sleep(0.01)
        left = time.monotonic()
    thread.join(timeout=30)

    assert len(raised) == 1
    assert time.monotonic() - left < 5
    with pytest.raises(SourceUnavailable, match="reading was ended"), rows.streams[0]():
        pass


def test_wide_rows_come_in_small_batches(connect: Connect, way: str) -> None:
    source = _source(connect, "select i, repeat('x', 100000) as t from generate_series(1, 500) i")
    batches = list(_batches(source, 1_000_000))
    assert sum(batch.num_rows for batch in batches) == 500
    assert max(batch.nbytes for batch in batches) < 8_000_000


def test_the_transaction_is_read_only_and_leaves_nothing(
    connect: Connect, run: Run, way: str
) -> None:
    run("create sequence s")
    with pytest.raises(BadQuery, match="read-only transaction"):
        list(_batches(_source(connect, "select nextval('s')")))
    assert run("select is_called from s") == [(False,)]
    others = (
        "select count(*) from pg_stat_activity "
        "where datname = current_database() and pid <> pg_backend_pid()"
    )
    # A server ends a session a moment after its client is gone.
    until = time.monotonic() + 30
    while run(others) != [(0,)] and time.monotonic() < until:
        time.sleep(0.01)
    assert run(others) == [(0,)]


HIGHEST: dict[str, tuple[str, Any]] = {
    "bigint": ("1, 3, 2", 3),
    "numeric(20, 2)": ("1.5, 12345678901234567.25", Decimal("12345678901234567.25")),
    "date": ("'2013-01-01', '2013-01-02'", date(2013, 1, 2)),
    "timestamp": ("'2013-01-01 00:00:00.000001'", datetime(2013, 1, 1, 0, 0, 0, 1)),  # noqa: DTZ001
    "timestamptz": ("'2013-01-01 01:00+01'", datetime(2013, 1, 1, tzinfo=timezone.utc)),
    "text": ("'a', 'b'", "b"),
}


@pytest.mark.parametrize("kind", HIGHEST)
@pytest.mark.parametrize("module", [psycopg2, psycopg])
def test_highest(parameters: dict[str, str], run: Run, module: Any, kind: str) -> None:
    values, expected = HIGHEST[kind]
    run(f'create table t ("the c" {kind}); insert into t select unnest(array[{values}]::{kind}[])')
    # The window of this run says nothing of what there is.
    selection = Selection("warehouse", table="t", window=Window("the c", None, expected))
    source = PostgresSource(selection, lambda: module.connect(**parameters))

    value, nulls = source.highest("the c", None)

    assert (value, nulls) == (expected, 0)
    assert type(value) is type(expected)
    assert source.highest("the c", value) == (None, 0)
    run("insert into t values (null), (null)")
    assert source.highest("the c", None) == (expected, 2)
    assert source.highest("the c", value) == (None, 2)


@pytest.mark.parametrize(
    ("kind", "value"),
    [("date", "infinity"), ("timestamptz", "infinity"), ("numeric", "NaN"), ("float8", "Infinity")],
)
@pytest.mark.parametrize("module", [psycopg2, psycopg])
def test_a_highest_value_that_nothing_comes_after_is_refused(
    parameters: dict[str, str], module: Any, kind: str, value: str
) -> None:
    source = _source(lambda: module.connect(**parameters), f"select '{value}'::{kind} as c")
    with pytest.raises(TypeMismatch, match=f"column c is {value}, and nothing .* mend:"):
        source.highest("c", None)


@pytest.mark.parametrize("module", [psycopg2, psycopg])
def test_a_highest_value_that_python_can_not_hold(parameters: dict[str, str], module: Any) -> None:
    source = _source(lambda: module.connect(**parameters), "select date '10000-01-01' as c")
    with pytest.raises(ExtractError, match=r"warehouse: .*10000"):
        source.highest("c", None)


def test_a_stream_that_reaches_another_server_says_so(
    connect: Connect, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = Session.rows

    def other(session: Session, text: str, values: Any = None) -> list[tuple[Any, ...]]:
        if "pg_export_snapshot" in text:
            return [("00000003-0000001B-1",)]
        return rows(session, text, values)

    monkeypatch.setattr(Session, "rows", other)
    with pytest.raises(SourceUnavailable, match=r"snapshot .*; a pooler or balancer .* mend: "):
        list(_batches(_source(connect, "select 1 as a")))


def test_highest_of_what_has_no_order(connect: Connect) -> None:
    with pytest.raises(BadQuery, match=r"warehouse: .*max"):
        _source(connect, "select true as c").highest("c", None)
    with pytest.raises(BadQuery, match=r'warehouse: .*"nope" does not exist'):
        _source(connect, "select true as c").highest("nope", None)


def test_several_streams_need_a_server_with_snapshots(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Session, "is_postgres", lambda session: False)
    source = _source(connect, "select 1 as a", partitions=2, partition_by="a")
    with (
        pytest.raises(BadQuery, match=r"need a snapshot .*; mend: partitions=1"),
        source.open(),
    ):
        pass


def test_no_password_is_in_what_is_opened(parameters: dict[str, str]) -> None:
    # Tracebacks that show variables show what they hold.
    source = PostgresSource(
        Selection("warehouse", query="select 1 as a"),
        lambda: psycopg2.connect(**{**parameters, "password": "S3cret!"}),
    )
    with source.open(1 << 20) as rows:
        assert "adbc_stream" in repr(rows)
        assert "S3cret!" not in f"{rows!r} {source!r}"


def test_no_password_is_in_an_error(parameters: dict[str, str]) -> None:
    def connect() -> Any:
        return psycopg2.connect(**{**parameters, "port": "1", "password": "S3cret!"})

    with pytest.raises(SourceUnavailable) as caught, _source(connect, "select 1").open():
        pass
    assert "S3cret" not in str(caught.value)


def test_adbc_s_errors_keep_no_query(connect: Connect, parameters: dict[str, str]) -> None:
    with closing(connect()) as connection:
        uri = Session("warehouse", connection).conninfo()
    query = "select 'a secret value', nope"
    with (
        adbc.opened("warehouse", lambda: adbc_connect(uri)) as found,
        pytest.raises(BadQuery, match='column "nope" does not exist') as caught,
        adbc.read(Readers("warehouse"), "warehouse", found, query),
    ):
        pass
    assert "Query was" not in str(caught.value)
