"""A session on a PostgreSQL server, over psycopg2 or psycopg."""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.extract.driver import Driver, driver_errors
from airflow_ml_provider.extract.errors import BadQuery
from airflow_ml_provider.extract.postgres.column_types import MONEY, NUMERIC, Described, Element
from airflow_ml_provider.extract.readers import interruptible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from airflow_ml_provider.extract.selection import Selection

# What makes a value's text complete and the same everywhere, and lets a transaction idle while S3
# is slow.
_SETTINGS = {
    "bytea_output": "hex",
    "datestyle": "ISO",
    "extra_float_digits": "3",
    "intervalstyle": "iso_8601",
    "idle_in_transaction_session_timeout": "0",
}
# What the hook set after connecting, e.g. its search_path.
_OWN_SETTINGS = """
select name, setting from pg_catalog.pg_settings
where source = 'session' and name <> 'client_encoding' and name not like 'transaction%'
"""
# They speak the protocol, and export no snapshots.
_OTHERS = ("Redshift", "-YB-", "Greenplum")
# An array type's element, down to the base type of its domain.
_ELEMENTS = """
with recursive element(array_oid, oid, modifier, is_domain) as (
    select typarray::int8, oid::int8, %(none)s, false from pg_catalog.pg_type
    where typarray::int8 = any(%(oids)s)
    union all
    select e.array_oid, t.typbasetype::int8, t.typtypmod, true
    from element e join pg_catalog.pg_type t on t.oid::int8 = e.oid where t.typtype = 'd'
)
select e.array_oid, e.oid, e.modifier, e.is_domain
from element e join pg_catalog.pg_type t on t.oid::int8 = e.oid where t.typtype <> 'd'
"""


@dataclass(frozen=True)
class Session:
    """One session on the server of the Airflow connection ``name``."""

    name: str
    connection: Any

    @classmethod
    @contextmanager
    def opened(cls, name: str, connect: Callable[[], Any]) -> Iterator[Session]:
        """Connect; the connection ends with the context, and is in no transaction yet.

        :raises SourceUnavailable: there is no connection.
        """
        with driver_errors(name):
            connection = connect()
        try:
            driver = Driver.of(type(connection))
            if driver is None or not driver.postgres:
                raise BadQuery(
                    f"{name}: {type(connection)} is no connection of psycopg2 or psycopg"
                )
            session = cls(name, connection)
            with driver_errors(name):
                connection.rollback()
                connection.autocommit = True  # a transaction begins where we say so
                if session.psycopg2:
                    connection.set_client_encoding("UTF8")
                else:
                    session.rows("set client_encoding to 'UTF8'")
            yield session
        finally:
            # An error in here would hide the real one.
            with suppress(Exception):
                connection.close()

    @property
    def psycopg2(self) -> bool:
        """Whether the driver is psycopg2, not psycopg."""
        return not hasattr(self.connection, "pgconn")

    def cursor(self) -> Any:
        """Give a cursor with plain tuples that puts values into the text itself."""
        if self.psycopg2:
            factory = import_module("psycopg2.extensions").cursor
            return self.connection.cursor(cursor_factory=factory)
        rows = import_module("psycopg.rows")
        return import_module("psycopg").ClientCursor(self.connection, row_factory=rows.tuple_row)

    def rows(self, text: str, values: Mapping[str, object] | None = None) -> list[tuple[Any, ...]]:
        """Run a statement; ``%(name)s`` in it is bound by the driver if there are values."""
        with driver_errors(self.name), self.cursor() as cursor:
            self._execute(cursor, text, values)
            return list(cursor.fetchall()) if cursor.description else []

    def _execute(self, cursor: Any, text: str, values: Any = None) -> None:
        interruptible(lambda: cursor.execute(text, values), self.connection.cancel)

    def rendered(self, text: str, values: Any) -> str:
        """Put values into the text as literals, quoted by the driver.

        :param values: by name, for ``%(name)s``; None where the text has no parameters.
        :raises BadQuery: values have no literal; the message names all of them.
        """
        if values is None:
            return text
        problems = []
        for name, value in values.items():
            try:
                self._literal("%(value)s", {"value": value})
            except (BadQuery, ValueError, TypeError) as error:  # noqa: PERF203
                problems.append(f"\n  - :{name}: {error.__cause__ or error}")
        if problems:
            raise BadQuery(f"{self.name}: parameters have no literal in SQL:{''.join(problems)}")
        return self._literal(text, values)

    def render(self, selection: Selection, **fields: Any) -> str:
        """Give a selection's statement with its values in it.

        :param fields: those of `Selection.statement`.
        :raises BadQuery: the parameters are wrong, or have no literal.
        """
        statement = selection.statement("pyformat", **fields)
        return self.rendered(statement.text, statement.values)

    def _literal(self, text: str, values: Mapping[str, object]) -> str:
        with driver_errors(self.name), self.cursor() as cursor:
            whole = cursor.mogrify(text, values)
        return whole.decode() if isinstance(whole, bytes) else str(whole)

    def is_postgres(self) -> bool:
        """Tell whether the server is PostgreSQL, and not one that speaks like it."""
        ((version,),) = self.rows("select version()")
        return version.startswith("PostgreSQL") and not any(word in version for word in _OTHERS)

    def settings(self) -> dict[str, str]:
        """Give what a session has to set so that it reads what this one would."""
        ((role,),) = self.rows("select current_setting('role')")
        return {**dict(self.rows(_OWN_SETTINGS)), **_SETTINGS, "role": role}

    def set_local(self, settings: Mapping[str, str]) -> str:
        """Give the statement for the settings of one transaction."""
        values: dict[str, str] = {}
        for index, (name, value) in enumerate(settings.items()):
            values |= {f"name{index}": name, f"value{index}": value}
        calls = (f"set_config(%(name{i})s, %(value{i})s, true)" for i in range(len(settings)))
        return self.rendered(f"select {', '.join(calls)}", values)

    def described(self, text: str) -> list[Described]:
        """Give the columns of a query; its tables are locked against changes from then on."""
        with driver_errors(self.name), self.cursor() as cursor:
            text = f"select * from (\n{text}\n) airflow_ml_description limit 0"  # noqa: S608
            self._execute(cursor, text)
            if self.psycopg2:
                modifiers = [_modifier(column) for column in cursor.description]
            else:
                modifiers = [cursor.pgresult.fmod(i) for i in range(cursor.pgresult.nfields)]
            return [
                Described(column.name, column.type_code, modifier)
                for column, modifier in zip(cursor.description, modifiers)
            ]

    def elements(self, described: Sequence[Described]) -> dict[int, Element]:
        """Give the element types of those columns that are arrays."""
        modifiers = {column.oid: column.modifier for column in described}
        found = self.rows(_ELEMENTS, {"oids": list(modifiers), "none": -1})
        return {
            array: Element(oid, modifier if domain else modifiers[array], domain)
            for array, oid, modifier, domain in found
        }

    def money_scale(self, oids: Sequence[int]) -> int:
        """Give the digits of ``money`` after the point, if it occurs."""
        if MONEY not in oids:
            return 2
        ((scale,),) = self.rows("select scale('0'::money::numeric)")
        return int(scale)

    def conninfo(self) -> str:
        """Give libpq's connection string of this very server, its password included."""
        info = self.connection.info
        if self.psycopg2:
            given = import_module("psycopg2.extensions").parse_dsn(self.connection.dsn)
        else:
            given = info.get_parameters()
        # This server and no other one of several knows the snapshot.
        known = {
            "host": info.host,
            "hostaddr": self._address(),
            "port": info.port,
            "user": info.user,
            "password": info.password,
            "dbname": info.dbname,
            "client_encoding": "UTF8",
            "target_session_attrs": None,
            "load_balance_hosts": None,
        }
        found = {name: str(value) for name, value in {**given, **known}.items() if value}
        return " ".join(f"{name}='{_escaped(value)}'" for name, value in found.items())

    def _address(self) -> str | None:
        """Give the server's address: its name may lead to another replica the next time."""
        with socket.socket(fileno=os.dup(self.connection.fileno())) as copy:
            if copy.family not in (socket.AF_INET, socket.AF_INET6):
                return None
            return str(copy.getpeername()[0])


def _modifier(column: Any) -> int:
    """Compute the type's modifier back from what psycopg2 made of it."""
    if column.type_code == NUMERIC:
        precision, scale = column.precision, column.scale
        return -1 if precision is None else 4 + (precision << 16 | scale & 0x7FF)
    size = column.internal_size
    return -1 if size is None or size < 0 else int(size) + 4


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")
