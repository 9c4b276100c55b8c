"""Rows through the ADBC driver of any database."""

from __future__ import annotations

import re
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from adbc_driver_manager import AdbcDatabase, AdbcStatusCode

from airflow_ml_provider.extract.adbc.reading import adbc_errors, opened, read
from airflow_ml_provider.extract.arrow_types import decimal, fitted
from airflow_ml_provider.extract.columns import array_of, given_types, unique, unknown_types
from airflow_ml_provider.extract.errors import BadConnection, BadQuery, SourceUnavailable
from airflow_ml_provider.extract.memory import BATCH_BYTES
from airflow_ml_provider.extract.readers import Readers
from airflow_ml_provider.extract.selection import above
from airflow_ml_provider.extract.source import Rows, one_stream
from airflow_ml_provider.extract.statement import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from adbc_driver_manager import AdbcConnection

    from airflow_ml_provider.extract.adbc.drivers import Database
    from airflow_ml_provider.extract.selection import Selection
    from airflow_ml_provider.extract.statement import Statement

# DuckDB calls every error internal.
_DUCKDB_FAULT = re.compile(
    r"\b(Binder|Catalog|Constraint|Conversion|Invalid Input|Invalid type|Not implemented"
    r"|Out of Range|Parser|Permission|Syntax|Type) Error"
)
# Those that arrive in Arrow without a part of their value, or have no type there.
_DUCKDB_TEXT = frozenset({"TIME WITH TIME ZONE", "BIT", "INTERVAL"})
# What a driver says where the credentials are to blame.
_REFUSED = frozenset({AdbcStatusCode.UNAUTHENTICATED, AdbcStatusCode.UNAUTHORIZED})
_REFUSED_SQLSTATES = frozenset({"08004", "28000"})
# What is written as it is, or as another type that holds the same values.
_WRITTEN: tuple[tuple[Callable[[pa.DataType], bool], pa.DataType | None], ...] = (
    (pa.types.is_boolean, None),
    (pa.types.is_integer, None),
    (pa.types.is_float16, pa.float32()),
    (pa.types.is_floating, None),
    (pa.types.is_string, None),
    (pa.types.is_large_string, pa.string()),
    (pa.types.is_string_view, pa.string()),
    (pa.types.is_binary, None),
    (pa.types.is_large_binary, pa.binary()),
    (pa.types.is_binary_view, pa.binary()),
    (pa.types.is_fixed_size_binary, pa.binary()),
    (pa.types.is_date, pa.date32()),
    (pa.types.is_time32, pa.time64("us")),
    (pa.types.is_time64, None),
)


@dataclass(frozen=True)
class AdbcSource:
    """The rows of a selection, by the driver of a ``database``.

    Types are the driver's, in the form that every Parquet reader knows: dictionaries are decoded,
    and times with a zone are of UTC.

    :raises BadQuery: more than one partition is asked for.
    """

    selection: Selection
    database: Database

    def __post_init__(self) -> None:
        one_stream(self.selection)

    @contextmanager
    def open(self, batch_bytes: int = BATCH_BYTES) -> Iterator[Rows]:  # noqa: ARG002
        """Connect and run the query; the driver decides on the size of batches.

        :raises BadConnection: the driver refuses an option or the credentials.
        :raises BadQuery: the parameters are wrong, or the database refuses the query.
        :raises SourceUnavailable: there is no connection, or it was lost; also while reading.
        :raises UnknownType: a column's type is unknown; the message names all such columns.
        :raises TypeMismatch: while reading, a value does not fit its column's type.
        """
        readers = Readers(self.selection.name)
        with self._connected() as connection:
            select = self._duckdb_select(readers, connection) if self._duckdb else "*"
            with self._read(readers, connection, self._statement(select)) as (sent, batches):
                schema = self._schema(sent)
                try:
                    yield Rows(schema, (lambda: nullcontext(self._batches(schema, batches)),))
                finally:
                    # Before the connection is closed beneath a thread that reads.
                    readers.end()

    def highest(self, column: str, after: object | None) -> tuple[object | None, int]:
        """Give the largest value of a column above ``after``, and how many rows have none."""
        name = self._quoted(column)
        whole = replace(self, selection=replace(self.selection, window=None))
        where, values = above(name, after)
        with self._connected() as connection:
            largest = whole._single(connection, f"max({name})", where=where, values=values)  # noqa: SLF001
            nulls = whole._single(connection, "count(*)", where=[f"{name} is null"])  # noqa: SLF001
        if pa.types.is_timestamp(largest.type) and largest.type.unit == "ns":
            # Cut, not rounded: what is beyond a microsecond comes with the next window.
            floor = pc.floor_temporal(largest, unit="microsecond")
            largest = floor.cast(pa.timestamp("us", largest.type.tz))
        return largest.to_pylist()[0], int(nulls.to_pylist()[0])

    def _single(self, connection: AdbcConnection, select: str, **fields: Any) -> pa.Array:
        statement = self._statement(select, **fields)
        with self._read(Readers(self.selection.name), connection, statement) as (_, batches):
            return pa.chunked_array([batch.column(0) for batch in batches]).combine_chunks()

    def _statement(self, select: str = "*", **fields: Any) -> Statement:
        backticks = self.database.backticks
        return self.selection.statement("qmark", mysql=backticks, select=select, **fields)

    def _quoted(self, column: str) -> str:
        return quoted(column, mysql=self.database.backticks)

    @contextmanager
    def _connected(self) -> Iterator[AdbcConnection]:
        database = self.database
        given = {"entrypoint": database.entrypoint} if database.entrypoint else {}

        def connect() -> AdbcDatabase:
            return AdbcDatabase(driver=_library(database.module), **given, **database.options)

        with ExitStack() as stack:
            try:
                connection = stack.enter_context(opened(self.selection.name, connect))
            except BadQuery as error:
                # Nothing was asked yet, so it is an option that the driver refuses, and may show.
                raise self._refused(error) from None
            except SourceUnavailable as error:
                # BigQuery's driver connects to nothing here, and calls a missing key unknown.
                refused = _status(error) in (*_REFUSED, AdbcStatusCode.UNKNOWN)
                if refused or getattr(error.__cause__, "sqlstate", None) in _REFUSED_SQLSTATES:
                    raise self._refused(error) from error
                raise
            if database.connection_options:
                with adbc_errors(self.selection.name):
                    connection.set_options(**database.connection_options)
            yield connection

    @contextmanager
    def _read(
        self, readers: Readers, connection: AdbcConnection, statement: Statement
    ) -> Iterator[tuple[pa.Schema, Iterator[pa.RecordBatch]]]:
        values = list(statement.values or ())
        options = self.database.statement_options
        with (
            self._faults(),
            read(
                readers,
                self.selection.name,
                connection,
                statement.text,
                values=values,
                options=options,
            ) as (schema, batches),
        ):
            yield schema, self._explained(batches)

    def _explained(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        while True:
            with self._faults():
                batch = next(batches, None)
            if batch is None:
                return
            yield batch

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except SourceUnavailable as error:
            if _status(error) in _REFUSED:  # some drivers log in as they ask
                raise self._refused(error) from error
            if not (self._duckdb and _DUCKDB_FAULT.search(str(error))):
                raise
            said = str(error.__cause__ or error)
            raise BadQuery(
                f"{self.selection.name}: the database refuses the query: {said}"
            ) from error

    def _refused(self, error: Exception) -> BadConnection:
        driver = self.database.requirement
        said = self.database.hidden(str(error.__cause__ or error))
        return BadConnection(f"connection {self.selection.name!r}: {driver}: {said}")

    @property
    def _duckdb(self) -> bool:
        return self.database.module == "adbc_driver_duckdb"

    def _duckdb_select(self, readers: Readers, connection: AdbcConnection) -> str:
        """Give a select list in which no column loses a part of its value."""
        nothing = self._statement(where=["1 = 0"])
        with self._read(readers, connection, nothing) as (schema, _):
            names = unique(self.selection.name, schema.names)
        kinds = self._statement(
            ", ".join(f"typeof(any_value({quoted(name)}))" for name in names), where=["1 = 0"]
        )
        with self._read(readers, connection, kinds) as (_, batches):
            types = next(batches).to_pylist()[0].values()
        texts = {name for name, kind in zip(names, types) if kind in _DUCKDB_TEXT}
        if not texts:
            return "*"
        return ", ".join(
            f"{quoted(name)}::varchar as {quoted(name)}" if name in texts else quoted(name)
            for name in names
        )

    def _schema(self, sent: pa.Schema) -> pa.Schema:
        types, problems = given_types(self.selection, unique(self.selection.name, sent.names))
        for column in sent:
            if column.name not in types:
                types[column.name] = written(column.type)
                if types[column.name] is None:
                    problems.append(
                        f"{column.name} is {column.type}, which Parquet has no type for"
                    )
        if problems:
            raise unknown_types(self.selection.name, problems)
        return pa.schema([(name, types[name]) for name in sent.names])

    def _batches(
        self, schema: pa.Schema, batches: Iterator[pa.RecordBatch]
    ) -> Iterator[pa.RecordBatch]:
        row_number = 1
        for batch in batches:
            arrays = [
                array_of(self.selection.name, column, array, row_number, _fit)
                for column, array in zip(schema, batch.columns)
            ]
            if batch.num_rows:
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)
            row_number += batch.num_rows


def _status(error: Exception) -> AdbcStatusCode | None:
    return getattr(error.__cause__, "status_code", None)


def _library(module: str) -> str:
    """Give the path of a driver's shared library, or the name that the driver manager looks for."""
    try:
        package = import_module(module)
    except ImportError:
        return module
    # Each package's own `connect` calls it, and takes only some of the options.
    find = getattr(package, "_driver_path", None) or getattr(package, "driver_path", None)
    return str(find()) if find else module


def written(arrow: pa.DataType) -> pa.DataType | None:
    """Give the type that a driver's type is written as, or None."""
    storage = arrow.storage_type if isinstance(arrow, pa.BaseExtensionType) else arrow
    if pa.types.is_dictionary(storage):
        return written(storage.value_type)
    if pa.types.is_decimal(storage):
        return decimal(storage.precision, storage.scale)
    if pa.types.is_timestamp(storage):
        return pa.timestamp(storage.unit, "UTC" if storage.tz else None)
    if pa.types.is_nested(storage):
        return _nested(storage)
    return next((kind or storage for accepts, kind in _WRITTEN if accepts(storage)), None)


def _nested(arrow: pa.DataType) -> pa.DataType | None:
    if pa.types.is_map(arrow):
        key, item = written(arrow.key_type), written(arrow.item_type)
        return pa.map_(key, item) if key and item else None
    if pa.types.is_struct(arrow):
        fields = [(field.name, written(field.type)) for field in arrow]
        return pa.struct(fields) if all(kind for _, kind in fields) else None
    is_list = pa.types.is_list(arrow) or pa.types.is_large_list(arrow)
    item = written(arrow.value_type) if is_list else None
    return pa.list_(item) if item else None


def _fit(array: pa.Array, target: pa.DataType) -> pa.Array:
    return fitted(plain(array), target)


def plain(array: pa.Array) -> pa.Array:
    """Give an array in the type that it is written as, if there is one."""
    storage = array.storage if isinstance(array, pa.ExtensionArray) else array
    target = written(array.type)
    return storage if target is None or storage.type == target else storage.cast(target)
