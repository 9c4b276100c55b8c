"""Reading through an ADBC driver, as it streams.

The low-level API alone: ``adbc_driver_manager.dbapi`` imports pandas.
https://arrow.apache.org/adbc/current/python/api/adbc_driver_manager.html
"""

from __future__ import annotations

import re
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import adbc_driver_manager
import pyarrow as pa
from adbc_driver_manager import AdbcConnection, AdbcDatabase, AdbcStatement, AdbcStatusCode

# A plain reader would lose the SQLSTATE of an error that comes after the first batch.
from adbc_driver_manager._reader import AdbcRecordBatchReader

from airflow_ml_provider.extract.errors import BadQuery, SourceUnavailable
from airflow_ml_provider.extract.readers import interruptible
from airflow_ml_provider.extract.sqlstate import error_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from airflow_ml_provider.extract.readers import Readers

# Those that the query or the connection's options are to blame for, where no SQLSTATE tells.
_FAULTS = frozenset(
    {
        AdbcStatusCode.NOT_IMPLEMENTED,
        AdbcStatusCode.NOT_FOUND,
        AdbcStatusCode.ALREADY_EXISTS,
        AdbcStatusCode.INVALID_ARGUMENT,
        AdbcStatusCode.INVALID_DATA,
        AdbcStatusCode.INTEGRITY,
        AdbcStatusCode.UNAUTHORIZED,
    }
)


@contextmanager
def opened(name: str, connect: Callable[[], AdbcDatabase]) -> Iterator[AdbcConnection]:
    """Connect with what a driver's low-level ``connect`` gives.

    :raises BadQuery: the driver refuses the options.
    :raises SourceUnavailable: there is no connection.
    """
    with adbc_errors(name):
        database = connect()
    with closing(database):
        with adbc_errors(name):
            connection = AdbcConnection(database)
        try:
            yield connection
        finally:
            # An error in here would hide the real one, and all rows were read otherwise.
            with suppress(adbc_driver_manager.Error):
                connection.close()


@contextmanager
def adbc_errors(name: str) -> Iterator[None]:
    """Raise a driver's errors as `BadQuery` or `SourceUnavailable`; others pass."""
    try:
        yield
    except adbc_driver_manager.Error as error:
        sqlstate = (error.sqlstate or "").strip("\0")
        if sqlstate:
            raise error_of(name, sqlstate, _message(error)) from error
        if error.status_code in _FAULTS:
            raise BadQuery(f"{name}: the database refuses the query: {error}") from error
        raise SourceUnavailable(f"{name}: {error}") from error


def _message(error: adbc_driver_manager.Error) -> str:
    """Give what the server said, without the query, which holds values."""
    text = str(error).partition("\n\nQuery was:")[0].partition(". SQLSTATE:")[0]
    return re.split(r"(?:ERROR|FATAL|PANIC):\s+", text, maxsplit=1)[-1]


def run(connection: AdbcConnection, text: str) -> None:
    """Run a statement for its effect."""
    with closing(AdbcStatement(connection)) as statement:
        statement.set_sql_query(text)
        statement.execute_update()


@contextmanager
def read(
    readers: Readers,
    name: str,
    connection: AdbcConnection,
    text: str,
    *,
    values: Sequence[object] = (),
    options: Mapping[str, str] | None = None,
) -> Iterator[tuple[pa.Schema, Iterator[pa.RecordBatch]]]:
    """Run a query; gives the schema and the batches as the driver streams them.

    :param values: bound to the parameters by position.
    :param options: the statement's, e.g. the size of batches.
    :raises BadQuery: the database refuses the query; also while reading.
    :raises SourceUnavailable: the connection was lost, or ``readers`` ended; also while reading.
    """
    with closing(AdbcStatement(connection)) as statement:
        with adbc_errors(name), readers.waiting(connection):
            if options:
                statement.set_options(**options)
            statement.set_sql_query(text)
            if values:
                names = map(str, range(len(values)))
                row = pa.record_batch([pa.array([value]) for value in values], [*names])
                statement.prepare()  # Flight SQL takes what is bound for rows to insert otherwise
                schema, array = row.__arrow_c_array__()
                statement.bind(array, schema)
            handle, _ = interruptible(statement.execute_query, connection.cancel)
            reader = AdbcRecordBatchReader._import_from_c(handle.address)  # noqa: SLF001
        with closing(reader):
            try:
                yield reader.schema, _batches(readers, name, connection, iter(reader))
            except BaseException:
                # Closing it would wait for all the rest of DuckDB's query.
                with suppress(adbc_driver_manager.Error):
                    connection.cancel()
                raise


def _batches(
    readers: Readers, name: str, connection: Any, batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    while True:
        with adbc_errors(name), readers.waiting(connection):
            batch = interruptible(lambda: next(batches, None), connection.cancel)
        if batch is None:
            return
        yield batch
