from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from datetime import date, datetime, timezone
from types import ModuleType
from unittest.mock import Mock

import pytest

from airflow_ml_provider.extract.driver import Driver, driver_errors
from airflow_ml_provider.extract.errors import BadQuery, SourceUnavailable
from airflow_ml_provider.extract.statement import Statement


def test_the_module_is_found_above_the_class(fake_module):
    module = fake_module("vendor.connector")
    connection = type("Connection", (), {"__module__": "vendor.connector.connection_cext"})
    wrapped = type("Wrapped", (connection,), {"__module__": "somewhere.else"})
    assert Driver.of(wrapped) == Driver(module)
    assert Driver.of(int) is None


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ProgrammingError", BadQuery),
        ("DataError", BadQuery),
        ("NotSupportedError", BadQuery),
        ("OperationalError", SourceUnavailable),
        ("InterfaceError", SourceUnavailable),
        ("DatabaseError", SourceUnavailable),
    ],
)
def test_errors_by_class(fake_module, name, kind):
    error = getattr(fake_module("psycopg2"), name)("boom")
    with pytest.raises(kind, match=r"warehouse: .*boom"), driver_errors("warehouse"):
        raise error


@pytest.mark.parametrize(
    ("code", "kind"),
    [(1054, BadQuery), (1064, BadQuery), (1205, SourceUnavailable), (2013, SourceUnavailable)],
)
def test_mysql_errors_by_code(fake_module, code, kind):
    error = fake_module("pymysql").OperationalError(code, "boom")
    with pytest.raises(kind), driver_errors("warehouse"):
        raise error


def test_network_errors_are_retryable_and_others_pass():
    with pytest.raises(SourceUnavailable), driver_errors("warehouse"):
        raise ConnectionRefusedError
    with pytest.raises(KeyError), driver_errors("warehouse"):
        raise KeyError


@pytest.mark.parametrize("sql", ["select * from nope", "selec 1", "select ?"])
def test_sqlite_refuses_a_query(sql):
    with (
        closing(sqlite3.connect(":memory:")) as connection,
        pytest.raises(BadQuery),
        driver_errors("warehouse"),
    ):
        connection.execute(sql)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="sqlite3 gives no error codes")
def test_sqlite_is_busy_or_away(tmp_path):
    with pytest.raises(SourceUnavailable), driver_errors("warehouse"):
        sqlite3.connect(tmp_path / "no" / "folder.db")
    holder = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    holder.execute("begin exclusive")
    waiting = sqlite3.connect(tmp_path / "a.db", timeout=0)
    with pytest.raises(SourceUnavailable), driver_errors("warehouse"):
        waiting.execute("select * from sqlite_master")
    holder.close()
    waiting.close()


@pytest.mark.parametrize("name", ["MySQLdb", "pymysql"])
def test_mysql_streams(fake_module, monkeypatch, name):
    cursors = ModuleType(f"{name}.cursors")
    cursors.SSCursor = object()
    monkeypatch.setitem(sys.modules, f"{name}.cursors", cursors)
    connection = Mock()
    Driver(fake_module(name)).cursor(connection)
    connection.cursor.assert_called_once_with(cursors.SSCursor)


def test_other_drivers_stream_as_they_do(fake_module):
    connection = Mock()
    driver = Driver(fake_module("mysql.connector"))
    assert driver.cursor(connection, text=True) is connection.cursor.return_value
    connection.cursor.assert_called_once_with(raw=True, buffered=False, dictionary=False)
    assert Driver(fake_module("oracledb")).cursor(connection) is connection.cursor.return_value
    assert not driver.escape_percent


def test_sqlite_gives_tuples_and_takes_times():
    connection = sqlite3.connect(":memory:")
    connection.row_factory = lambda *_: {}
    driver = Driver.of(type(connection))
    cursor = driver.cursor(connection)
    noon = datetime(2013, 1, 1, 12, tzinfo=timezone.utc)
    driver.execute(cursor, Statement("select ?, ?, ?", (noon, date(2013, 1, 1), 1)))
    assert cursor.fetchall() == [("2013-01-01 12:00:00+00:00", "2013-01-01", 1)]
    connection.close()
