"""Rows over a DB-API connection, in batches of a cursor that streams."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import pyarrow as pa

from airflow_ml_provider.extract.arrow_types import (
    FIT_ERRORS,
    TYPE_NAMES,
    fit_error,
    infer,
    is_numeric,
    parse_type,
    postgres_type,
    to_array,
    type_name,
)
from airflow_ml_provider.extract.driver import Driver, driver_errors
from airflow_ml_provider.extract.errors import BadQuery, EmptyResult, TypeMismatch, UnknownType
from airflow_ml_provider.extract.source import BATCH_BYTES, Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from airflow_ml_provider.extract.selection import Selection

_FIRST_ROWS = 1_024
_MAX_ROWS = 16_384
_INFERENCE_ROWS = 32_768
_SHOWN_CHARACTERS = 100

_Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class DbapiSource:
    """The rows of a selection, over a DB-API connection of its own.

    ``connect`` is e.g. a hook's ``get_conn``; the connection is closed without a commit. Types that
    the selection's ``columns`` don't give come from PostgreSQL or else from the first 32,768 rows'
    values. All columns are nullable.

    psycopg2, psycopg, MySQLdb, PyMySQL, mysql-connector and sqlite3 stream; another driver does
    if its plain cursor does.
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
        """Connect, run the query, and read its first rows to know the types.

        :raises BadQuery: the parameters are wrong, or the database refuses the query.
        :raises SourceUnavailable: there is no connection, or it was lost; also while reading.
        :raises UnknownType: a column's type is unknown; the message names all such columns.
        :raises TypeMismatch: while reading, a value does not fit its column's type.
        """
        with driver_errors(self.name):
            connection = self.connect()
        try:
            driver = Driver.of(type(connection))
            if driver is None:
                raise BadQuery(f"{self.name}: {type(connection)} is no DB-API connection")
            statement = self.selection.statement(
                driver.paramstyle, mysql=driver.mysql, escape_percent=driver.escape_percent
            )
            with driver_errors(self.name):
                cursor = driver.cursor(connection)
                driver.execute(cursor, statement)
            schema, batches = self._reader(driver, cursor, batch_bytes)
            yield Rows(schema, (lambda: nullcontext(batches),))
        finally:
            # An error in here would hide the real one, and all rows were read otherwise.
            with suppress(Exception):
                connection.close()

    def _reader(
        self, driver: Driver, cursor: Any, batch_bytes: int
    ) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        # psycopg2 describes a server-side cursor's columns only once rows were fetched.
        rows = self._fetch(cursor, _FIRST_ROWS)
        if cursor.description is None:
            raise BadQuery(f"{self.name}: the query returns no rows, not even none; give a select")
        names = [column[0] for column in cursor.description]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise BadQuery(f"{self.name}: columns occur twice in the result: {', '.join(twice)}")
        types, problems = self._known_types(driver, names, cursor.description)
        wrong = bool(problems)
        wanted = [index for index, name in enumerate(names) if name not in types]
        fresh = rows
        while wanted := [i for i in wanted if all(row[i] is None for row in fresh)]:
            if len(rows) >= _INFERENCE_ROWS or not (fresh := self._fetch(cursor, _FIRST_ROWS)):
                break
            rows += fresh
        for index, name in enumerate(names):
            if name not in types:
                types[name], problem = infer([row[index] for row in rows])
                problems += [f"{name} {problem}"] if problem else []
        if problems:
            kind = UnknownType if rows or wrong else EmptyResult
            lines = "".join(f"\n  - {problem}" for problem in problems)
            raise kind(
                f"{self.name}: not every column has a type; mend: name it in columns, "
                f"e.g. {{'amount': 'decimal128(12, 2)'}}, or cast in the query{lines}"
            )
        schema = pa.schema([(name, types[name]) for name in names])
        return schema, self._batches(cursor, schema, rows, batch_bytes)

    def _fetch(self, cursor: Any, count: int) -> _Rows:
        with driver_errors(self.name):
            return list(cursor.fetchmany(count))

    def _known_types(
        self, driver: Driver, names: list[str], description: Sequence[Any]
    ) -> tuple[dict[str, pa.DataType | None], list[str]]:
        problems: list[str] = []
        given: dict[str, pa.DataType | None] = {}
        for name, text in self.selection.columns.items():
            arrow = parse_type(text)
            if name not in names:
                problems.append(f"{name} is not in the result ({', '.join(names)})")
            elif arrow is None:
                problems.append(f"{name}: {text!r} is not one of {TYPE_NAMES}")
            given[name] = arrow
        rest = [c for c in description if c.name not in given] if driver.postgres else []
        for column in rest:
            arrow = postgres_type(column)
            if arrow is not None:
                given[column.name] = arrow
            elif is_numeric(column):
                problems.append(f"{column.name} is numeric without a precision of 38 or less")
                given[column.name] = None
        return given, problems

    def _batches(
        self, cursor: Any, schema: pa.Schema, rows: _Rows, batch_bytes: int
    ) -> Iterator[pa.RecordBatch]:
        row_number = 1
        while rows:
            arrays = [
                self._array(field, values, row_number)
                for field, values in zip(schema, zip(*rows, strict=True), strict=True)
            ]
            batch = pa.RecordBatch.from_arrays(arrays, schema=schema)
            yield batch
            row_number += len(rows)
            # Wide rows come in smaller batches, so that memory stays bounded.
            fitting = batch_bytes * len(rows) // max(1, batch.nbytes)
            rows = self._fetch(cursor, max(1, min(_MAX_ROWS, fitting)))

    def _array(self, column: pa.Field, values: Sequence[object], row_number: int) -> pa.Array:
        try:
            return to_array(values, column.type)
        except FIT_ERRORS as error:
            self._mismatch(column, values, row_number, error)

    def _mismatch(
        self, column: pa.Field, values: Sequence[object], row_number: int, cause: Exception
    ) -> NoReturn:
        where = f"rows {row_number} to {row_number + len(values) - 1}"
        for offset, value in enumerate(values):
            if error := fit_error(value, column.type):
                shown = repr(value)[:_SHOWN_CHARACTERS]
                where = f"row {row_number + offset}, {shown} ({type(value).__name__})"
                cause = error
                break
        raise TypeMismatch(
            f"{self.name}: column {column.name}, {where} does not fit {type_name(column.type)}: "
            f"{cause}; mend: another type in columns, or a cast in the query"
        ) from cause
