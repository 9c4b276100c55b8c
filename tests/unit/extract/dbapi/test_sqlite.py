from __future__ import annotations

import sqlite3
from datetime import date
from decimal import Decimal
from math import inf

import pyarrow as pa
import pytest

from airflow_ml_provider.extract.dbapi import sqlite as module
from airflow_ml_provider.extract.dbapi.sqlite import SqliteSource
from airflow_ml_provider.extract.errors import BadQuery, TypeMismatch, UnknownType
from airflow_ml_provider.extract.selection import Selection, Window


@pytest.fixture(params=["adbc", "cursor"])
def way(request, monkeypatch):
    """Both ways that rows come; each test sees the same on both."""
    if request.param == "cursor":
        monkeypatch.setattr(module, "find_spec", lambda _: None)
    return request.param


def read(connect, query=None, batch_bytes=1 << 20, **fields):
    source = SqliteSource(Selection("wh", query, **fields), connect)
    with source.open(batch_bytes) as rows:
        (stream,) = rows.streams
        with stream() as batches:
            found = list(batches)
    assert all(batch.schema == rows.schema for batch in found)
    return pa.Table.from_batches(found, rows.schema)


@pytest.fixture
def late(sqlite):
    """Give what connects to a table of 3,000 integers whose row 2,500 is another value."""

    def make(value):
        return sqlite(
            "drop table if exists t; create table t (n); with recursive s(i) as "
            "(select 1 union all select i + 1 from s where i < 3000) "
            f"insert into t select case i when 2500 then {value} else i end from s"
        )

    return make


@pytest.mark.usefixtures("way")
def test_every_class_of_value_and_null(sqlite):
    connect = sqlite(
        'create table "odd ""t" (i, r, s, b);'
        'insert into "odd ""t" values '
        "(-9223372036854775808, 1.5, 'a' || char(0) || 'ü😀', x'00ff'),"
        " (null, null, null, null), (9223372036854775807, 9e999, '', x'')"
    )
    table = read(connect, table='odd "t')
    assert table.schema.types == [pa.int64(), pa.float64(), pa.string(), pa.binary()]
    assert table.to_pydict() == {
        "i": [-(2**63), None, 2**63 - 1],
        "r": [1.5, None, inf],
        "s": ["a\0ü😀", None, ""],
        "b": [b"\x00\xff", None, b""],
    }


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    ("value", "given", "kind"),
    [
        ("1.5", {}, "1.5 (real) does not fit int64, which is read from integer here"),
        ("2.0", {}, "2.0 (real) does not fit int64"),
        ("'x'", {}, "'x' (text) does not fit int64"),
        ("x'00'", {}, r"b'\x00' (blob) does not fit int64"),
        ("9007199254740993", {"n": "float64"}, "9007199254740993 (integer) does not fit float64"),
        ("70000", {"n": "int16"}, "row 2500, 70000 (int) does not fit int16"),
        ("2.5", {"n": "decimal128(9, 2)"}, "2.5 (real) does not fit decimal128(9, 2)"),
        ("'1.234'", {"n": "decimal128(9, 2)"}, "row 2500, '1.234' (str) does not fit decimal128"),
    ],
)
def test_a_later_value_of_another_kind_is_refused_by_name(late, value, given, kind):
    with pytest.raises(TypeMismatch) as error:
        read(late(value), table="t", columns=given)
    assert str(error.value).startswith("wh: column n, ")
    assert kind in str(error.value)
    assert "mend: another type in columns, or a cast in the query" in str(error.value)


@pytest.mark.usefixtures("way")
def test_what_is_mended_is_read(late):
    mended = read(late("1.5"), table="t", columns={"n": "float64"})
    assert mended["n"].to_pylist()[2498:2501] == [2499.0, 1.5, 2501.0]
    text = read(late("'x'"), "select cast(n as text) as n from t")
    assert text["n"].to_pylist()[2498:2501] == ["2499", "x", "2501"]
    exact = read(late("'1.25'"), table="t", columns={"n": "decimal128(9, 2)"})
    assert exact["n"].to_pylist()[2498:2500] == [Decimal("2499.00"), Decimal("1.25")]


@pytest.mark.usefixtures("way")
def test_an_overflow_of_the_querys_own_is_the_querys(late):
    with pytest.raises(BadQuery, match=r"wh: .*integer overflow"):
        read(late("-9223372036854775807 - 1"), "select abs(n) as n from t")


@pytest.mark.usefixtures("way")
def test_given_types_are_read_from_text_and_numbers(sqlite):
    connect = sqlite(
        "create table t (d, at, flag, price, n, late);"
        "insert into t values ('2013-01-01', '2013-01-01 12:00:00', 1, '12.50', '7', null)"
    )
    columns = {
        "d": "date32",
        "at": "timestamp[us, tz=UTC]",
        "flag": "bool",
        "price": "decimal128(12, 2)",
        "n": "int32",
        "late": "float32",
    }
    table = read(connect, table="t", columns=columns)
    row = table.to_pylist()[0]
    assert [row["d"], row["flag"], row["price"], row["n"], row["late"]] == [
        date(2013, 1, 1),
        True,
        Decimal("12.50"),
        7,
        None,
    ]
    assert row["at"].isoformat() == "2013-01-01T12:00:00+00:00"


@pytest.mark.usefixtures("way")
def test_a_column_that_is_null_for_long(sqlite):
    connect = sqlite(
        "create table t (i, late); with recursive s(i) as "
        "(select 1 union all select i + 1 from s where i < 40000) "
        "insert into t select i, case when i > 39000 then 'x' end from s"
    )
    with pytest.raises(UnknownType, match="late is NULL in the first 32768 rows"):
        read(connect, table="t")
    table = read(connect, table="t", columns={"late": "string"})
    assert table["late"].null_count == 39_000
    assert table["i"].to_pylist() == list(range(1, 40_001))


@pytest.mark.usefixtures("way")
def test_values_are_bound_and_order_is_kept(sqlite):
    connect = sqlite("create table t (a, b); insert into t values (1, 'x'), (3, 'y'), (2, '''')")
    query = "select a, b, :c as c from t where b <> :no order by a desc -- last"
    table = read(connect, query, parameters={"no": "y", "c": "'; drop table t; --"})
    assert table.to_pylist() == [
        {"a": 2, "b": "'", "c": "'; drop table t; --"},
        {"a": 1, "b": "x", "c": "'; drop table t; --"},
    ]


@pytest.mark.usefixtures("way")
def test_a_window(sqlite):
    connect = sqlite("create table t (a); insert into t values (1), (2), (3), (null)")
    window = read(connect, table="t", window=Window("A", 1, 2))
    assert window["a"].to_pylist() == [2]
    assert (
        read(connect, table="t", columns={"a": "int64"}, window=Window("a", 3, None)).num_rows == 0
    )
    with pytest.raises(BadQuery, match=r"wh: column b is not in the result \(a\)"):
        read(connect, table="t", window=Window("b", 1, 2))


def test_the_highest_value(sqlite):
    connect = sqlite("create table t (a); insert into t values (1), (3), (null), (null)")
    source = SqliteSource(Selection("wh", table="t", window=Window("a", 0, 1)), connect)
    assert source.highest("a", None) == (3, 2)
    assert source.highest("a", 1) == (3, 2)
    assert source.highest("a", 3) == (None, 2)
    with pytest.raises(BadQuery, match=r"wh: column b is not in the result \(a\)"):
        source.highest("b", None)


@pytest.mark.usefixtures("way")
def test_text_that_is_no_utf8_is_refused(sqlite):
    values = ", ".join(["('a')"] * 2000)
    connect = sqlite(f"create table t (s); insert into t values {values}, (cast(x'ff' as text))")
    with pytest.raises((TypeMismatch, BadQuery), match=r"(?i)wh: .*utf-8"):
        read(connect, table="t")


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("select * from nope", "no such table"),
        ("select 1 as a, 2 as a", "columns occur twice in the result: a"),
        ("insert into t values (2)", "give a select"),
    ],
)
def test_bad_queries(sqlite, query, message):
    connect = sqlite("create table t (a); insert into t values (1)")
    with pytest.raises(BadQuery, match=message):
        read(connect, query)
    assert read(connect, table="t")["a"].to_pylist() == [1]


def test_a_database_in_memory_needs_no_file():
    table = read(lambda: sqlite3.connect(":memory:"), "select 1 as a")
    assert table.to_pylist() == [{"a": 1}]


@pytest.mark.usefixtures("way")
def test_wide_rows_come_in_small_batches(sqlite):
    connect = sqlite(
        "create table t (b); with recursive s(i) as "
        "(select 1 union all select i + 1 from s where i < 200) "
        "insert into t select zeroblob(10000) from s"
    )
    source = SqliteSource(Selection("wh", table="t"), connect)
    with source.open(100_000) as rows, rows.streams[0]() as batches:
        assert max(batch.nbytes for batch in batches) <= 200_000


def test_partitions_are_refused_with_the_reason():
    with pytest.raises(
        BadQuery, match="wh: partitions=2: its connections can't share one snapshot"
    ):
        SqliteSource(Selection("wh", table="t", partitions=2), object)
