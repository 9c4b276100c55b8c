from __future__ import annotations

import sqlite3
from threading import Event, Thread, get_ident
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from airflow_ml_provider.extract.dbapi.session import session
from airflow_ml_provider.extract.errors import BadQuery, SourceUnavailable


def memory():
    return sqlite3.connect(":memory:")


def test_all_calls_are_in_one_thread_that_is_not_ours():
    with session("wh", memory) as opened:
        threads = {opened.call(get_ident) for _ in range(3)}
        # sqlite3 would refuse another thread than that of its connection.
        assert opened.call(lambda: opened.connection.execute("select 1").fetchone()) == (1,)
    assert len(threads) == 1
    assert get_ident() not in threads


def test_errors_are_ours():
    with session("wh", memory) as opened, pytest.raises(BadQuery, match=r"^wh: .*no such table"):
        opened.call(lambda: opened.connection.execute("select * from nope"))
    with pytest.raises(SourceUnavailable, match=r"^wh: "), session("wh", Mock(side_effect=OSError)):
        pass
    with pytest.raises(BadQuery, match="no DB-API connection"), session("wh", object):
        pass


def test_the_connection_is_closed_in_its_thread():
    with session("wh", memory) as opened:
        pass
    with pytest.raises(sqlite3.ProgrammingError):
        opened.connection.execute("select 1")
    with pytest.raises(SourceUnavailable, match="reading was ended"):
        opened.call(get_ident)


def test_leaving_ends_what_runs():
    endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n"
    failures, running = [], Event()

    def run(opened):
        def work():
            running.set()
            return opened.connection.execute(endless).fetchall()

        with pytest.raises((BadQuery, SourceUnavailable)) as error:
            opened.call(work)
        failures.append(error.value)

    with session("wh", memory) as opened:
        thread = Thread(target=run, args=[opened])
        thread.start()
        assert running.wait(10)
    thread.join(10)
    assert "interrupted" in str(failures[0])


def test_mysql_is_cancelled_over_another_connection(fake_module):
    kind = type("Connection", (), {"__module__": fake_module("pymysql").__name__})
    connection, other = kind(), Mock()
    connection.thread_id, connection.close = Mock(return_value=7), Mock()
    connections = iter([connection, other])
    with session("wh", lambda: next(connections)) as opened:
        opened.cancel()
    other.cursor.return_value.execute.assert_called_once_with("kill query 7")
    other.close.assert_called_once_with()


def test_other_drivers_cancel_as_they_do(fake_module):
    kind = type("Connection", (), {"__module__": fake_module("oracledb").__name__})
    connection = kind()
    connection.cancel, connection.close = Mock(), Mock()
    with session("wh", lambda: connection) as opened:
        opened.cancel()
    connection.cancel.assert_called_once_with()


def test_pymysql_does_not_read_the_rest(fake_module):
    kind = type("Connection", (), {"__module__": fake_module("pymysql").__name__})
    connection = kind()
    connection._result, connection.close = SimpleNamespace(unbuffered_active=True), Mock()
    with session("wh", lambda: connection):
        pass
    assert not connection._result.unbuffered_active
    connection.close.assert_called_once_with()
