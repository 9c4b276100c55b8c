"""An Airflow connection without Airflow: from its secret to a DB-API connection.

The secret is what Airflow's own secrets backend would read: a URI, or JSON with the connection's
fields. No error here holds any of it.
https://airflow.apache.org/docs/apache-airflow/stable/howto/connection.html#uri-format
https://airflow.apache.org/docs/apache-airflow-providers-amazon/stable/secrets-backends/aws-secrets-manager.html
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from airflow_ml_provider.extract.errors import BadConnection

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

# Airflow's names of the fields of a JSON secret.
_FIELDS = {
    "kind": ("conn_type", "conn_id", "connection_type", "engine"),
    "host": ("host", "remote_host", "server"),
    "port": ("port",),
    "login": ("login", "user", "username", "user_name"),
    "password": ("password", "pass", "key"),
    "schema": ("database", "schema"),
    "extra": ("extra",),
}
# Extras that Airflow's hook reads itself; all others are options of libpq.
_NOT_LIBPQ = {"aws_conn_id", "cursor", "iam", "sqlalchemy_query", "sqlalchemy_scheme"}
_MYSQL_OPTIONS = {"charset", "connect_timeout", "unix_socket"}
_MYSQL_PORT = 3306


@dataclass(frozen=True)
class Connection:
    """The fields of an Airflow connection."""

    kind: str
    host: str = ""
    port: int | None = None
    login: str | None = None
    password: str | None = field(default=None, repr=False)
    schema: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)


def from_airflow(connection: Any) -> Connection:
    """Give the fields of Airflow's own connection."""
    return Connection(
        kind=_kind(connection.conn_type or ""),
        host=connection.host or "",
        port=connection.port,
        login=connection.login,
        password=connection.password,
        schema=connection.schema or "",
        extra=dict(connection.extra_dejson),
    )


def connector(conn_id: str, connection: Connection) -> Callable[[], Any] | None:
    """Give what opens the connection, as the sources take it; None for a type only ADBC can open.

    SQLite, PostgreSQL (psycopg2 or psycopg) and MySQL (mysqlclient or PyMySQL), with whichever
    driver is installed. Options come from the URI's query or from ``extra``.

    :raises BadConnection: the connection needs Airflow, or no driver is there.
    """
    if str(connection.extra.get("iam", "")).lower() not in ("", "false"):
        raise BadConnection(
            f"connection {conn_id!r}: extra iam=true is not supported in a job without Airflow; "
            "give a login and a password"
        )
    opens = _OPENERS.get(connection.kind)
    return opens(conn_id, connection) if opens else None


def parse(conn_id: str, secret: str) -> Connection:
    """Read a connection's URI or JSON.

    :raises BadConnection: it is neither; the message says what is wrong, not what was given.
    """
    try:
        text = secret.strip()
        return _from_json(json.loads(text)) if text.startswith("{") else _from_uri(text)
    except (ValueError, TypeError, AttributeError):
        # The original errors quote what they could not read.
        raise BadConnection(
            f"connection {conn_id!r}: its secret is neither a connection URI "
            "(<type>://<login>:<password>@<host>:<port>/<schema>?<options>, with special "
            "characters percent-encoded) nor a JSON object with conn_type, host, port, login, "
            "password, schema and extra"
        ) from None


def _from_json(document: Mapping[str, Any]) -> Connection:
    found: dict[str, Any] = {
        name: next((document[word] for word in words if document.get(word)), None)
        for name, words in _FIELDS.items()
    }
    extra = found["extra"] or {}
    return Connection(
        kind=_kind(found["kind"]),
        host=str(found["host"] or ""),
        port=int(found["port"]) if found["port"] else None,
        login=found["login"],
        password=found["password"],
        schema=str(found["schema"] or ""),
        extra=dict(json.loads(extra) if isinstance(extra, str) else extra),
    )


def _from_uri(uri: str) -> Connection:
    parts = urlsplit(uri)
    if not parts.scheme or "://" not in uri:
        raise ValueError
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if "__extra__" in options:
        options = dict(json.loads(options["__extra__"]))
    host = unquote(parts.hostname or "")
    if "/" in host:  # a file: `hostname` would be in lower case
        host = unquote(parts.netloc.rpartition("@")[2].partition(":")[0])
    return Connection(
        kind=_kind(parts.scheme),
        host=host,
        port=parts.port,
        login=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        schema=unquote(parts.path[1:]),
        extra=options,
    )


def _kind(name: str) -> str:
    kind = name.lower().replace("-", "_")
    return "postgres" if kind == "postgresql" else kind


def _sqlite(_: str, connection: Connection) -> Callable[[], Any]:
    schema = connection.schema.lstrip("/")
    path = connection.host or (f"/{schema}" if schema else ":memory:")
    options = urlencode(connection.extra)
    uri = f"file:{quote(path)}{f'?{options}' if options else ''}"
    return lambda: sqlite3.connect(uri, uri=True)


def _postgres(conn_id: str, connection: Connection) -> Callable[[], Any]:
    driver = _driver(conn_id, "postgres", {"psycopg2": "psycopg2-binary", "psycopg": "psycopg"})
    options = {
        "host": connection.host,
        "port": connection.port,
        "user": connection.login,
        "password": connection.password,
        "dbname": connection.schema,
        **{key: value for key, value in connection.extra.items() if key not in _NOT_LIBPQ},
    }
    given = {key: value for key, value in options.items() if value not in (None, "")}
    return lambda: driver.connect(**given)


def _mysql(conn_id: str, connection: Connection) -> Callable[[], Any]:
    driver = _driver(conn_id, "mysql", {"MySQLdb": "mysqlclient", "pymysql": "PyMySQL"})
    options = {
        key: value
        for key, value in connection.extra.items()
        if key in _MYSQL_OPTIONS or key.startswith("ssl")
    }
    if isinstance(options.get("ssl"), str):
        try:
            options["ssl"] = json.loads(options["ssl"])
        except ValueError:
            raise BadConnection(
                f"connection {conn_id!r}: its extra ssl must be a JSON object, e.g. "
                '{"ca": "/path/to/ca.pem"}'
            ) from None

    def connect() -> Any:
        try:
            return driver.connect(
                host=connection.host or "localhost",
                port=connection.port or _MYSQL_PORT,
                user=connection.login,
                password=connection.password or "",
                database=connection.schema,
                **options,
            )
        except TypeError as error:
            # An option of the other driver: without it the connection might not be encrypted.
            raise BadConnection(
                f"connection {conn_id!r}: {driver.__name__} refuses one of the options "
                f"{', '.join(sorted(options))}: {error}"
            ) from error

    return connect


def _driver(conn_id: str, kind: str, packages: Mapping[str, str]) -> ModuleType:
    for name in packages:
        with suppress(ImportError):
            return import_module(name)
    raise BadConnection(
        f"connection {conn_id!r}: no driver for {kind} is installed; it takes "
        f"{' or '.join(packages.values())}: give one of them as requirements of the extract"
    )


_OPENERS: Mapping[str, Callable[[str, Connection], Callable[[], Any]]] = {
    "sqlite": _sqlite,
    "postgres": _postgres,
    "mysql": _mysql,
}
