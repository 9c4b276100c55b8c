"""Rows of PostgreSQL, in streams that see one snapshot."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.extract.errors import (
    BadQuery,
    ExtractError,
    TypeMismatch,
)
from airflow_ml_provider.extract.memory import BATCH_BYTES
from airflow_ml_provider.extract.postgres.column_types import Column, columns_of, schema_of
from airflow_ml_provider.extract.postgres.partitions import shares
from airflow_ml_provider.extract.postgres.session import Session
from airflow_ml_provider.extract.postgres.streams import Plan, adbc_stream, cursor_stream
from airflow_ml_provider.extract.readers import Readers
from airflow_ml_provider.extract.selection import above
from airflow_ml_provider.extract.source import Rows
from airflow_ml_provider.extract.statement import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from airflow_ml_provider.extract.postgres.partitions import Share
    from airflow_ml_provider.extract.selection import Selection

log = logging.getLogger(__name__)

# The snapshot is taken after the tables were locked: an earlier one would find a table that was
# rewritten meanwhile empty. https://www.postgresql.org/docs/current/mvcc-caveats.html
_BEGIN = "begin transaction isolation level read committed read only"
# A rewrite that runs may end. One that waits for our first transaction never does while our next
# one waits behind it, and no server can see that.
_FIRST_LOCK_TIMEOUT = "60s"
_LOCK_TIMEOUT = "10s"
_ENDLESS = ("infinity", "-infinity", "Infinity", "-Infinity", "NaN")
_HIGHEST = f"""
case when max({{0}})::text not in {_ENDLESS} then max({{0}}) end,
max({{0}})::text, count(*) - count({{0}})
"""


@dataclass(frozen=True)
class PostgresSource:
    """The rows of a selection on PostgreSQL.

    ``connect`` is a hook's ``get_conn``: a new connection of psycopg2 or psycopg each time. Rows
    come by ADBC where adbc-driver-postgresql is installed, and otherwise by a server-side cursor:
    the same, but slower. A server that only speaks like PostgreSQL, such as Redshift, is read by
    the cursor, in one stream.
    """

    selection: Selection
    connect: Callable[[], Any]

    @contextmanager
    def open(self, batch_bytes: int = BATCH_BYTES) -> Iterator[Rows]:
        """Describe the selection, take a snapshot, and give the streams that read it.

        :raises BadQuery: the parameters are wrong, or the server refuses the query; also reading.
        :raises SourceUnavailable: there is no connection, or it was lost; also while reading.
        :raises UnknownType: a column's type is unknown; the message names all such columns.
        :raises TypeMismatch: while reading, a value does not fit its column's type.
        """
        readers = Readers(self.selection.name)
        with Session.opened(self.selection.name, self.connect) as control:
            control.rows(_BEGIN)
            begin: list[str] = []
            if exact := control.is_postgres():
                settings = control.settings()
                control.rows(control.set_local({**settings, "lock_timeout": _FIRST_LOCK_TIMEOUT}))
                begin = [control.set_local({**settings, "lock_timeout": _LOCK_TIMEOUT})]
            columns = self._columns(control, exact=exact)
            parts = self._shares(control, columns, exact=exact)
            if exact:
                ((snapshot,),) = control.rows("select pg_catalog.pg_export_snapshot()")
                begin.insert(0, f"set transaction snapshot '{snapshot}'")
            connect = _adbc_connect(control) if exact else None
            plan = Plan(self.selection.name, readers, columns, begin, batch_bytes)
            cursor = partial(cursor_stream, plan, self.connect)
            read = partial(adbc_stream, plan, connect) if connect else cursor
            select = _select({c.name: c.adbc if connect else c.cursor for c in columns})
            texts = [
                control.render(self.selection, select=select, where=one.where, values=one.values)
                for one in parts
            ]
            try:
                yield Rows(schema_of(columns), tuple(partial(read, text) for text in texts))
            finally:
                readers.end()

    def highest(self, column: str, after: object | None) -> tuple[object | None, int]:
        """Give the largest value of ``column`` above ``after``, and how many rows have none.

        :raises BadQuery: there is no such column, or its type has no order.
        :raises TypeMismatch: the largest is infinite or NaN.
        :raises SourceUnavailable: there is no connection, or it was lost.
        """
        name = quoted(column)
        where, values = above(name, after)
        where = [f"{condition} or {name} is null" for condition in where]
        whole = replace(self.selection, window=None)
        with Session.opened(whole.name, self.connect) as session:
            session.rows(_BEGIN)
            select = _HIGHEST.replace("{0}", name)
            query = session.render(whole, select=select, where=where, values=values)
            try:
                ((value, text, nulls),) = session.rows(query)
            except (ValueError, OverflowError) as error:
                raise TypeMismatch(
                    f"{whole.name}: the largest value of column {column} has no place in Python: "
                    f"{error}; mend: a condition in the query that leaves such rows out"
                ) from error
        if text in _ENDLESS:
            raise TypeMismatch(
                f"{whole.name}: the largest value of column {column} is {text}, and nothing can "
                "come after it; mend: a condition in the query that leaves such rows out"
            )
        return value, int(nulls)

    def _columns(self, control: Session, *, exact: bool) -> tuple[Column, ...]:
        described = control.described(control.render(self.selection))
        elements = control.elements(described) if exact else {}
        oids = [*(column.oid for column in described), *(e.oid for e in elements.values())]
        return columns_of(
            self.selection, described, elements, money_scale=control.money_scale(oids)
        )

    def _shares(
        self, control: Session, columns: Sequence[Column], *, exact: bool
    ) -> tuple[Share, ...]:
        selection = self.selection
        if not exact and selection.partitions > 1:
            raise BadQuery(
                f"{selection.name}: partitions={selection.partitions} need a snapshot that several "
                "connections see, and this server, which is no PostgreSQL, has none; "
                "mend: partitions=1"
            )
        return shares(selection, [column.name for column in columns], control)


def _select(expressions: Mapping[str, str]) -> str:
    if all(text == quoted(name) for name, text in expressions.items()):
        return "*"
    return ", ".join(f"{text} as {quoted(name)}" for name, text in expressions.items())


def _adbc_connect(control: Session) -> Callable[[], Any] | None:
    """Give how ADBC connects, or None where it is not there or can't."""
    try:
        adbc = import_module("airflow_ml_provider.extract.adbc.reading")
        driver = import_module("adbc_driver_postgresql")
    except ImportError as error:
        log.warning("%s: no ADBC (%s); a cursor is slower", control.name, error)
        return None
    uri = control.conninfo()

    def connect() -> Any:  # whose repr, unlike the string, holds no password
        return driver.connect(uri)

    try:
        # Its libpq is another build than psycopg's, and may know fewer ways to log in.
        with adbc.opened(control.name, connect):
            return connect
    except ExtractError as error:
        log.warning("%s; ADBC can't connect though psycopg can; a cursor is slower", error)
        return None
