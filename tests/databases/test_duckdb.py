"""A real DuckDB, through the ADBC driver of its package."""

from __future__ import annotations

from datetime import date, datetime, time, timezone
from decimal import Decimal
from math import isnan

import duckdb
import pyarrow as pa
import pytest

from airflow_ml_provider.extract.adbc.source import AdbcSource
from airflow_ml_provider.extract.arrow_types import type_name
from airflow_ml_provider.extract.connect import Connection
from airflow_ml_provider.extract.errors import (
    BadConnection,
    BadQuery,
    SourceUnavailable,
    TypeMismatch,
    UnknownType,
)
from airflow_ml_provider.extract.selection import Selection, Window
from airflow_ml_provider.extract.sources import source_for

NOON = datetime(2020, 1, 1, 12, 0, 0, 1)  # noqa: DTZ001
TYPES = [
    ("boolean", "bool", "true", True),
    ("tinyint", "int8", "-128", -128),
    ("utinyint", "uint8", "255", 255),
    ("integer", "int32", "7", 7),
    ("ubigint", "uint64", "18446744073709551615", 2**64 - 1),
    ("hugeint", "decimal128(38, 0)", "9" * 38, Decimal("9" * 38)),
    ("float", "float32", "1.5", 1.5),
    ("decimal(4,2)", "decimal128(4, 2)", "1.25", Decimal("1.25")),
    ("varchar", "string", "'ü😀'", "ü😀"),
    ("blob", "binary", r"'\x00\xFF'", b"\x00\xff"),
    ("date", "date32", "'9999-12-31'", date(9999, 12, 31)),
    ("time", "time64[us]", "'23:59:59.999999'", time(23, 59, 59, 999999)),
    ("timestamp", "timestamp[us]", "'2020-01-01 12:00:00.000001'", NOON),
    (
        "timestamptz",
        "timestamp[us, tz=UTC]",
        "'2020-01-01 14:00:00.000001+02'",
        NOON.replace(tzinfo=timezone.utc),
    ),
    ("timetz", "string", "'12:00:00+02'", "12:00:00+02"),
    ("interval", "string", "interval '1 month 2 days'", "1 month 2 days"),
    ("bit", "string", "'10101'", "10101"),
    (
        "uuid",
        "string",
        "'123e4567-e89b-12d3-a456-426655440000'",
        "123e4567-e89b-12d3-a456-426655440000",
    ),
    ("enum('a', 'ü')", "string", "'ü'", "ü"),
    ("json", "string", """'{"a": 1}'""", '{"a": 1}'),
    ("int[]", "list<item: int32>", "[1, null]", [1, None]),
    ("struct(a timestamptz)", None, "{'a': null}", {"a": None}),
]


@pytest.fixture
def path(tmp_path):
    """A database with all types, NULLs first."""
    path = tmp_path / "wh.duckdb"
    with duckdb.connect(str(path)) as connection:
        columns = ", ".join(f"c{i} {kind}" for i, (kind, *_) in enumerate(TYPES))
        connection.execute(f"create table everything ({columns})")
        for row in (["null"] * len(TYPES), [literal for _, _, literal, _ in TYPES]):
            connection.execute(f"insert into everything values ({', '.join(row)})")
        connection.execute("create table n as select range as i from range(5000)")
        connection.execute("insert into n values (null)")
    return str(path)


def source(path, query=None, **fields):
    found = source_for(Connection("duckdb", path), None, Selection("wh", query, **fields))
    assert isinstance(found, AdbcSource)
    return found


def test_every_type_arrives_without_loss(path, read):
    table = read(source(path, table="everything"))
    for field, (kind, arrow, _, value) in zip(table.schema, TYPES, strict=True):
        assert arrow in (None, type_name(field.type)), kind
        assert table[field.name].to_pylist() == [None, value], kind


def test_nan_is_no_null(path, read):
    values = read(source(path, "select unnest(['nan'::double, null, 'inf']) as f"))["f"]
    assert values.null_count == 1
    assert isnan(values[0].as_py())


def test_numbers_of_39_digits_are_refused_by_name(path, read):
    with pytest.raises(TypeMismatch, match="wh: column h, row"):
        read(source(path, "select 170141183460469231731687303715884105727::hugeint as h"))


def test_a_column_without_a_type_is_named(path, read):
    with pytest.raises(UnknownType, match=r"\n  - u is .*union.*, which Parquet has no type for"):
        read(source(path, "select union_value(a := 1) as u"))


def test_given_types_win_if_nothing_is_lost(path, read):
    given = {"i": "decimal128(9, 2)"}
    table = read(source(path, "select i from n where i < 2", columns=given))
    assert table.to_pydict() == {"i": [Decimal("0.00"), Decimal("1.00")]}
    with pytest.raises(TypeMismatch, match=r"wh: column i, row 129, 128 .* does not fit int8"):
        read(source(path, table="n", columns={"i": "int8"}))
    with pytest.raises(TypeMismatch, match=r"timestamp\[us\] can't be written as date32"):
        read(source(path, "select c12 from everything", columns={"c12": "date32"}))


def test_values_are_bound(path, read):
    query = "select :a as a, :at::timestamptz as at, ':a' as c where :b is null"
    values = {"a": "'; drop table n; --", "at": NOON.replace(tzinfo=timezone.utc), "b": None}
    row = read(source(path, query, parameters=values)).to_pylist()
    assert row == [{"a": values["a"], "at": values["at"], "c": ":a"}]


def test_a_window_and_its_highest_value(path, read):
    found = source(path, table="n", window=Window("i", 1, 3))
    assert read(found)["i"].to_pylist() == [2, 3]
    assert found.highest("i", None) == (4999, 1)
    assert found.highest("i", 0) == (4999, 1)
    assert found.highest("i", 4999) == (None, 1)
    nanoseconds = source(path, "select '1960-01-01 00:00:00.000000999'::timestamp_ns as at")
    assert nanoseconds.highest("at", None) == (datetime(1960, 1, 1), 0)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("select * from nope", "nope does not exist"),
        ("selec 1", "syntax error"),
        ("select 1 as a, 2 as a", "columns occur twice"),
        ("select cast('x' as int) as a", "Could not convert string 'x'"),
        ("insert into n values (1)", ""),
        ("select case when i > 4000 then 'x' || i else '1' end::int as a from n", "'x4001'"),
    ],
)
def test_bad_queries(path, read, query, message):
    with pytest.raises(BadQuery, match=f"^wh: .*{message}"):
        read(source(path, query))


def test_no_database(tmp_path, read):
    with pytest.raises((SourceUnavailable, BadConnection), match=r"wh.*nope\.duckdb"):
        read(source(str(tmp_path / "nope.duckdb"), "select 1 as a"))
    assert not list(tmp_path.iterdir())
    with pytest.raises(BadConnection, match="host, the path of the database, is empty"):
        source("", "select 1")


def test_partitions_are_refused_with_the_reason(path):
    with pytest.raises(BadQuery, match="wh: partitions=2: its connections can't share one snap"):
        source(path, table="n", partitions=2)


def test_memory_does_not_grow_with_the_rows(path):
    with source(path, "select range as i from range(20000000)").open() as rows:
        before = pa.total_allocated_bytes()
        with rows.streams[0]() as batches:
            largest = max(pa.total_allocated_bytes() - before for _ in batches)
    assert largest < 8 << 20
