"""Rows of SQLite, whose values have types of their own, each by itself.

A column's type is what `columns` gives or its first values tell, and the statement itself sees to
it that all others are of that kind. So ADBC, which is faster, and Python's cursor read the same,
and nothing is converted in silence, as ADBC's driver alone would.
https://www.sqlite.org/datatype3.html
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pyarrow as pa

from airflow_ml_provider.extract.arrow_types import type_name
from airflow_ml_provider.extract.columns import array_of, fetched, first_rows, names_of, size_of
from airflow_ml_provider.extract.dbapi.session import Session, session
from airflow_ml_provider.extract.dbapi.source import DbapiSource
from airflow_ml_provider.extract.driver import sqlite_value
from airflow_ml_provider.extract.errors import BadQuery, ExtractError, TypeMismatch
from airflow_ml_provider.extract.memory import BATCH_BYTES
from airflow_ml_provider.extract.readers import Readers
from airflow_ml_provider.extract.source import Rows, one_stream
from airflow_ml_provider.extract.statement import Statement, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from airflow_ml_provider.extract.selection import Selection

_MAX_ROWS = 16_384
_SHOWN = 100
# A SELECT can't raise an error of its own, but for a sum that is too large. That of a constant
# would be raised before the first row.
_FAIL = "abs(coalesce(length({c}), 0) * 0 - 9223372036854775807 - 1)"
_OVERFLOW = "integer overflow"
_EXACT = 2**53
_CLASSES = {int: "integer", float: "real", str: "text", bytes: "blob"}


@dataclass(frozen=True)
class Storage:
    """Values of one kind: which they are, and how they travel; ``{c}`` is the column."""

    kind: str
    test: str
    value: str
    sample: str
    arrow: pa.DataType

    def holds(self, column: str) -> str:
        """Give the condition that a value is of this kind."""
        return self.test.format(c=quoted(column))

    def checked(self, column: str) -> str:
        """Give the value; the statement fails where it is of another kind."""
        name = quoted(column)
        value = self.value.format(c=name)
        return f"case when {self.holds(column)} then {value} else {_FAIL.format(c=name)} end"


def _of(kind: str, sample: str, arrow: pa.DataType) -> Storage:
    return Storage(kind, f"typeof({{c}}) in ('{kind}', 'null')", "{c}", sample, arrow)


_INTEGER, _REAL = _of("integer", "0", pa.int64()), _of("real", "0.0", pa.float64())
_TEXT, _BLOB = _of("text", "''", pa.string()), _of("blob", "x''", pa.binary())
_NUMBER = replace(
    _REAL,
    kind="real, or integer of at most 53 bits,",
    test=f"{_REAL.test} or {{c}} between -{_EXACT} and {_EXACT} and {_INTEGER.test}",
    value="cast({c} as real)",
)
_DIGITS = replace(
    _TEXT,
    kind="text or integer",
    test="typeof({c}) in ('text', 'integer', 'null')",
    value="cast({c} as text)",
)
# What a type can be read from, by the Python types that the first values have. The first is taken
# where there are only NULLs.
_STORAGES: tuple[tuple[Callable[[pa.DataType], bool], tuple[tuple[set[type], Storage], ...]], ...]
_STORAGES = (
    (pa.types.is_integer, (({int}, _INTEGER), ({float}, _REAL), ({str}, _TEXT))),
    (pa.types.is_boolean, (({int}, _INTEGER), ({str}, _TEXT))),
    (pa.types.is_floating, (({int, float}, _NUMBER), ({str}, _TEXT))),
    (pa.types.is_decimal, (({int, str}, _DIGITS),)),
    (pa.types.is_binary, (({bytes}, _BLOB),)),
    (lambda _: True, (({str}, _TEXT),)),
)


@dataclass(frozen=True)
class SqliteSource:
    """The rows of a selection in a SQLite database.

    ``connect`` is a hook's ``get_conn``. Rows come by ADBC where adbc-driver-sqlite is installed
    and the database is a file, and else by the cursor.

    :raises BadQuery: more than one partition is asked for.
    """

    selection: Selection
    connect: Callable[[], Any]

    def __post_init__(self) -> None:
        one_stream(self.selection)

    @contextmanager
    def open(self, batch_bytes: int = BATCH_BYTES) -> Iterator[Rows]:
        """Read the first rows to know the types, then run the query.

        :raises BadQuery: the parameters are wrong, or the database refuses the query.
        :raises SourceUnavailable: the database can't be read, e.g. as it is locked.
        :raises UnknownType: a column's type is unknown; the message names all such columns.
        :raises TypeMismatch: while reading, a value does not fit its column's type.
        """
        with session(self.selection.name, self.connect) as opened:
            cursor = opened.executed(self.selection.statement("qmark"))
            names = names_of(self.selection.name, cursor.description)
            if self.selection.window:
                _check_column(self.selection.name, self.selection.window.column, names)
            fetch = partial(opened.call, cursor.fetchmany)
            schema, first = first_rows(self.selection, names, fetch)
            opened.call(cursor.close)
            storages = [
                _storage(self.selection.name, field, [row[index] for row in first])
                for index, field in enumerate(schema)
            ]
            reading = _Reading(self.selection, opened, schema, storages)
            listed = opened.executed(Statement("pragma database_list", None))
            path = {row[1]: row[2] for row in opened.call(listed.fetchall)}["main"]
            if not (path and find_spec("adbc_driver_sqlite")):
                yield Rows(schema, (lambda: nullcontext(reading.by_cursor(batch_bytes)),))
                return
            readers = Readers(self.selection.name)
            # The driver's batches have one length: that of the widest row which is known.
            widest = max(map(size_of, first), default=1)
            rows = max(1, min(_MAX_ROWS, batch_bytes // widest))
            try:
                yield Rows(schema, (lambda: reading.by_adbc(readers, path, rows),))
            finally:
                readers.end()

    def highest(self, column: str, after: object | None) -> tuple[object | None, int]:
        """Give the largest value of a column above ``after``, and how many rows have none.

        :raises BadQuery: there is no such column, or the database refuses the query.
        """
        whole = replace(self.selection, window=None)
        with session(self.selection.name, self.connect) as opened:
            cursor = opened.executed(whole.statement("qmark", where=["1 = 0"]))
            _check_column(
                self.selection.name, column, names_of(self.selection.name, cursor.description)
            )
        return DbapiSource(whole, self.connect).highest(column, after)


@dataclass(frozen=True)
class _Reading:
    selection: Selection
    opened: Session
    schema: pa.Schema
    storages: Sequence[Storage]

    @contextmanager
    def by_adbc(self, readers: Readers, path: str, rows: int) -> Iterator[Iterator[pa.RecordBatch]]:
        # Where there is no such package, the cursor does.
        from adbc_driver_sqlite import StatementOptions, connect  # noqa: PLC0415

        from airflow_ml_provider.extract.adbc.reading import opened, read  # noqa: PLC0415

        # The driver tells types by the first batch, so a row of each column's kind is the first.
        samples = ", ".join(
            f"{storage.sample} as {quoted(name)}"
            for storage, name in zip(self.storages, self.schema.names)
        )
        statement = self._statement()
        text = f"select {samples} union all {statement.text}"
        values = [sqlite_value(value) for value in statement.values or ()]
        options = {StatementOptions.BATCH_ROWS.value: str(rows)}
        name, uri = self.selection.name, f"file:{quote(path)}?mode=ro"
        with (
            self._explained(),
            opened(name, lambda: connect(uri)) as connection,
            read(readers, name, connection, text, values=values, options=options) as (_, batches),
        ):
            yield self._from_adbc(batches)

    def by_cursor(self, batch_bytes: int) -> Iterator[pa.RecordBatch]:
        with self._explained():
            cursor = self.opened.executed(self._statement())

        fetch = partial(self.opened.call, cursor.fetchmany)
        row_number = 1
        while True:
            with self._explained():
                rows = fetched(fetch, _MAX_ROWS, batch_bytes)
            if not rows:
                return
            pairs = zip(self.storages, zip(*rows))
            yield self._batch([pa.array(values, s.arrow) for s, values in pairs], row_number)
            row_number += len(rows)

    def _from_adbc(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        row_number = 0
        for batch in batches:
            taken = batch if row_number else batch.slice(1)
            if taken.num_rows:
                yield self._batch(taken.columns, max(1, row_number))
            row_number += batch.num_rows

    def _batch(self, arrays: Sequence[pa.Array], row_number: int) -> pa.RecordBatch:
        name = self.selection.name
        columns = [
            array_of(name, field, array, row_number) for field, array in zip(self.schema, arrays)
        ]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _statement(self) -> Statement:
        pairs = zip(self.storages, self.schema.names)
        select = ", ".join(f"{storage.checked(name)} as {quoted(name)}" for storage, name in pairs)
        return self.selection.statement("qmark", select=select)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except ExtractError as error:
            if _OVERFLOW not in str(error):
                raise
            raise self._cause() or BadQuery(str(error)) from error

    def _cause(self) -> TypeMismatch | None:
        """Look for a value of another kind than its column's."""
        for storage, field in zip(self.storages, self.schema):
            name = quoted(field.name)
            statement = self.selection.statement(
                "qmark",
                select=f"{name}, typeof({name})",
                where=[f"not ({storage.holds(field.name)})"],
            )
            cursor = self.opened.executed(statement)
            if row := self.opened.call(cursor.fetchone):
                return _refused(self.selection.name, field, storage, *row)
        return None


def _storage(name: str, column: pa.Field, first: Sequence[object]) -> Storage:
    """Choose the kind of a column's values by the first that is not NULL.

    :raises TypeMismatch: the column's type is read from no such values, or others follow.
    """
    takes = next(storages for accepts, storages in _STORAGES if accepts(column.type))
    present = [value for value in first if value is not None]
    found = (taken for taken in takes if present and type(present[0]) in taken[0])
    kinds, storage = next(found, takes[0])
    for value in present:
        if type(value) not in kinds:
            raise _refused(name, column, storage, value, _CLASSES[type(value)])
    return storage


def _refused(
    name: str, column: pa.Field, storage: Storage, value: object, kind: str
) -> TypeMismatch:
    return TypeMismatch(
        f"{name}: column {column.name}, {repr(value)[:_SHOWN]} ({kind}) does not fit "
        f"{type_name(column.type)}, which is read from {storage.kind} here; mend: another type in "
        "columns, or a cast in the query"
    )


def _check_column(name: str, column: str, names: Sequence[str]) -> None:
    # SQLite takes a quoted name of no column for text.
    if column.lower() not in [known.lower() for known in names]:
        raise BadQuery(f"{name}: column {column} is not in the result ({', '.join(names)})")
