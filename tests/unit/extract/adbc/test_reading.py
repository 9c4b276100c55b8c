from __future__ import annotations

from typing import TYPE_CHECKING, Any

import adbc_driver_manager
import adbc_driver_sqlite
import pyarrow as pa
import pytest
from adbc_driver_manager import AdbcStatusCode

from airflow_ml_provider.extract.adbc.reading import adbc_errors, opened, read, run
from airflow_ml_provider.extract.errors import BadQuery, SourceUnavailable
from airflow_ml_provider.extract.readers import Readers

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def connection() -> Iterator[Any]:
    with opened("warehouse", lambda: adbc_driver_sqlite.connect(":memory:")) as connection:
        run(connection, "create table t (a integer)")
        run(connection, "insert into t values (1), (2), (3)")
        yield connection


def test_rows_come_in_batches(connection: Any) -> None:
    options = {adbc_driver_sqlite.StatementOptions.BATCH_ROWS.value: "2"}
    reading = read(
        Readers("warehouse"), "warehouse", connection, "select a from t", options=options
    )
    with reading as (schema, batches):
        assert schema == pa.schema([("a", pa.int64())])
        assert [batch.num_rows for batch in batches] == [2, 1]


def test_values_are_bound(connection: Any) -> None:
    query = "select a from t where a >= ?"
    reading = read(Readers("warehouse"), "warehouse", connection, query, values=[2])
    with reading as (_, batches):
        assert [row for batch in batches for row in batch["a"].to_pylist()] == [2, 3]


def test_nothing_is_read_after_the_end(connection: Any) -> None:
    readers = Readers("warehouse")
    with read(readers, "warehouse", connection, "select a from t") as (_, batches):
        readers.end()
        with pytest.raises(SourceUnavailable, match="warehouse: reading was ended"):
            next(batches)


def test_a_bad_query_says_what_the_driver_says(connection: Any) -> None:
    reading = read(Readers("warehouse"), "warehouse", connection, "select nope from t")
    with pytest.raises(BadQuery, match=r"warehouse: .*no such column: nope"), reading:
        pass


def test_where_nothing_can_be_opened(tmp_path: Any) -> None:
    uri = f"file:{tmp_path}/no/such/folder/db?mode=ro"
    with (
        pytest.raises(SourceUnavailable, match="warehouse: "),
        opened("warehouse", lambda: adbc_driver_sqlite.connect(uri)),
    ):
        pass


@pytest.mark.parametrize(
    ("status", "sqlstate", "expected"),
    [
        (AdbcStatusCode.IO, None, SourceUnavailable),
        (AdbcStatusCode.UNKNOWN, "", SourceUnavailable),
        (AdbcStatusCode.INVALID_ARGUMENT, None, BadQuery),
        (AdbcStatusCode.NOT_FOUND, "\0\0\0\0\0", BadQuery),
        # PostgreSQL's driver calls a lost connection an invalid argument.
        (AdbcStatusCode.INVALID_ARGUMENT, "57P01", SourceUnavailable),
        (AdbcStatusCode.IO, "42P01", BadQuery),
    ],
)
def test_a_driver_s_error_by_its_sqlstate_or_else_its_status(
    status: AdbcStatusCode, sqlstate: str | None, expected: type[Exception]
) -> None:
    with pytest.raises(expected, match="warehouse: "), adbc_errors("warehouse"):
        raise adbc_driver_manager.OperationalError(
            "it failed", status_code=status, sqlstate=sqlstate
        )


def test_the_server_s_words_stay_and_the_query_goes() -> None:
    text = (
        "INVALID_ARGUMENT: [libpq] Failed to prepare query: ERROR:  no such column\nLINE 1: ...\n\n"
        "Query was:select 'a secret'. SQLSTATE: 42703"
    )
    with pytest.raises(BadQuery) as caught, adbc_errors("warehouse"):
        raise adbc_driver_manager.ProgrammingError(
            text, status_code=AdbcStatusCode.INVALID_ARGUMENT, sqlstate="42703"
        )
    assert str(caught.value) == (
        "warehouse: the database refuses the query: no such column\nLINE 1: ... (SQLSTATE 42703)"
    )


def test_other_errors_pass() -> None:
    with pytest.raises(KeyError), adbc_errors("warehouse"):
        raise KeyError("x")
