"""The Flight SQL driver against a server that speaks Flight SQL."""

from __future__ import annotations

import pytest
from flight_sql_server import FlightSqlServer

from airflow_ml_provider.extract.adbc.source import AdbcSource
from airflow_ml_provider.extract.connect import Connection
from airflow_ml_provider.extract.errors import BadConnection, BadQuery, SourceUnavailable
from airflow_ml_provider.extract.selection import Selection, Window
from airflow_ml_provider.extract.sources import source_for


@pytest.fixture
def server():
    with FlightSqlServer("hush") as server:
        yield server


def connections(port, token="hush"):
    """The same server by the two types of connection."""
    uri = f"grpc://127.0.0.1:{port}"
    header = {"adbc.flight.sql.authorization_header": f"Bearer {token}"}
    return [
        Connection("flightsql", "127.0.0.1", port, extra={"tls": False, "token": token}),
        Connection("adbc", uri, extra={"driver": "adbc_driver_flightsql", "db_kwargs": header}),
    ]


def source(connection, query=None, **fields):
    found = source_for(connection, None, Selection("wh", query, **fields))
    assert isinstance(found, AdbcSource)
    return found


@pytest.mark.parametrize("which", [0, 1])
def test_rows_arrive(server, read, which):
    connection = connections(server.port)[which]
    table = read(source(connection, table="n", columns={"i": "int32"}))
    assert table["i"].to_pylist() == list(range(100_000))


def test_values_are_bound(server, read):
    (connection, _) = connections(server.port)
    rows = read(source(connection, "select :a as a, 'x' as b", parameters={"a": "'; --"}))
    assert rows.to_pylist() == [{"a": "'; --", "b": "x"}]


def test_a_window_and_its_highest_value(server, read):
    found = source(connections(server.port)[0], table="n", window=Window("i", 1, 3))
    assert read(found)["i"].to_pylist() == [2, 3]
    assert found.highest("i", 5) == (99_999, 0)


def test_a_bad_query(server, read):
    with pytest.raises(BadQuery, match=r"wh: the database refuses the query: .*nope"):
        read(source(connections(server.port)[0], "select * from nope"))


def test_a_wrong_token_is_no_reason_to_try_again(server, read):
    with pytest.raises(BadConnection, match=r"'wh': .*no such token"):
        read(source(connections(server.port, "other")[0], table="n"))


def test_a_connection_that_is_lost_in_the_middle(read):
    with (
        FlightSqlServer(broken=50_000) as server,
        pytest.raises(SourceUnavailable, match=r"wh: .*going away"),
    ):
        read(source(connections(server.port)[0], table="n"))


def test_no_server(server, read):
    connection = connections(server.port)[0]
    server.shutdown()
    with pytest.raises(SourceUnavailable, match=r"wh: .*refused"):
        read(source(connection, table="n"))
