"""Rows over a DB-API connection, in batches of a cursor that streams."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.extract.arrow_types import to_array
from airflow_ml_provider.extract.columns import batch_of, fetched, first_rows, names_of
from airflow_ml_provider.extract.dbapi import mysql
from airflow_ml_provider.extract.dbapi.session import Session, session
from airflow_ml_provider.extract.memory import BATCH_BYTES
from airflow_ml_provider.extract.postgres.source import PostgresSource
from airflow_ml_provider.extract.selection import above
from airflow_ml_provider.extract.source import Rows, one_stream
from airflow_ml_provider.extract.statement import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa

    from airflow_ml_provider.extract.dbapi.mysql import Described
    from airflow_ml_provider.extract.selection import Selection

_MAX_ROWS = 16_384


@dataclass(frozen=True)
class DbapiSource:
    """The rows of a selection, over a DB-API connection of its own.

    ``connect`` is e.g. a hook's ``get_conn``; the connection is closed without a commit. Types that
    the selection's ``columns`` don't give come from the database where it is MySQL or PostgreSQL,
    and else from the first 32,768 rows' values. All columns are nullable.

    psycopg2, psycopg, MySQLdb, PyMySQL, mysql-connector and sqlite3 stream; another driver does
    if its plain cursor does.

    :raises BadQuery: more than one partition is asked for.
    """

    selection: Selection
    connect: Callable[[], Any]

    def __post_init__(self) -> None:
        one_stream(self.selection)

    @contextmanager
    def open(self, batch_bytes: int = BATCH_BYTES) -> Iterator[Rows]:
        """Connect, run the query, and read its first rows to know the types.

        :raises BadQuery: the parameters are wrong, or the database refuses the query.
        :raises SourceUnavailable: there is no connection, or it was lost; also while reading.
        :raises UnknownType: a column's type is unknown; the message names all such columns.
        :raises TypeMismatch: while reading, a value does not fit its column's type.
        """
        with session(self.selection.name, self.connect) as opened:
            if not opened.driver.postgres:
                sends_text = mysql.sends_text(opened.driver)
                described = mysql.describe(opened, self.selection) if sends_text else None
                schema, batches = self._reader(opened, described, batch_bytes)
                yield Rows(schema, (lambda: nullcontext(batches),))
                return
        # PostgreSQL, though the connection's type is not called so.
        with PostgresSource(self.selection, self.connect).open(batch_bytes) as rows:
            yield rows

    def highest(self, column: str, after: object | None) -> tuple[object | None, int]:
        """Give the largest value of a column above ``after``, and how many rows have none."""
        whole = replace(self.selection, window=None)
        with session(self.selection.name, self.connect) as opened:
            driver = opened.driver
            if driver.postgres:
                return PostgresSource(self.selection, self.connect).highest(column, after)
            if mysql.sends_text(driver):
                opened.call(mysql.settle, driver, opened.connection)
            name = quoted(column, mysql=driver.mysql)
            where, values = above(name, after)

            def single(select: str, **fields: Any) -> Any:
                cursor = opened.executed(driver.statement(whole, select=select, **fields))
                ((value,),) = opened.call(cursor.fetchall)
                opened.call(cursor.close)
                return value

            nulls = single("count(*)", where=[f"{name} is null"])
            return single(f"max({name})", where=where, values=values), int(nulls)

    def _reader(
        self, opened: Session, described: Described | None, batch_bytes: int
    ) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        select = described.select if described else "*"
        statement = opened.driver.statement(self.selection, select=select)
        cursor = opened.executed(statement, text=described is not None)
        fetch = partial(opened.call, cursor.fetchmany)
        names = names_of(self.selection.name, cursor.description)
        known = described.types if described else None
        unknown = described.problems if described else None
        schema, first = first_rows(self.selection, names, fetch, known=known, unknown=unknown)
        convert = mysql.from_text if described else to_array

        def batches() -> Iterator[pa.RecordBatch]:
            rows, row_number = first, 1
            while rows:
                yield batch_of(self.selection.name, schema, rows, row_number, convert)
                row_number += len(rows)
                rows = fetched(fetch, _MAX_ROWS, batch_bytes)

        return schema, batches()
