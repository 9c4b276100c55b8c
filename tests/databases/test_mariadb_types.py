"""What each type of a real MariaDB becomes: the table of docs/extract-databases.md."""

from __future__ import annotations

from datetime import date, datetime, time, timezone
from decimal import Decimal

import pymysql
import pytest

from airflow_ml_provider.extract.arrow_types import type_name
from airflow_ml_provider.extract.dbapi.source import DbapiSource
from airflow_ml_provider.extract.errors import TypeMismatch, UnknownType
from airflow_ml_provider.extract.selection import Selection

WKB = bytes(4) + b"\x01\x01\x00\x00\x00" + bytes.fromhex("000000000000f03f0000000000000040")

# MariaDB's type, its Arrow type, literals, and the values that are read.
TYPES = [
    ("tinyint", "int8", ["-128", "127"], [-128, 127]),
    ("tinyint(1)", "int8", ["1", "-7"], [1, -7]),
    ("boolean", "int8", ["true", "false"], [1, 0]),
    ("tinyint unsigned", "uint8", ["255"], [255]),
    ("smallint", "int16", ["-32768"], [-32768]),
    ("smallint unsigned", "uint16", ["65535"], [65535]),
    ("mediumint", "int32", ["-8388608"], [-8388608]),
    ("mediumint unsigned", "uint32", ["16777215"], [16777215]),
    ("int", "int32", ["-2147483648"], [-(2**31)]),
    ("int unsigned", "uint32", ["4294967295"], [2**32 - 1]),
    ("int(8) zerofill", "uint32", ["7"], [7]),
    ("bigint", "int64", ["-9223372036854775808"], [-(2**63)]),
    ("bigint unsigned", "uint64", ["18446744073709551615"], [2**64 - 1]),
    ("float", "float32", ["16777215", "1.1754943508222875e-38"], [16777215.0, 2.0**-126]),
    ("double", "float64", ["1.7976931348623157e308", "5e-324"], [1.7976931348623157e308, 5e-324]),
    ("double(20,2)", "float64", ["123456789.13"], [123456789.13]),
    ("decimal(10,2)", "decimal128(10, 2)", ["-12345678.90"], [Decimal("-12345678.90")]),
    ("decimal(5,5)", "decimal128(5, 5)", ["0.00001"], [Decimal("0.00001")]),
    ("decimal(6,3) zerofill", "decimal128(6, 3)", ["1.5"], [Decimal("1.500")]),
    ("decimal(38,0)", "decimal128(38, 0)", ["9" * 38], [Decimal("9" * 38)]),
    ("decimal(38,38)", "decimal128(38, 38)", ["0." + "9" * 38], [Decimal("0." + "9" * 38)]),
    ("bit", "uint64", ["b'1'"], [1]),
    ("bit(64)", "uint64", ["18446744073709551615"], [2**64 - 1]),
    ("year", "int16", ["2155", "0"], [2155, 0]),
    ("date", "date32", ["'9999-12-31'"], [date(9999, 12, 31)]),
    ("time", "time64[us]", ["'23:59:59'"], [time(23, 59, 59)]),
    ("time(6)", "time64[us]", ["'00:00:00.000001'"], [time(0, 0, 0, 1)]),
    (
        "datetime",
        "timestamp[us]",
        ["'1000-01-01 00:00:00'"],
        [datetime(1000, 1, 1)],  # noqa: DTZ001
    ),
    (
        "datetime(6)",
        "timestamp[us]",
        ["'9999-12-31 23:59:59.999999'"],
        [datetime(9999, 12, 31, 23, 59, 59, 999999)],  # noqa: DTZ001
    ),
    (
        "timestamp(6) null",
        "timestamp[us, tz=UTC]",
        ["from_unixtime(1351386000.000001)"],  # an hour that Berlin's clocks show twice
        [datetime(2012, 10, 28, 1, 0, 0, 1, timezone.utc)],
    ),
    ("char(4)", "string", ["'ü😀'"], ["ü😀"]),
    ("varchar(9) character set latin1", "string", ["'é'"], ["é"]),
    ("varchar(9) collate utf8mb4_bin", "string", ["'a\\0b'"], ["a\0b"]),
    ("longtext", "string", ["''"], [""]),
    ("binary(4)", "binary", ["x'00ff'"], [b"\x00\xff\x00\x00"]),
    ("varbinary(9)", "binary", ["x'80'"], [b"\x80"]),
    ("longblob", "binary", ["x'00'"], [b"\x00"]),
    ("enum('a','ü')", "string", ["'ü'"], ["ü"]),
    ("set('x','y')", "string", ["'y,x'"], ["x,y"]),
    ("json", "string", ["""'{"a": [1, null]}'"""], ['{"a": [1, null]}']),
    ("point", "binary", ["point(1, 2)"], [WKB]),
    (
        "uuid",
        "string",
        ["'123E4567-e89b-12d3-a456-426655440000'"],
        ["123e4567-e89b-12d3-a456-426655440000"],
    ),
    ("inet6", "string", ["'::1'"], ["::1"]),
]


@pytest.fixture
def everything(run):
    """A table with all types, a row of NULLs first."""
    columns = [f"c{i} {kind}" for i, (kind, *_) in enumerate(TYPES)]
    literals = [[*given, "null", "null"] for _, _, given, _ in TYPES]
    rows = [["null"] * len(TYPES), *([given[row] for given in literals] for row in range(2))]
    values = ", ".join(f"({', '.join(row)})" for row in rows)
    run(
        f"create table everything ({', '.join(columns)})",
        "set time_zone = '+02:00'",
        f"insert into everything values {values}",
    )


def source(mariadb, query=None, connect=pymysql.connect, **fields):
    return DbapiSource(Selection("wh", query, **fields), lambda: connect(**mariadb))


@pytest.mark.usefixtures("everything")
@pytest.mark.parametrize("query", [{"table": "everything"}, {"query": "select * from everything"}])
def test_every_type_arrives_without_loss(mariadb, read, query):
    table = read(source(mariadb, **query))
    assert [type_name(field.type) for field in table.schema] == [arrow for _, arrow, *_ in TYPES]
    for column, (_, _, _, values) in zip(table.columns, TYPES, strict=True):
        expected = [None, *values, *[None] * (2 - len(values))]
        assert column.to_pylist() == expected


@pytest.mark.usefixtures("everything")
def test_types_need_no_rows(mariadb, read):
    table = read(source(mariadb, "select * from everything where false"))
    assert [type_name(field.type) for field in table.schema] == [arrow for _, arrow, *_ in TYPES]
    assert table.num_rows == 0


@pytest.mark.parametrize("zone", ["SYSTEM", "+05:30"])
def test_what_the_connection_is_set_to_changes_nothing(mariadb, run, read, zone):
    run(
        "create table t (at timestamp, word varchar(9))",
        "insert into t values (from_unixtime(0.0 + 86400), '😀')",
    )
    given = {**mariadb, "charset": "latin1", "init_command": f"set time_zone = '{zone}'"}
    assert read(source(given, table="t")).to_pylist() == [
        {"at": datetime(1970, 1, 2, tzinfo=timezone.utc), "word": "😀"}
    ]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("date", "0000-00-00"),
        ("date", "2020-00-15"),
        ("datetime", "2020-02-00 00:00:00"),
        ("timestamp null", "0000-00-00 00:00:00"),
        ("time", "24:00:00"),
        ("time", "-838:59:59"),
    ],
)
def test_what_arrow_has_no_value_for_is_refused_by_name(mariadb, run, read, kind, value):
    run(
        f"create table t (id int, odd {kind})",
        "set sql_mode = ''",
        f"insert into t values (1, null), (2, '{value}')",
    )
    with pytest.raises(TypeMismatch, match=rf"^wh: column odd, row 2, '{value}' \(str\)") as error:
        read(source(mariadb, table="t"))
    assert "mend: another type in columns, or a cast in the query" in str(error.value)
    as_text = read(source(mariadb, table="t", columns={"odd": "string"}))
    assert as_text["odd"].to_pylist() == [None, value]


def test_decimals_beyond_38_digits_are_named_with_a_mend(mariadb, run, read):
    run("create table t (a decimal(65,30), b int)", "insert into t values (1.5, 1)")
    with pytest.raises(UnknownType) as error:
        read(source(mariadb, "select a, sum(b) as total, null as nothing from t"))
    assert str(error.value).splitlines()[1:] == [
        "  - a is DECIMAL(65, 30), and 38 digits are the most",
        "  - nothing is NULL in the first 1 rows",
    ]
    table = read(source(mariadb, table="t", columns={"a": "decimal128(38, 30)"}))
    assert table["a"].to_pylist() == [Decimal("1.5")]


def test_computed_columns_have_types_too(mariadb, read):
    query = "select 1 as i, 1.50 as d, 'a' as s, count(*) as n, sum(7) as t, avg(7) as a"
    assert [type_name(field.type) for field in read(source(mariadb, query)).schema] == [
        "int32",
        "decimal128(3, 2)",
        "string",
        "int64",
        "decimal128(23, 0)",
        "decimal128(5, 4)",
    ]


def test_given_types_win(mariadb, run, read):
    run("create table t (flag tinyint(1), b bit, n int)", "insert into t values (1, b'0', 7)")
    columns = {"flag": "bool", "b": "bool", "n": "string"}
    assert read(source(mariadb, table="t", columns=columns)).to_pylist() == [
        {"flag": True, "b": False, "n": "7"}
    ]
