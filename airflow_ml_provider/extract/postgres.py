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
    UnknownType,
)
from airflow_ml_provider.extract.partitions import Share, shares
from airflow_ml_provider.extract.postgres_session import Session
from airflow_ml_provider.extract.postgres_streams import Plan, adbc_stream, cursor_stream
from airflow_ml_provider.extract.postgres_types import Column, columns_of, schema_of
from airflow_ml_provider.extract.readers import Readers
from airflow_ml_provider.extract.source import BATCH_BYTES, Rows
from airflow_ml_provider.extract.statement import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from airflow_ml_provider.extract.selection import Selection

log = logging.getLogger(__name__)

# The snapshot is taken after the tables were locked: an earlier one would find a table that was
# rewritten meanwhile empty. https://www.postgresql.org/docs/current/mvcc-caveats.html
_BEGIN = "begin transaction isolation level read committed read only"
# A rewrite that runs may end. One that waits for our first transaction never does while our next
# one waits behind it, and no server can see that.
_FIRST_LOCK_TIMEOUT = "60s"
_LOCK_TIMEOUT = "10s"
_AFTER = "airflow_ml_after"
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

    @property
    def name(self) -> str:
        """The connection's id."""
        return self.selection.name

    @property
    def query_sha256(self) -> str:
        """The fingerprint of the selection."""
        return self.selection.query_sha256

    @contextmanager
    def open(self, batch_bytes: int = BATCH_BYTES) -> Iterator[Rows]:
        """Describe the selection, take a snapshot, and give the streams that read it.

        :raises BadQuery: the parameters are wrong, or the server refuses the query; also reading.
        :raises SourceUnavailable: there is no connection, or it was lost; also while reading.
        :raises UnknownType: a column's type is unknown; the message names all such columns.
        :raises TypeMismatch: while reading, a value does not fit its column's type.
        """
        readers = Readers(self.name)
        with Session.opened(self.name, self.connect) as control:
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
            uri = _adbc_uri(control) if exact else None
            plan = Plan(self.name, readers, columns, begin, batch_bytes)
            cursor = partial(cursor_stream, plan, self.connect)
            read = partial(adbc_stream, plan, uri) if uri else cursor
            select = _select({c.name: c.adbc if uri else c.cursor for c in columns})
            texts = [self._text(control, share, select=select) for share in parts]
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
        where = () if after is None else (f"{name} > :{_AFTER} or {name} is null",)
        share = Share(where, {} if after is None else {_AFTER: after})
        whole = replace(self, selection=replace(self.selection, window=None))
        with Session.opened(self.name, self.connect) as session:
            session.rows(_BEGIN)
            query = whole._text(session, share, select=_HIGHEST.replace("{0}", name))  # noqa: SLF001
            try:
                ((value, text, nulls),) = session.rows(query)
            except (ValueError, OverflowError) as error:
                raise TypeMismatch(
                    f"{self.name}: the largest value of column {column} has no place in Python: "
                    f"{error}; mend: a condition in the query that leaves such rows out"
                ) from error
        if text in _ENDLESS:
            raise TypeMismatch(
                f"{self.name}: the largest value of column {column} is {text}, and nothing can "
                "come after it; mend: a condition in the query that leaves such rows out"
            )
        return value, int(nulls)

    def _columns(self, control: Session, *, exact: bool) -> tuple[Column, ...]:
        described = control.described(self._text(control))
        elements = control.elements(described) if exact else {}
        oids = [*(column.oid for column in described), *(e.oid for e in elements.values())]
        scale = control.money_scale(oids)
        try:
            return columns_of(described, elements, self.selection.columns, money_scale=scale)
        except (BadQuery, UnknownType) as error:
            raise type(error)(f"{self.name}: {error}") from error

    def _shares(
        self, control: Session, columns: Sequence[Column], *, exact: bool
    ) -> tuple[Share, ...]:
        if not exact and self.selection.partitions > 1:
            raise BadQuery(
                f"{self.name}: partitions={self.selection.partitions} need a snapshot that several "
                "connections see, and this server, which is no PostgreSQL, has none; "
                "mend: partitions=1"
            )
        return shares(self.selection, [column.name for column in columns], _Server(control, self))

    def _text(self, session: Session, share: Share | None = None, *, select: str = "*") -> str:
        where, values = (share.where, share.values) if share else ((), {})
        statement = self.selection.statement("pyformat", select=select, where=where, values=values)
        return session.rendered(statement.text, statement.values)


@dataclass(frozen=True)
class _Server:
    """What `partitions.shares` asks."""

    control: Session
    source: PostgresSource

    def render(self, *, select: str = "*") -> str:
        return self.source._text(self.control, select=select)  # noqa: SLF001

    def rows(self, text: str, values: Mapping[str, object] | None = None) -> list[tuple[Any, ...]]:
        return self.control.rows(text, values)


def _select(expressions: Mapping[str, str]) -> str:
    if all(text == quoted(name) for name, text in expressions.items()):
        return "*"
    return ", ".join(f"{text} as {quoted(name)}" for name, text in expressions.items())


def _adbc_uri(control: Session) -> str | None:
    """Give what ADBC connects with, or None where it is not there or can't connect."""
    try:
        adbc = import_module("airflow_ml_provider.extract.adbc")
        driver = import_module("adbc_driver_postgresql")
    except ImportError as error:
        log.warning("%s: no ADBC (%s); a cursor is slower", control.name, error)
        return None
    uri = control.conninfo()
    try:
        # Its libpq is another build than psycopg's, and may know fewer ways to log in.
        with adbc.opened(control.name, lambda: driver.connect(uri)):
            return uri
    except ExtractError as error:
        log.warning("%s; ADBC can't connect though psycopg can; a cursor is slower", error)
        return None
