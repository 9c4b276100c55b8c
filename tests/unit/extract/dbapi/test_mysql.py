"""What the drivers differ in; tests/databases reads a real MariaDB."""

from __future__ import annotations

from contextlib import nullcontext
from unittest.mock import Mock

import pyarrow as pa
import pytest

from airflow_ml_provider.extract.arrow_types import FIT_ERRORS
from airflow_ml_provider.extract.dbapi import mysql
from airflow_ml_provider.extract.dbapi.session import session
from airflow_ml_provider.extract.selection import Selection

INT, DECIMAL, VARCHAR = 3, 246, 253


@pytest.fixture
def described(fake_module):
    """Give the description of a selection by a driver whose cursors answer one after the other."""

    def describe(name, *answers):
        kind = type("Connection", (), {"__module__": fake_module(name).__name__})
        connection = kind()
        members = ("set_character_set", "set_charset_collation", "close", "cursor")
        for member in members:
            setattr(connection, member, Mock())
        cursors = [Mock(), *answers]
        connection.cursor.side_effect = cursors
        with session("wh", lambda: connection) as opened:
            return mysql.describe(opened, Selection("wh", table="t")), cursors, connection

    return describe


def cursor(description, rows=(), **members):
    return Mock(description=description, fetchall=Mock(return_value=rows), **members)


def test_mysqlclient_is_asked_for_the_character_set(described, monkeypatch):
    streaming = Mock()
    monkeypatch.setitem(__import__("sys").modules, "MySQLdb.cursors", streaming)
    columns = [("a`b", VARCHAR, 0, 20, 20, 0, 1), ("b", VARCHAR, 0, 5, 5, 0, 1)]
    answers = [
        cursor(columns, description_flags=(128, 128)),
        cursor([], [(b"utf8mb4", b"binary")]),
    ]
    found, cursors, connection = described("MySQLdb", *answers)
    assert found.types == {"a`b": pa.string(), "b": pa.binary()}
    text = cursors[2].execute.call_args.args[0]
    assert text == "select charset(max(`a``b`)), charset(max(`b`)) from `t` where (1 = 0)"
    connection.set_character_set.assert_called_once_with("utf8mb4")
    assert connection.converter == {}


def test_mysql_connector_tells_no_precision(described):
    rest = (None, None, None, None, 1)
    columns = [("n", INT, *rest, 32, 63), ("d", DECIMAL, *rest, 0, 63)]
    found, cursors, connection = described("mysql.connector", cursor(columns))
    assert found.types == {"n": pa.uint32()}
    assert found.problems == {
        "d": "is DECIMAL, whose precision mysql-connector does not tell; mysqlclient does"
    }
    assert found.select == "*"
    connection.set_charset_collation.assert_called_once_with("utf8mb4")
    assert "time_zone = '+00:00'" in cursors[0].execute.call_args.args[0]


def test_a_driver_that_gives_values():
    assert not mysql.sends_text(Mock(name="mariadb"))


@pytest.mark.parametrize(
    ("values", "target", "context"),
    [
        ([b"1.50", None], pa.decimal128(9, 2), nullcontext()),
        (["00007"], pa.uint32(), nullcontext()),
        ([b"\xff"], pa.binary(), nullcontext()),
        ([b"\xff"], pa.string(), pytest.raises(FIT_ERRORS)),
        (["0000-00-00"], pa.date32(), pytest.raises(FIT_ERRORS)),
        (["-00:00:01"], pa.time64("us"), pytest.raises(FIT_ERRORS)),
    ],
)
def test_text_of_the_server(values, target, context):
    with context:
        assert mysql.from_text(values, target).type == target
