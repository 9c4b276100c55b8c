"""Which source reads a connection."""

from __future__ import annotations

import logging
import sqlite3
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.extract.adbc.drivers import database
from airflow_ml_provider.extract.dbapi.source import DbapiSource
from airflow_ml_provider.extract.dbapi.sqlite import SqliteSource
from airflow_ml_provider.extract.errors import BadConnection
from airflow_ml_provider.extract.postgres.source import PostgresSource

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_ml_provider.extract.adbc.drivers import Database
    from airflow_ml_provider.extract.connect import Connection
    from airflow_ml_provider.extract.selection import Selection
    from airflow_ml_provider.extract.source import Source

log = logging.getLogger(__name__)


def source_for(
    connection: Connection, connect: Callable[[], Any] | None, selection: Selection
) -> Source:
    """Give what reads a selection of a connection.

    PostgreSQL and SQLite have sources of their own. For other types that have an ADBC driver it is
    that driver, if it is installed and knows all of the connection's options; else ``connect``.

    :param connect: opens a new DB-API connection at each call; None where there is no hook.
    :raises BadConnection: nothing here can open the connection; the message says what to install.
    :raises BadQuery: partitions are asked for where they could not share a snapshot.
    """
    kind, name = connection.kind, selection.name
    if connect is not None and kind in _SOURCES:
        return _SOURCES[kind](selection, connect)
    driver = database(name, connection)
    if driver is not None and driver.module in _KINDS:
        # The same types as those of a connection of that kind.
        return _SOURCES[_KINDS[driver.module]](selection, _uri_opener(name, driver))
    if driver is not None and driver.installed and not driver.unmapped:
        from airflow_ml_provider.extract.adbc.source import AdbcSource  # noqa: PLC0415 - optional

        return AdbcSource(selection, driver)
    if connect is None:
        raise BadConnection(_missing(name, kind, driver))
    if driver is not None:
        log.info("%s: reading with a cursor, not with ADBC: %s", name, _why(driver))
    return DbapiSource(selection, connect)


def hook_connect(hook: Any) -> Callable[[], Any] | None:
    """Give what opens a DB-API connection of an Airflow hook, or None."""
    if hasattr(hook, "get_conn"):
        return hook.get_conn  # type: ignore[no-any-return]  # a hook is Any here
    if hasattr(hook, "get_sqlalchemy_engine"):
        return lambda: hook.get_sqlalchemy_engine().raw_connection()
    return None


def _uri_opener(name: str, driver: Database) -> Callable[[], Any]:
    uri = driver.options.get("uri", "")
    if driver.module == "adbc_driver_sqlite":
        return lambda: sqlite3.connect(uri, uri=uri.startswith("file:"))
    module = next((m for m in ("psycopg2", "psycopg") if find_spec(m)), None)
    if module is None:
        raise BadConnection(
            f"connection {name!r}: psycopg2 or psycopg describes what ADBC reads, and neither is "
            "installed; mend: psycopg2-binary as a requirement"
        )

    def connect() -> Any:
        if not _is_readable(uri, module):
            # What libpq says of it shows parts of it.
            raise BadConnection(
                f"connection {name!r}: libpq can't read its URI; mend: percent-encode what is "
                "special in the login and the password"
            )
        return import_module(module).connect(uri)

    return connect


def _is_readable(uri: str, module: str) -> bool:
    """Tell whether a URI names a server's host and port, not parts of a password instead."""
    if module == "psycopg2":
        parse = import_module("psycopg2.extensions").parse_dsn
    else:
        parse = import_module("psycopg.conninfo").conninfo_to_dict
    try:
        found = parse(uri)
    except Exception:  # noqa: BLE001  each module has its own
        return False
    ports = str(found.get("port", "")).replace(",", "")
    return "@" not in found.get("host", "") and (ports.isdigit() or not ports)


def _missing(name: str, kind: str, driver: Database | None) -> str:
    if driver is None:
        return (
            f"connection {name!r}: its type {kind!r} has no hook that gives a DB-API connection, "
            f"and no ADBC driver that is known here; mend: the Airflow provider of {kind!r}, or a "
            "connection of type adbc"
        )
    return (
        f"connection {name!r}: no hook of type {kind!r} gives a DB-API connection, and "
        f"{_why(driver)}"
    )


def _why(driver: Database) -> str:
    if not driver.installed:
        return f"{driver.requirement} is not installed; mend: pip install {driver.requirement}"
    return f"{driver.requirement} has no option for {', '.join(driver.unmapped)} of the connection"


_SOURCES: Mapping[str, Callable[[Selection, Callable[[], Any]], Source]] = {
    "postgres": PostgresSource,
    "sqlite": SqliteSource,
}
_KINDS = {"adbc_driver_postgresql": "postgres", "adbc_driver_sqlite": "sqlite"}
