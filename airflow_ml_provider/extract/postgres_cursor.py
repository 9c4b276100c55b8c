"""Rows by a server-side cursor, as Arrow arrays."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_ml_provider.extract.postgres_session import Session
    from airflow_ml_provider.extract.postgres_types import Column
    from airflow_ml_provider.extract.readers import Readers

_FIRST_ROWS = 64
_MAX_ROWS = 16_384


def cursor_arrays(
    readers: Readers, session: Session, columns: Sequence[Column], text: str, batch_bytes: int
) -> Iterator[list[pa.Array]]:
    """Read a query batch by batch: each column as text or bytes, lists as lists of text.

    :raises BadQuery: the server refuses the query.
    :raises SourceUnavailable: the connection was lost, or ``readers`` ended.
    """
    with readers.waiting(session.connection):
        session.rows(f"declare airflow_ml_extract cursor for {text}")
    count = _FIRST_ROWS
    while rows := _fetched(readers, session, count):
        arrays = [_array(column, values) for column, values in zip(columns, zip(*rows))]
        yield arrays
        # Wide rows come in smaller batches, so that memory stays bounded.
        size = sum(array.nbytes for array in arrays)
        count = max(1, min(_MAX_ROWS, batch_bytes * len(rows) // max(1, size)))


def _fetched(readers: Readers, session: Session, count: int) -> list[tuple[Any, ...]]:
    with readers.waiting(session.connection):
        return session.rows(f"fetch forward {count} from airflow_ml_extract")


def _array(column: Column, values: Sequence[Any]) -> pa.Array:
    if pa.types.is_list(column.wire):
        lists = [None if value is None else json.loads(value) for value in values]
        return pa.array(lists, pa.list_(pa.string()))
    return pa.array(values, pa.binary() if pa.types.is_binary(column.wire) else pa.string())
