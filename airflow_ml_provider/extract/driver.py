"""How DB-API drivers differ: module, parameters, streaming cursors, errors.

https://peps.python.org/pep-0249/
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.extract.errors import BadQuery, SourceUnavailable
from airflow_ml_provider.extract.sqlstate import error_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from airflow_ml_provider.extract.selection import Selection
    from airflow_ml_provider.extract.statement import Paramstyle, Statement

_MYSQL = frozenset({"MySQLdb", "pymysql", "mysql.connector", "mariadb"})
_POSTGRES = frozenset({"psycopg2", "psycopg"})
# SQLite's and MySQL's drivers raise OperationalError for bad queries too; their codes tell.
# SQLite's that time can mend: BUSY, LOCKED, NOMEM, INTERRUPT, IOERR, CANTOPEN, PROTOCOL.
# https://www.sqlite.org/rescode.html
_SQLITE_TRANSIENT = frozenset({5, 6, 7, 9, 10, 14, 15})
# MySQL's and MariaDB's: too many connections, shutdown, network, lock waits, deadlock, killed,
# timeouts. https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html
_MYSQL_TRANSIENT = frozenset(
    {1040, 1042, 1043, 1053, 1080, 1152, 1158, 1159, 1160, 1161, 1184, 1203, 1205, 1213, 1226}
    | {1317, 1927, 1969, 3024, 4031}
)
_MYSQL_SERVER_CODES = range(1000, 2000)


@dataclass(frozen=True)
class Driver:
    """The DB-API module that a connection, a cursor or an error belongs to."""

    module: ModuleType

    @classmethod
    def of(cls, kind: type) -> Driver | None:
        """Find the module by walking up from where the class was defined."""
        for ancestor in kind.__mro__:
            name = ancestor.__module__
            while name:
                module = sys.modules.get(name)
                if module and hasattr(module, "paramstyle") and hasattr(module, "connect"):
                    return cls(module)
                name = name.rpartition(".")[0]
        return None

    @property
    def name(self) -> str:
        """The module's name, e.g. ``psycopg2``."""
        return self.module.__name__

    @property
    def paramstyle(self) -> Paramstyle:
        """How the driver spells a parameter."""
        style: Paramstyle = self.module.paramstyle
        return style

    @property
    def mysql(self) -> bool:
        """Whether SQL text follows MySQL's rules."""
        return self.name in _MYSQL

    @property
    def escape_percent(self) -> bool:
        """Whether ``%%`` stands for a percent sign, as DB-API leaves open."""
        return self.name != "mysql.connector"

    @property
    def postgres(self) -> bool:
        """Whether the driver is one of those that `PostgresSource` knows."""
        return self.name in _POSTGRES

    def statement(self, selection: Selection, **fields: Any) -> Statement:
        """Give a selection's statement as the driver reads it.

        :param fields: those of `Selection.statement`.
        """
        style, percent = self.paramstyle, self.escape_percent
        return selection.statement(style, mysql=self.mysql, escape_percent=percent, **fields)

    def cursor(self, connection: Any, *, text: bool = False) -> Any:
        """Open a cursor that streams and whose rows are tuples.

        A plain cursor of MySQL's drivers would hold the whole result.

        :param text: take what the server sends, if it is mysql-connector's.
        """
        if self.name in ("MySQLdb", "pymysql"):
            return connection.cursor(import_module(f"{self.name}.cursors").SSCursor)
        if self.name == "mysql.connector":
            return connection.cursor(raw=text, buffered=False, dictionary=False)
        cursor = connection.cursor()
        if self.name == "sqlite3":
            cursor.row_factory = None
        return cursor

    def execute(self, cursor: Any, statement: Statement) -> None:
        """Run the statement with its values bound."""
        if statement.values is None:
            cursor.execute(statement.text)
        elif self.name == "sqlite3":
            cursor.execute(statement.text, tuple(map(sqlite_value, statement.values)))
        else:
            cursor.execute(statement.text, statement.values)


@contextmanager
def driver_errors(source: str) -> Iterator[None]:
    """Raise a driver's errors as `BadQuery` or `SourceUnavailable`; others pass."""
    try:
        yield
    except OSError as error:
        raise SourceUnavailable(f"{source}: {error}") from error
    except Exception as error:  # no common root: each driver has its own
        driver = Driver.of(type(error))
        if driver is None:
            raise
        # psycopg2 calls it pgcode.
        sqlstate = getattr(error, "pgcode", None) or getattr(error, "sqlstate", None)
        if driver.postgres and isinstance(sqlstate, str):
            raise error_of(source, sqlstate, str(error)) from error
        if _is_query_fault(driver, error):
            raise BadQuery(f"{source}: the database refuses the query: {error}") from error
        raise SourceUnavailable(f"{source}: {error}") from error


def _is_query_fault(driver: Driver, error: Exception) -> bool:
    if driver.name == "sqlite3":
        # Python 3.10 gives no code.
        return getattr(error, "sqlite_errorcode", 1) & 0xFF not in _SQLITE_TRANSIENT
    code = getattr(error, "errno", error.args[0] if error.args else None)
    if driver.mysql and isinstance(code, int):
        return code in _MYSQL_SERVER_CODES and code not in _MYSQL_TRANSIENT
    module = driver.module
    faults = (
        module.ProgrammingError,
        module.DataError,
        module.IntegrityError,
        module.NotSupportedError,
    )
    return isinstance(error, faults)


def sqlite_value(value: object) -> object:
    """Give what SQLite stores: it knows no times, and Python is about to drop its own texts."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    return value.isoformat() if isinstance(value, date) else value
