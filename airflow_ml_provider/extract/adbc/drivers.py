"""From an Airflow connection to the options of an ADBC driver.

https://arrow.apache.org/adbc/current/driver/installation.html
"""

from __future__ import annotations

import json
import logging
import re
from base64 import b64decode
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow_ml_provider.extract.errors import BadConnection

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_ml_provider.extract.connect import Connection

log = logging.getLogger(__name__)

_SECRET = re.compile("pass|token|credential|key|authorization")
_CREDENTIALS = re.compile(r'://[^"]*@')


@dataclass(frozen=True)
class Database:
    """A driver, by the name of its package, and the options it opens a database with.

    ``unmapped`` are the connection's extras that have no option here.
    """

    module: str
    options: Mapping[str, str] = field(repr=False)
    connection_options: Mapping[str, str] = field(default_factory=dict, repr=False)
    statement_options: Mapping[str, Any] = field(default_factory=dict)
    entrypoint: str | None = None
    unmapped: tuple[str, ...] = ()

    @property
    def installed(self) -> bool:
        """Whether the driver's package is there."""
        return find_spec(self.module) is not None

    @property
    def requirement(self) -> str:
        """What pip installs."""
        return "duckdb" if self.module == "adbc_driver_duckdb" else self.module.replace("_", "-")

    @property
    def backticks(self) -> bool:
        """Whether SQL text is quoted as MySQL's."""
        return self.module == "adbc_driver_bigquery"

    def hidden(self, text: str) -> str:
        """Give what a driver says without what may be secret: some show the whole URI."""
        for name, value in self.options.items():
            if value and _SECRET.search(name):
                text = text.replace(str(value), "***")
        return _CREDENTIALS.sub("://***@", text)


def database(conn_id: str, connection: Connection) -> Database | None:
    """Give the driver and the options for a connection's type, or None for a type without one.

    :raises BadConnection: the connection lacks what its driver needs.
    """
    options_of = _OPTIONS.get(connection.kind)
    return options_of(conn_id, connection, _extras(connection)) if options_of else None


def _extras(connection: Connection) -> dict[str, Any]:
    """Give the extras, without the prefix that older Airflow's forms gave them."""
    short: dict[str, Any] = {}
    for name, value in connection.extra.items():
        key = name.rpartition("__")[2] if name.startswith("extra__") else name
        if value not in (None, ""):
            short.setdefault(key, value)
    return short


_SNOWFLAKE = "adbc.snowflake.sql"
_SNOWFLAKE_CLIENT = f"{_SNOWFLAKE}.client_option"
_SNOWFLAKE_EXTRAS = {
    "account": f"{_SNOWFLAKE}.account",
    "warehouse": f"{_SNOWFLAKE}.warehouse",
    "database": f"{_SNOWFLAKE}.db",
    "region": f"{_SNOWFLAKE}.region",
    "role": f"{_SNOWFLAKE}.role",
    "host": f"{_SNOWFLAKE}.uri.host",
    "port": f"{_SNOWFLAKE}.uri.port",
    "protocol": f"{_SNOWFLAKE}.uri.protocol",
    "application": f"{_SNOWFLAKE_CLIENT}.app_name",
    "client_request_mfa_token": f"{_SNOWFLAKE_CLIENT}.cache_mfa_token",
    "client_store_temporary_credential": f"{_SNOWFLAKE_CLIENT}.store_temp_creds",
    "ocsp_fail_open": f"{_SNOWFLAKE_CLIENT}.ocsp_fail_open_mode",
    "insecure_mode": f"{_SNOWFLAKE_CLIENT}.tls_skip_verify",
}
_SNOWFLAKE_AUTHENTICATORS = {
    "snowflake": "auth_snowflake",
    "externalbrowser": "auth_ext_browser",
    "oauth": "auth_oauth",
    "snowflake_jwt": "auth_jwt",
    "username_password_mfa": "auth_mfa",
    "programmatic_access_token": "auth_pat",
}
_TOKENS = ("auth_oauth", "auth_pat")


def _snowflake(conn_id: str, connection: Connection, extra: dict[str, Any]) -> Database:
    # https://airflow.apache.org/docs/apache-airflow-providers-snowflake/stable/connections/snowflake.html
    if "account" not in extra:
        raise BadConnection(f"connection {conn_id!r}: its extra has no account")
    mapped = {
        option: _text(extra.pop(name))
        for name, option in _SNOWFLAKE_EXTRAS.items()
        if name in extra
    }
    options = {
        **mapped,
        "username": connection.login,
        f"{_SNOWFLAKE}.schema": connection.schema,
        # Numbers as float64 would lose digits.
        f"{_SNOWFLAKE_CLIENT}.use_high_precision": "true",
        f"{_SNOWFLAKE_CLIENT}.login_timeout": "60s",  # it is five minutes otherwise
    }
    authenticator = str(extra.pop("authenticator", "snowflake"))
    key = _private_key(conn_id, extra)
    kind = "auth_jwt" if key else _SNOWFLAKE_AUTHENTICATORS.get(authenticator.lower())
    unmapped = list(extra)
    if key:
        options[f"{_SNOWFLAKE_CLIENT}.jwt_private_key_pkcs8_value"] = key
        options[f"{_SNOWFLAKE_CLIENT}.jwt_private_key_pkcs8_password"] = connection.password
    elif kind in _TOKENS:
        options[f"{_SNOWFLAKE_CLIENT}.auth_token"] = extra.get("token", connection.password)
        unmapped = [name for name in extra if name != "token"]
    else:
        options["password"] = connection.password
    if kind is None and authenticator.startswith("https://"):
        kind = "auth_okta"
        options[f"{_SNOWFLAKE_CLIENT}.okta_url"] = authenticator
    if kind is None:
        unmapped.append(f"authenticator {authenticator}")
    options[f"{_SNOWFLAKE}.auth_type"] = kind
    # The driver's own: 200 batches in ten threads, without a bound in bytes.
    waiting = {"adbc.rpc.result_queue_size": 8, "adbc.snowflake.rpc.prefetch_concurrency": 2}
    return _database("adbc_driver_snowflake", options, unmapped, statement_options=waiting)


def _private_key(conn_id: str, extra: dict[str, Any]) -> str | None:
    path, content = extra.pop("private_key_file", None), extra.pop("private_key_content", None)
    try:
        if path:
            return Path(path).read_text(encoding="ascii")
        if content and not content.startswith("-----BEGIN"):
            return b64decode(content, validate=True).decode("ascii")
    except (OSError, ValueError):
        raise BadConnection(
            f"connection {conn_id!r}: its private key can't be read; private_key_file is the path "
            "of a PEM file, and private_key_content PEM or its base64"
        ) from None
    return str(content) if content else None


_BIGQUERY = "adbc.bigquery.sql"
# What Airflow's own client reads, and a query does not depend on.
_BIGQUERY_IGNORED = ("scope", "num_retries", "labels", "use_legacy_sql")


def _bigquery(conn_id: str, connection: Connection, extra: dict[str, Any]) -> Database:
    # https://airflow.apache.org/docs/apache-airflow-providers-google/stable/connections/gcp.html
    keyfile = extra.pop("keyfile_dict", None)
    path = extra.pop("key_path", None)
    try:
        document = json.loads(keyfile) if isinstance(keyfile, str) else keyfile or {}
        project = extra.pop("project", None) or document.get("project_id")
    except (ValueError, AttributeError):
        raise BadConnection(
            f"connection {conn_id!r}: its extra keyfile_dict is no JSON object"
        ) from None
    if not project:
        raise BadConnection(f"connection {conn_id!r}: its extra has no project")
    kind, credentials = "auth_bigquery", path
    if keyfile:
        kind, credentials = "json_credential_string", json.dumps(document)
    elif path:
        kind = "json_credential_file"
    options = {
        f"{_BIGQUERY}.project_id": project,
        f"{_BIGQUERY}.location": extra.pop("location", None),
        f"{_BIGQUERY}.auth_type": f"{_BIGQUERY}.auth_type.{kind}",
        f"{_BIGQUERY}.auth_credentials": credentials,
        f"{_BIGQUERY}.dataset_id": connection.schema,
    }
    if _text(extra.get("use_legacy_sql", "false")) != "true":
        for name in _BIGQUERY_IGNORED:
            extra.pop(name, None)
    waiting = {
        f"{_BIGQUERY}.query.result_buffer_size": 8,
        f"{_BIGQUERY}.query.prefetch_concurrency": 2,
    }
    return _database("adbc_driver_bigquery", options, extra, statement_options=waiting)


def _duckdb(conn_id: str, connection: Connection, extra: dict[str, Any]) -> Database:
    path = connection.host or (f"/{connection.schema.lstrip('/')}" if connection.schema else "")
    if not path:
        raise BadConnection(f"connection {conn_id!r}: its host, the path of the database, is empty")
    # Another process may write meanwhile no more than this one.
    options = {"path": path, **({} if path.startswith("md:") else {"access_mode": "read_only"})}
    return _database("adbc_driver_duckdb", options, extra, entrypoint="duckdb_adbc_init")


def _flightsql(_: str, connection: Connection, extra: dict[str, Any]) -> Database:
    # https://arrow.apache.org/adbc/current/driver/flight_sql.html
    options = {name: extra.pop(name) for name in list(extra) if name.startswith("adbc.")}
    tls = _text(extra.pop("tls", "true")) == "true"
    if "token" in extra:
        options["adbc.flight.sql.authorization_header"] = f"Bearer {extra.pop('token')}"
    host = connection.host
    if "://" not in host:
        host = f"grpc{'+tls' if tls else ''}://{host}:{connection.port or 443}"
    options |= {"uri": host, "username": connection.login, "password": connection.password}
    return _database("adbc_driver_flightsql", options, extra)


def _adbc(conn_id: str, connection: Connection, extra: dict[str, Any]) -> Database:
    # https://airflow.apache.org/docs/apache-airflow-providers-apache-arrow/stable/connections/adbc.html
    dialect = extra.pop("dialect", None)
    module = extra.pop("driver", None) or (f"adbc_driver_{dialect}" if dialect else None)
    if module is None:
        raise BadConnection(
            f"connection {conn_id!r}: its extra names no driver, e.g. "
            '{"driver": "adbc_driver_flightsql"}'
        )
    connection_options = _json(conn_id, extra, "conn_kwargs")
    entrypoint = extra.pop("entrypoint", None)
    return _database(
        str(module),
        {**_target(connection, dialect), **_json(conn_id, extra, "db_kwargs")},
        (),
        connection_options={name: _text(value) for name, value in connection_options.items()},
        entrypoint=entrypoint,
    )


def _target(connection: Connection, dialect: str | None) -> dict[str, Any]:
    login, password, host = connection.login, connection.password, connection.host
    if dialect and host and ":" not in host:  # a host alone: as the hook does, it becomes a URI
        who = f"{quote(login, '')}:{quote(password or '', '')}@" if login else ""
        port = f":{connection.port}" if connection.port else ""
        return {"uri": f"{dialect}://{who}{host}{port}/{quote(connection.schema, '')}"}
    return {"uri": host, "username": login, "password": password}


def _json(conn_id: str, extra: dict[str, Any], name: str) -> dict[str, Any]:
    given = extra.pop(name, None) or {}
    try:
        return dict(json.loads(given) if isinstance(given, str) else given)
    except (ValueError, TypeError):
        raise BadConnection(f"connection {conn_id!r}: its extra {name} is no JSON object") from None


def _database(module: str, options: Mapping[str, Any], unmapped: Any, **fields: Any) -> Database:
    given = {name: _text(value) for name, value in options.items() if value not in (None, "")}
    return Database(module, given, unmapped=tuple(sorted(unmapped)), **fields)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


_OPTIONS: Mapping[str, Callable[[str, Connection, dict[str, Any]], Database]] = {
    "snowflake": _snowflake,
    "gcpbigquery": _bigquery,
    "google_cloud_platform": _bigquery,
    "duckdb": _duckdb,
    "flightsql": _flightsql,
    "adbc": _adbc,
}
