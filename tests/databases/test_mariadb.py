"""Bad input, lost connections and bounds of memory on a real MariaDB."""

from __future__ import annotations

import gc
import threading
import time
from contextlib import closing
from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
import pymysql
import pytest

from airflow_ml_provider.extract.connect import Connection, connector
from airflow_ml_provider.extract.dbapi.source import DbapiSource
from airflow_ml_provider.extract.errors import BadQuery, SourceUnavailable
from airflow_ml_provider.extract.selection import Selection, Window
from airflow_ml_provider.extract.sources import source_for

INJECTION = "'; drop table t; -- \\' %s \x00 😀"


@pytest.fixture(autouse=True)
def garbage():
    yield
    gc.collect()


@pytest.fixture
def source(mariadb):
    def make(query=None, **fields):
        return DbapiSource(Selection("wh", query, **fields), lambda: pymysql.connect(**mariadb))

    return make


@pytest.fixture
def many(run):
    run(
        "create table n (i int primary key, s char(40))",
        "insert into n select seq, seq from seq_1_to_200000",
    )


def test_a_connection_is_read_from_its_secret(mariadb, run, read):
    run("create table t (a int)", "insert into t values (7)")
    connection = Connection(
        "mysql",
        login=mariadb["user"],
        schema=mariadb["database"],
        extra={"unix_socket": mariadb["unix_socket"]},
    )
    selection = Selection("wh", table="t")
    found = source_for(connection, connector("wh", connection), selection)
    assert read(found).to_pylist() == [{"a": 7}]


def test_an_injection_is_data(run, read, source):
    run("create table t (a text)", "insert into t values ('x')")
    query = "select :value as v, '100%' as p, a from t where a <> :value -- :value '"
    assert read(source(query, parameters={"value": INJECTION})).to_pylist() == [
        {"v": INJECTION, "p": "100%", "a": "x"}
    ]
    assert run("select count(*) from t") == ((1,),)


def test_names_with_quotes_and_unicode(run, read, source):
    run(
        'create table `ta``ble "ü` (`c``o\'l "😀` float)'.replace("😀", "é"),
        'insert into `ta``ble "ü` values (0.1)',
    )
    table = read(source(table='ta`ble "ü'))
    assert table.schema.names == ["c`o'l \"é"]
    assert table.schema.types == [pa.float32()]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("select * from nope", "nope' doesn't exist"),
        ("selec 1", "error in your SQL syntax"),
        ("select 1 as a, 2 as a", "Duplicate column name 'a'"),
        ("drop table t", "error in your SQL syntax"),
        ("select :a", "parameters: the query uses :a"),
    ],
)
def test_bad_queries(run, read, source, query, message):
    run("create table t (a int)")
    with pytest.raises(BadQuery, match=f"^wh: .*{message}"):
        read(source(query))
    assert run("select count(*) from t") == ((0,),)


# PyMySQL leaves a socket that could not connect to the garbage collector.
@pytest.mark.filterwarnings("ignore:.*<socket.socket:pytest.PytestUnraisableExceptionWarning")
def test_no_server(mariadb, read):
    given = {**mariadb, "unix_socket": "/nope/socket"}
    source = DbapiSource(Selection("wh", "select 1 as a"), lambda: pymysql.connect(**given))
    with pytest.raises(SourceUnavailable, match=r"^wh: "):
        read(source)


def test_partitions_are_refused_with_the_reason(source):
    with pytest.raises(BadQuery, match=r"^wh: partitions=4: .* only PostgreSQL can; mend: "):
        source(table="t", partitions=4)


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("how", ["kill", "kill query"])
def test_a_lost_connection_is_an_error_and_no_end(mariadb, run, how):
    connections = []

    def connect():
        connections.append(pymysql.connect(**mariadb))
        return connections[-1]

    # The third table makes it too long to lie in the sockets' buffers already.
    selection = Selection(
        "wh", "select n.*, m.i as j, repeat(n.s, 99) as t from n join n m on m.i <= 3"
    )
    with DbapiSource(selection, connect).open() as rows, rows.streams[0]() as batches:
        next(batches)
        run(f"{how} {connections[0].thread_id()}")
        with pytest.raises(SourceUnavailable, match=r"^wh: "):
            list(batches)


@pytest.mark.usefixtures("many")
def test_rows_are_of_one_moment(run, source):
    with source("select i, s from n").open() as rows, rows.streams[0]() as batches:
        first = next(batches)
        run("delete from n where i > 10", "insert into n values (2000000, 'new')")
        rest = sum(batch.num_rows for batch in batches)
    assert first.num_rows + rest == 200_000


@pytest.mark.usefixtures("many")
def test_memory_does_not_grow_with_the_rows(source):
    with source(table="n").open(1 << 20) as rows:
        before = pa.total_allocated_bytes()
        with rows.streams[0]() as batches:
            largest = max(pa.total_allocated_bytes() - before for _ in batches)
    assert largest < 8 << 20


@pytest.mark.usefixtures("many")
def test_leaving_early_reads_no_rest(source):
    started = time.monotonic()
    query = "select n.*, m.i as j from n join n m on m.i <= 100"
    with source(query).open() as rows, rows.streams[0]() as batches:
        next(batches)
    assert time.monotonic() - started < 10


@pytest.mark.usefixtures("many")
def test_leaving_ends_a_thread_that_waits_for_the_server(run, source):
    # Rows come at once, and then none for a minute.
    query = "select i, if(i = 3000, sleep(60), 0) as z from n"
    failures, started = [], threading.Event()

    def consume(stream):
        try:
            with stream() as batches:
                for _ in batches:
                    started.set()
        except SourceUnavailable as error:
            failures.append(str(error))

    with source(query).open() as rows:
        thread = threading.Thread(target=consume, args=rows.streams)
        thread.start()
        assert started.wait(30)
    thread.join(30)
    assert not thread.is_alive()
    assert failures
    sleeping = (
        "select count(*) from information_schema.processlist "
        "where info like '%sleep(60)%' and id <> connection_id()"
    )
    assert run(sleeping) == ((0,),)


@pytest.mark.parametrize(
    "column",
    [
        ("int", 1, 3),
        ("decimal(5,2)", Decimal(1), Decimal("3.50")),
        ("date", date(2020, 1, 1), date(2020, 1, 3)),
        ("datetime(6)", datetime(2020, 1, 1), datetime(2020, 1, 1, 0, 0, 0, 1)),  # noqa: DTZ001
        ("varchar(9)", "a", "ü"),
    ],
)
def test_a_window_and_its_highest_value(run, read, source, column):
    kind, after, highest = column
    run(f"create table t (c {kind})", f"insert into t values ('{after}'), ('{highest}'), (null)")
    found = source(table="t", window=Window("c", after, highest))
    assert read(found)["c"].to_pylist() == [highest]
    assert found.highest("c", None) == (highest, 1)
    assert found.highest("c", after) == (highest, 1)
    assert found.highest("c", highest) == (None, 1)
    with pytest.raises(BadQuery, match=r"wh: .*Unknown column 'nope'"):
        found.highest("nope", None)


def test_the_connection_is_closed(mariadb, run, read):
    run("create table t (a int)", "insert into t values (1)")
    connections = []

    def connect():
        connections.append(pymysql.connect(**mariadb))
        return connections[-1]

    read(DbapiSource(Selection("wh", table="t"), connect))
    assert [connection.open for connection in connections] == [False]
    with closing(connect()) as other:
        assert other.open
