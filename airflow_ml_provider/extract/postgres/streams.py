"""Streams of a PostgreSQL selection: by ADBC's binary COPY, or by a cursor, with equal batches."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from airflow_ml_provider.extract.errors import (
    BadQuery,
    SourceUnavailable,
    TypeMismatch,
    UnknownType,
)
from airflow_ml_provider.extract.postgres.column_types import ARRAY_MARK, Column, schema_of
from airflow_ml_provider.extract.postgres.session import Session
from airflow_ml_provider.extract.postgres.values import record_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from airflow_ml_provider.extract.readers import Readers

_FIRST_ROWS = 64
_MAX_ROWS = 16_384
# One statement, as Redshift knows it, too: https://docs.aws.amazon.com/redshift/latest/dg/r_BEGIN.html
_BEGIN = "begin transaction isolation level repeatable read read only"
_ISOLATION = "set transaction isolation level repeatable read read only"


@dataclass(frozen=True)
class Plan:
    """What the streams of one selection have in common.

    ``begin`` are the first statements of each one's transaction.
    """

    name: str
    readers: Readers
    columns: Sequence[Column]
    begin: Sequence[str]
    batch_bytes: int


@contextmanager
def adbc_stream(
    plan: Plan, connect: Callable[[], Any], text: str
) -> Iterator[Iterator[pa.RecordBatch]]:
    """Read ``text`` by ADBC."""
    # Installed or not: see PostgresSource.
    adbc = import_module("airflow_ml_provider.extract.adbc.reading")
    driver = import_module("adbc_driver_postgresql")
    hint = {driver.StatementOptions.BATCH_SIZE_HINT_BYTES.value: str(plan.batch_bytes)}
    with adbc.opened(plan.name, connect) as connection:
        with _begin_errors(), adbc.adbc_errors(plan.name), plan.readers.waiting(connection):
            connection.set_autocommit(False)
            for statement in (_ISOLATION, *plan.begin):
                adbc.run(connection, statement)
        # The query may end in a comment, and COPY closes a bracket after it.
        reading = adbc.read(plan.readers, plan.name, connection, f"{text}\n", options=hint)
        with _array_errors(plan), reading as (schema, batches):
            wire = [column.wire for column in plan.columns]
            if schema.types != wire:
                raise UnknownType(
                    f"{plan.name}: adbc-driver-postgresql {driver.__version__} gives "
                    f"{schema.types}, and not {wire}; mend: another version of it"
                )
            yield _fitted(plan, (batch.columns for batch in batches))


@contextmanager
def cursor_stream(
    plan: Plan, connect: Callable[[], Any], text: str
) -> Iterator[Iterator[pa.RecordBatch]]:
    """Read ``text`` by a server-side cursor on a connection of its own."""
    with Session.opened(plan.name, connect) as session:
        with _begin_errors(), plan.readers.waiting(session.connection):
            for statement in (_BEGIN, *plan.begin):
                session.rows(statement)
        with _array_errors(plan):
            arrays = _cursor_arrays(plan, session, text)
            yield _fitted(plan, arrays)


def _cursor_arrays(plan: Plan, session: Session, text: str) -> Iterator[list[pa.Array]]:
    """Read a query batch by batch: each column as text or bytes, lists as lists of text."""
    with plan.readers.waiting(session.connection):
        session.rows(f"declare airflow_ml_extract cursor for {text}")
    count = _FIRST_ROWS
    while rows := _fetched(plan, session, count):
        arrays = [_array(column, values) for column, values in zip(plan.columns, zip(*rows))]
        yield arrays
        # Wide rows come in smaller batches, so that memory stays bounded.
        size = sum(array.nbytes for array in arrays)
        count = max(1, min(_MAX_ROWS, plan.batch_bytes * len(rows) // max(1, size)))


def _fetched(plan: Plan, session: Session, count: int) -> list[tuple[Any, ...]]:
    with plan.readers.waiting(session.connection):
        return session.rows(f"fetch forward {count} from airflow_ml_extract")


def _array(column: Column, values: Sequence[Any]) -> pa.Array:
    if pa.types.is_list(column.wire):
        lists = [None if value is None else json.loads(value) for value in values]
        return pa.array(lists, pa.list_(pa.string()))
    return pa.array(values, pa.binary() if pa.types.is_binary(column.wire) else pa.string())


def _fitted(plan: Plan, found: Iterator[Sequence[pa.Array]]) -> Iterator[pa.RecordBatch]:
    schema = schema_of(plan.columns)
    for arrays in found:
        yield record_batch(plan.name, plan.columns, arrays, schema)


@contextmanager
def _begin_errors() -> Iterator[None]:
    try:
        yield
    except BadQuery as error:
        if "snapshot" not in str(error):
            raise
        raise SourceUnavailable(
            f"{error}; a pooler or balancer may have led to another server, which does not know "
            "the snapshot; mend: the host of one server in the connection"
        ) from error


@contextmanager
def _array_errors(plan: Plan) -> Iterator[None]:
    try:
        yield
    except BadQuery as error:
        match = re.search(rf"{ARRAY_MARK}(\d+) ([\[\]:\d-]+)", str(error))
        if match is None:
            raise
        column = plan.columns[int(match[1])].name
        raise TypeMismatch(
            f"{plan.name}: column {column} holds an array with the bounds {match[2]}, and a list "
            f"has one dimension that begins at 1; mend: columns={{{column!r}: 'string'}}, or "
            "array_to_json() in the query"
        ) from error
