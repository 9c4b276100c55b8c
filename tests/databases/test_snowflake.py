"""Snowflake's driver against what answers a login as Snowflake does; BigQuery's without a key.

Neither service runs here, so no row of theirs is read.
"""

from __future__ import annotations

import gzip
import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from airflow_ml_provider.extract.connect import Connection
from airflow_ml_provider.extract.errors import BadConnection, BadQuery, SourceUnavailable
from airflow_ml_provider.extract.selection import Selection
from airflow_ml_provider.extract.sources import source_for

MISSING = {
    "success": False,
    "code": "002003",
    "message": "SQL compilation error: Object 'NOPE' does not exist",
    "data": {"sqlState": "42S02"},
}


class Snowflake(HTTPServer):
    """Knows one user and no table."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.asked = {}


class Answer(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        if self.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        path, given = self.path.partition("?")[0], json.loads(body or b"{}")
        self.server.asked[path] = given
        answer = MISSING
        if path.endswith("login-request"):
            known = given["data"]["PASSWORD"] == "right"
            token = {"token": "t", "masterToken": "m", "parameters": [], "sessionInfo": {}}
            answer = {"success": True, "data": token}
            if not known:
                wrong = "Incorrect username or password was specified."
                answer = {"success": False, "code": "390100", "message": wrong, "data": {}}
        sent = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def server():
    with Snowflake() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def source(port, password, query="select * from nope where a = :a", **parameters):
    extra = {"account": "ab12345", "warehouse": "W", "host": "127.0.0.1", "port": port}
    connection = Connection(
        "snowflake", login="me", password=password, schema="S", extra={**extra, "protocol": "http"}
    )
    return source_for(connection, None, Selection("wh", query, parameters=parameters))


def test_a_wrong_password_is_no_reason_to_try_again(server):
    with (
        pytest.raises(BadConnection, match=r"'wh': .*Incorrect username or password") as error,
        source(server.server_port, "wrong", a=1).open(),
    ):
        pass
    assert "wrong" not in str(error.value)
    login = server.asked["/session/v1/login-request"]["data"]
    assert (login["ACCOUNT_NAME"], login["LOGIN_NAME"]) == ("ab12345", "me")


def test_values_are_bound(server):
    injection = "'; drop table t; --"
    with (
        pytest.raises(BadQuery, match=r"wh: .*Object 'NOPE' does not exist"),
        source(server.server_port, "right", a=injection).open(),
    ):
        pass
    asked = server.asked["/queries/v1/query-request"]
    assert asked["sqlText"] == "select * from nope where a = ?"
    assert asked["bindings"]["1"]["value"] == injection


def test_no_server(server, monkeypatch):
    port = server.server_port
    server.shutdown()
    server.server_close()
    found = source(port, "right", a=1)
    timeout = "adbc.snowflake.sql.client_option.login_timeout"
    monkeypatch.setitem(found.database.options, timeout, "1s")
    with pytest.raises(SourceUnavailable, match=r"wh: .*refused"), found.open():
        pass


@pytest.mark.parametrize(
    "extra", [{"key_path": "/nope/key.json"}, {"keyfile_dict": {"type": "nonsense"}}]
)
def test_bigquery_without_a_key(extra):
    connection = Connection("gcpbigquery", extra={"project": "p", **extra})
    found = source_for(connection, None, Selection("wh", "select 1 as a"))
    with (
        pytest.raises(BadConnection, match=r"^connection 'wh': adbc-driver-bigquery: "),
        found.open(),
    ):
        pass
