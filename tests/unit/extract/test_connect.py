from __future__ import annotations

import json
import sys
from types import ModuleType, SimpleNamespace

import pytest

from airflow_ml_provider.extract import connect
from airflow_ml_provider.extract.connect import (
    BadConnection,
    Connection,
    connector,
    from_airflow,
    parse,
)

PASSWORD = "p@ss:/w?rd#1"
QUOTED = "p%40ss%3A%2Fw%3Frd%231"
EXTRA = "%7B%22sslmode%22%3A+%22require%22%7D"


def driver(monkeypatch, name, error=None):
    """Put a DB-API module in the place of a driver; give the options that it gets."""
    given = []
    module = ModuleType(name)

    def open_connection(**options):
        given.append(options)
        if error:
            raise error
        return "connection"

    module.connect = open_connection
    monkeypatch.setitem(sys.modules, name, module)
    return given


def missing(monkeypatch, *names):
    for name in names:
        monkeypatch.setitem(sys.modules, name, None)


@pytest.mark.parametrize(
    "secret",
    [
        f"postgres://us%40er:{QUOTED}@db.example.com:5433/warehouse?sslmode=require",
        f"postgresql://us%40er:{QUOTED}@db.example.com:5433/warehouse?sslmode=require",
        f"postgres://us%40er:{QUOTED}@db.example.com:5433/warehouse?__extra__={EXTRA}",
        json.dumps(
            {
                "conn_type": "postgresql",
                "host": "db.example.com",
                "port": "5433",
                "login": "us@er",
                "password": PASSWORD,
                "schema": "warehouse",
                "extra": '{"sslmode": "require"}',
            }
        ),
        json.dumps(  # as RDS names the fields
            {
                "engine": "postgres",
                "host": "db.example.com",
                "port": 5433,
                "username": "us@er",
                "password": PASSWORD,
                "database": "warehouse",
                "extra": {"sslmode": "require"},
            }
        ),
    ],
)
def test_every_form_of_a_secret_means_the_same(secret):
    assert parse("warehouse", secret) == Connection(
        kind="postgres",
        host="db.example.com",
        port=5433,
        login="us@er",
        password=PASSWORD,
        schema="warehouse",
        extra={"sslmode": "require"},
    )


def test_secrets_are_not_shown():
    shown = repr(parse("warehouse", f"mysql://u:{QUOTED}@db/x?token=hush"))
    assert PASSWORD not in shown
    assert "hush" not in shown


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "hush",
        "postgres:hush",
        "postgres://u:hu:sh@db:5432:x/y",
        "postgres://u:p@db:hush/y",
        "postgres://[hush/y",
        "postgres://u:p@db/y?__extra__=hush",
        '{"hush": ',
        '{"host": "hush"}',
        '{"conn_type": "mysql", "port": "hush"}',
        '{"conn_type": "mysql", "extra": "hush"}',
        '{"conn_type": "mysql", "extra": "[\\"hush\\"]"}',
    ],
)
def test_what_is_no_connection_is_refused_without_showing_it(secret):
    with pytest.raises(BadConnection) as caught:
        parse("warehouse", secret)
    assert str(caught.value).startswith(
        "connection 'warehouse': its secret is neither a connection URI (<type>://"
    )
    assert "hush" not in str(caught.value)
    assert caught.value.__suppress_context__


def opener(secret):
    return connector("warehouse", parse("warehouse", secret))


def test_a_type_that_only_adbc_can_open_has_no_opener():
    assert opener("snowflake://u:hush@account/db") is None


def test_the_fields_of_airflows_own_connection():
    airflow = SimpleNamespace(
        conn_type="google-cloud-platform",
        host=None,
        port=None,
        login=None,
        password="hush",
        schema=None,
        extra_dejson={"project": "p"},
    )
    assert from_airflow(airflow) == Connection(
        "google_cloud_platform", password="hush", extra={"project": "p"}
    )


def test_iam_logins_are_refused():
    with pytest.raises(BadConnection, match="extra iam=true is not supported"):
        opener("postgres://u@db/x?iam=true")


@pytest.mark.parametrize(
    "form",
    [
        "sqlite:///{path}",
        "sqlite:////{path}",
        "sqlite://%2F{quoted}",
        '{{"conn_type": "sqlite", "host": "/{path}"}}',
        '{{"conn_type": "sqlite", "schema": "/{path}"}}',
    ],
)
def test_sqlite_opens_the_file(form, tmp_path):
    file = tmp_path / "Ware house#1.db"
    path = str(file)[1:].replace(" ", "%20").replace("#", "%23")
    quoted = path.replace("/", "%2F")
    if form.startswith("{"):
        path = str(file)[1:]
    opened = opener(form.format(path=path, quoted=quoted))()
    opened.execute("create table t (a integer)")
    opened.close()
    assert file.exists()


def test_options_of_sqlite_come_from_the_query(tmp_path):
    path = tmp_path / "warehouse.db"
    path.touch()
    opened = opener(f"sqlite:///{path}?mode=ro")()
    with pytest.raises(connect.sqlite3.OperationalError, match="readonly"):
        opened.execute("create table t (a integer)")
    opened.close()


def test_sqlite_without_a_file_is_in_memory():
    opened = opener("sqlite://")()
    assert opened.execute("select 1").fetchall() == [(1,)]
    opened.close()


def test_postgres_gets_the_options_of_libpq(monkeypatch):
    given = driver(monkeypatch, "psycopg2")
    secret = "postgres://u:p@db/warehouse?sslmode=verify-full&cursor=dictcursor&iam=false"
    assert opener(secret)() == "connection"
    assert given == [
        {
            "host": "db",
            "user": "u",
            "password": "p",
            "dbname": "warehouse",
            "sslmode": "verify-full",
        }
    ]


def test_the_other_driver_of_postgres_is_as_good(monkeypatch):
    missing(monkeypatch, "psycopg2")
    given = driver(monkeypatch, "psycopg")
    opener("postgres://db")()
    assert given == [{"host": "db"}]


def test_mysql_gets_its_options(monkeypatch):
    given = driver(monkeypatch, "MySQLdb")
    opener("mysql://u:p@db:3307/sales?charset=utf8mb4&ssl_mode=REQUIRED&x=y")()
    secret = {"conn_type": "mysql", "login": "u", "extra": {"ssl": '{"ca": "/ca.pem"}'}}
    opener(json.dumps(secret))()
    common = {"user": "u"}
    assert given == [
        {
            **common,
            "host": "db",
            "port": 3307,
            "password": "p",
            "database": "sales",
            "charset": "utf8mb4",
            "ssl_mode": "REQUIRED",
        },
        {
            **common,
            "host": "localhost",
            "port": 3306,
            "password": "",
            "database": "",
            "ssl": {"ca": "/ca.pem"},
        },
    ]


def test_ssl_of_mysql_must_be_an_object(monkeypatch):
    driver(monkeypatch, "MySQLdb")
    with pytest.raises(BadConnection, match="its extra ssl must be a JSON object"):
        opener("mysql://u:hush@db/x?ssl=yes")


def test_an_option_that_the_driver_lacks_is_no_silent_loss(monkeypatch):
    missing(monkeypatch, "MySQLdb")
    driver(monkeypatch, "pymysql", TypeError("unexpected keyword argument 'ssl_mode'"))
    with pytest.raises(BadConnection) as caught:
        opener("mysql://u:hush@db/x?ssl_mode=REQUIRED")()
    assert str(caught.value) == (
        "connection 'warehouse': pymysql refuses one of the options ssl_mode: "
        "unexpected keyword argument 'ssl_mode'"
    )


def test_a_missing_driver_names_those_that_would_do(monkeypatch):
    missing(monkeypatch, "MySQLdb", "pymysql")
    with pytest.raises(BadConnection) as caught:
        opener("mysql://db")
    assert str(caught.value) == (
        "connection 'warehouse': no driver for mysql is installed; it takes mysqlclient or "
        "PyMySQL: give one of them as requirements of the extract"
    )
