from __future__ import annotations

import sqlite3
import traceback
from types import SimpleNamespace

import pytest

from airflow_ml_provider.extract import sources
from airflow_ml_provider.extract.adbc import drivers as adbc_drivers
from airflow_ml_provider.extract.adbc.source import AdbcSource
from airflow_ml_provider.extract.connect import Connection
from airflow_ml_provider.extract.dbapi.source import DbapiSource
from airflow_ml_provider.extract.dbapi.sqlite import SqliteSource
from airflow_ml_provider.extract.errors import BadConnection, BadQuery
from airflow_ml_provider.extract.postgres.source import PostgresSource
from airflow_ml_provider.extract.selection import Selection
from airflow_ml_provider.extract.sources import hook_connect, source_for

SELECTION = Selection("wh", "select 1 as a")
SNOWFLAKE = Connection("snowflake", extra={"account": "a"})


@pytest.fixture
def nothing_installed(monkeypatch):
    monkeypatch.setattr(adbc_drivers, "find_spec", lambda _: None)
    monkeypatch.setattr(sources, "find_spec", lambda _: None)


@pytest.mark.parametrize(
    ("kind", "source"),
    [
        ("postgres", PostgresSource),
        ("sqlite", SqliteSource),
        ("mysql", DbapiSource),
        ("redshift", DbapiSource),
        ("snowflake", AdbcSource),
    ],
)
def test_the_type_of_the_connection_decides(kind, source):
    connection = Connection(kind, extra={"account": "a"})
    found = source_for(connection, object, SELECTION)
    assert isinstance(found, source)
    assert found.selection is SELECTION


def test_adbc_needs_no_hook():
    assert isinstance(source_for(SNOWFLAKE, None, SELECTION), AdbcSource)


@pytest.mark.usefixtures("nothing_installed")
def test_without_its_driver_a_cursor_does(caplog):
    caplog.set_level("INFO")
    assert isinstance(source_for(SNOWFLAKE, object, SELECTION), DbapiSource)
    assert "mend: pip install adbc-driver-snowflake" in caplog.text


def test_what_the_driver_has_no_option_for_is_left_to_the_hook(caplog):
    caplog.set_level("INFO")
    extra = {"account": "a", "session_parameters": {"x": 1}}
    connection = Connection("snowflake", extra=extra)
    assert isinstance(source_for(connection, object, SELECTION), DbapiSource)
    assert "has no option for session_parameters" in caplog.text
    with pytest.raises(BadConnection, match="no option for session_parameters"):
        source_for(connection, None, SELECTION)


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("snowflake", "mend: pip install adbc-driver-snowflake"),
        ("duckdb", "mend: pip install duckdb"),
        ("oracle", "mend: the Airflow provider of 'oracle', or a connection of type adbc"),
    ],
)
def test_what_is_missing_is_named(kind, message):
    connection = Connection(kind, "db", extra={"account": "a"})
    with pytest.raises(BadConnection, match=f"^connection 'wh': .*{message}"):
        source_for(connection, None, SELECTION)


def test_adbc_to_sqlite_is_sqlite(tmp_path):
    path = tmp_path / "wh.db"
    with sqlite3.connect(path) as database:
        database.execute("create table t as select 1 as a")
    database.close()
    for uri in (str(path), f"file:{path}?mode=ro"):
        extra = {"driver": "adbc_driver_sqlite", "db_kwargs": {"uri": uri}}
        found = source_for(Connection("adbc", extra=extra), object, Selection("wh", table="t"))
        assert isinstance(found, SqliteSource)
        with found.open() as rows, rows.streams[0]() as batches:
            assert [batch.to_pylist() for batch in batches] == [[{"a": 1}]]


def test_adbc_to_postgres_is_postgres(monkeypatch):
    connection = Connection("adbc", "postgresql://u@db/wh", extra={"dialect": "postgresql"})
    assert isinstance(source_for(connection, object, SELECTION), PostgresSource)
    monkeypatch.setattr(sources, "find_spec", lambda _: None)
    with pytest.raises(BadConnection, match="mend: psycopg2-binary"):
        source_for(connection, object, SELECTION)


@pytest.mark.parametrize("kind", ["sqlite", "mysql", "snowflake"])
def test_partitions_without_a_common_snapshot_are_refused(kind):
    selection = Selection("wh", table="t", partitions=2)
    with pytest.raises(BadQuery, match=r"^wh: partitions=2: .*; mend: partitions=1"):
        source_for(Connection(kind, extra={"account": "a"}), object, selection)


def test_any_hook_that_gives_a_connection_does():
    def raw_connection():
        return "raw"

    engine = SimpleNamespace(raw_connection=raw_connection)
    hooks = [
        SimpleNamespace(get_conn=lambda: "own"),
        SimpleNamespace(get_sqlalchemy_engine=lambda: engine),
    ]
    assert [hook_connect(hook)() for hook in hooks] == ["own", "raw"]
    assert hook_connect(object()) is None


SECRET = "no-one-may-see-me"


@pytest.mark.parametrize(
    ("driver", "uri"),
    [
        ("adbc_driver_postgresql", f"postgresql//etl:{SECRET}@db/sales"),
        ("adbc_driver_postgresql", f"postgresql://etl:{SECRET}/2@db/sales"),
        ("adbc_driver_postgresql", f"postgresql://etl:x@{SECRET}@db/sales"),
        ("adbc_driver_postgresql", f"host=db password=x {SECRET}"),
        ("adbc_driver_flightsql", f"grpc://etl:{SECRET} @db:1"),
        ("adbc_driver_flightsql", f"grpc://etl:{SECRET}@db:port"),
        ("adbc_driver_flightsql", f"grpc://etl:x@{SECRET}@db:port"),
    ],
)
def test_a_uri_that_can_not_be_read_is_not_shown(driver, uri):
    connection = Connection("adbc", host=uri, extra={"driver": driver})
    source = source_for(connection, None, Selection("wh", query="select 1"))
    with pytest.raises(BadConnection, match="connection 'wh': ") as caught, source.open():
        pass
    assert SECRET not in "".join(traceback.format_exception(caught.value))
