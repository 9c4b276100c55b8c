"""Each type of docs/extract-postgres.md on a real server, by ADBC and by either driver's cursor."""

from __future__ import annotations

import io
import sys
from contextlib import closing
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg
import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_ml_provider.extract.arrow_types import parse_type
from airflow_ml_provider.extract.errors import BadQuery, TypeMismatch, UnknownType
from airflow_ml_provider.extract.postgres.session import Session
from airflow_ml_provider.extract.postgres.source import PostgresSource
from airflow_ml_provider.extract.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Extract = Callable[..., pa.Table]

INF = float("inf")
NAN = float("nan")
FIRST_DAY, LAST_DAY = -2_440_550, 2_145_042_905  # 4713-01-01 BC, 5874897-12-31
FIRST_US = FIRST_DAY * 86_400_000_000
LAST_US = 2**63 - 1 - 775_807  # 294247-01-10 04:00:54, Arrow's last whole second
NOON = datetime(2013, 1, 1, 12, 30, 0, 5)  # noqa: DTZ001  without a zone is the point
UTC_NOON = NOON.replace(tzinfo=timezone.utc)
TIMES = [time(0), time(5, 30, 0, 500_000), time(23, 59, 59, 999_999)]
UUID = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"

SCHEMA = """
create type mood as enum ('sad', 'it''s "ok"');
create type pair as (a int, "b c" text);
create domain positive as int check (value > 0);
create domain price as numeric(10, 2);
create domain prices as price[];
create sequence counter;
"""
# PostgreSQL's type: the values in SQL, Arrow's type, and the values.
CASES: dict[str, tuple[list[str], pa.DataType, list[Any]]] = {
    "smallint": (["-32768", "32767"], pa.int16(), [-32768, 32767]),
    "integer": (["-2147483648", "2147483647"], pa.int32(), [-(2**31), 2**31 - 1]),
    "bigint": (["-9223372036854775808", "9223372036854775807"], pa.int64(), [-(2**63), 2**63 - 1]),
    "real": (["3.14", "'-Infinity'", "'NaN'", "1e-45"], pa.float32(), [3.14, -INF, NAN, 1e-45]),
    "double precision": (
        ["0.1", "'Infinity'", "'NaN'", "5e-324", "1.7976931348623157e308"],
        pa.float64(),
        [0.1, INF, NAN, 5e-324, sys.float_info.max],
    ),
    "numeric(12, 3)": (
        ["1.5", "-999999999.999", "0"],
        pa.decimal128(12, 3),
        [Decimal("1.500"), Decimal("-999999999.999"), Decimal("0.000")],
    ),
    "numeric(38, 0)": (["9" * 38, "-" + "9" * 38], pa.decimal128(38), [10**38 - 1, 1 - 10**38]),
    "numeric(38, 38)": (["0." + "9" * 38], pa.decimal128(38, 38), [Decimal("0." + "9" * 38)]),
    "numeric(3, -2)": (["12345", "-99900"], pa.decimal128(5), [12300, -99900]),
    "numeric(2, 5)": (["0.00099"], pa.decimal128(5, 5), [Decimal("0.00099")]),
    "money": (
        ["'-92233720368547758.08'", "12.34"],
        pa.decimal128(19, 2),
        [Decimal("-92233720368547758.08"), Decimal("12.34")],
    ),
    "boolean": (["true", "false"], pa.bool_(), [True, False]),
    "text": (["''", "'é 🦆 \\ '' \"'", "E'a\\nb'"], pa.string(), ["", "é 🦆 \\ ' \"", "a\nb"]),
    "varchar(5)": (["'ab '"], pa.string(), ["ab "]),
    "char(5)": (["'ab'"], pa.string(), ["ab   "]),
    "name": (["'pg_class'"], pa.string(), ["pg_class"]),
    '"char"': (["'a'"], pa.string(), ["a"]),
    "bytea": (["'\\x00ff'", "''"], pa.binary(), [b"\x00\xff", b""]),
    "date": (
        ["'2013-01-01'", "'4713-01-01 BC'", "'5874897-12-31'", "'10000-02-29'"],
        pa.date32(),
        [15706, FIRST_DAY, LAST_DAY, 2_932_956],
    ),
    "time": (["'00:00'", "'05:30:00.5'", "'23:59:59.999999'"], pa.time64("us"), TIMES),
    "time(0)": (["'05:30:00'"], pa.time64("us"), [time(5, 30)]),
    "timetz": (
        ["'05:30:00.5+05:30'", "'24:00:00-15:59'"],
        pa.string(),
        [
            "05:30:00.5+05:30",
            "24:00:00-15:59",
        ],
    ),
    "timestamp": (
        ["'2013-01-01 12:30:00.000005'", "'4713-01-01 BC'", "'294247-01-10 04:00:54'"],
        pa.timestamp("us"),
        [NOON, FIRST_US, LAST_US],
    ),
    "timestamptz": (
        [
            "'2013-01-01 14:30:00.000005+02'",
            "'1850-01-01 00:00:00+01:02:03'",
            "'4713-01-01 00:00:00+00 BC'",
            "'294247-01-10 04:00:54+00'",
        ],
        pa.timestamp("us", "UTC"),
        [UTC_NOON, datetime(1849, 12, 31, 22, 57, 57, tzinfo=timezone.utc), FIRST_US, LAST_US],
    ),
    "interval": (
        ["'1 year 2 mons -3 days 04:05:06.789'", "'0'", "'-1 mon'"],
        pa.string(),
        ["P1Y2M-3DT4H5M6.789S", "PT0S", "P-1M"],
    ),
    "uuid": ([f"'{UUID.upper()}'"], pa.string(), [UUID]),
    "json": (['\'{"b": 1.50,  "a": null}\''], pa.string(), ['{"b": 1.50,  "a": null}']),
    "jsonb": (['\'{"b": 1.50,  "a": null}\''], pa.string(), ['{"a": null, "b": 1.50}']),
    "jsonpath": (["'$.a'"], pa.string(), ['$."a"']),
    "inet": (["'10.0.0.1'", "'::1/64'"], pa.string(), ["10.0.0.1/32", "::1/64"]),
    "cidr": (["'10.0.0.0/8'"], pa.string(), ["10.0.0.0/8"]),
    "macaddr": (["'08002b:010203'"], pa.string(), ["08:00:2b:01:02:03"]),
    "bit(3)": (["B'101'"], pa.string(), ["101"]),
    "varbit": (["B'1'", "B''"], pa.string(), ["1", ""]),
    "point": (["'(0.1,-2)'"], pa.string(), ["(0.1,-2)"]),
    "polygon": (["'((0,0),(1,1))'"], pa.string(), ["((0,0),(1,1))"]),
    "int4range": (["'[1,5)'", "'empty'", "'[1,)'"], pa.string(), ["[1,5)", "empty", "[1,)"]),
    "daterange": (["'[2013-01-01,infinity]'"], pa.string(), ["[2013-01-01,infinity]"]),
    "int4multirange": (["'{[1,2),[5,9)}'"], pa.string(), ["{[1,2),[5,9)}"]),
    "tsvector": (["'a:1 b'"], pa.string(), ["'a':1 'b'"]),
    "oid": (["4294967295"], pa.uint32(), [2**32 - 1]),
    "regclass": (["'pg_class'"], pa.string(), ["pg_class"]),
    "xid": (["'7'"], pa.string(), ["7"]),
    "pg_lsn": (["'16/B374D848'"], pa.string(), ["16/B374D848"]),
    "int2vector": (["'1 2'"], pa.string(), ["1 2"]),
    "mood": (["'sad'", "'it''s \"ok\"'"], pa.string(), ["sad", 'it\'s "ok"']),
    "pair": (["row(1, 'x y')", "row(null, null)"], pa.string(), ['(1,"x y")', "(,)"]),
    "positive": (["7"], pa.int32(), [7]),
    "price": (["1.5"], pa.decimal128(10, 2), [Decimal("1.50")]),
    # Arrays: a list holds what its elements become.
    "bigint[]": (
        ["'{1,NULL,-9223372036854775808}'", "'{}'"],
        pa.int64(),
        [[1, None, -(2**63)], []],
    ),
    "text[]": (["array['a,\"b', null, 'NULL', '']"], pa.string(), [['a,"b', None, "NULL", ""]]),
    "varchar(3)[]": (["'{ab,c}'"], pa.string(), [["ab", "c"]]),
    "char(3)[]": (["'{ab,c}'"], pa.string(), [["ab ", "c  "]]),
    "boolean[]": (["'{t,f,NULL}'"], pa.bool_(), [[True, False, None]]),
    "real[]": (["'{3.14,NaN}'"], pa.float32(), [[3.14, NAN]]),
    "double precision[]": (["'{0.1,-Infinity,NaN}'"], pa.float64(), [[0.1, -INF, NAN]]),
    "numeric(5, 2)[]": (["'{1.5,NULL}'"], pa.decimal128(5, 2), [[Decimal("1.50"), None]]),
    "bytea[]": (["array['\\x00ff'::bytea, '', null]"], pa.binary(), [[b"\x00\xff", b"", None]]),
    "date[]": (["'{2013-01-01,0044-03-15 BC}'"], pa.date32(), [[15706, -735_160]]),
    "time[]": (["'{05:30:00.5}'"], pa.time64("us"), [[time(5, 30, 0, 500_000)]]),
    "timestamp[]": (["array['2013-01-01 12:30:00.000005']"], pa.timestamp("us"), [[NOON]]),
    "timestamptz[]": (
        ["array['2013-01-01 14:30:00.000005+02', '1850-01-01 00:00:00+01:02:03']"],
        pa.timestamp("us", "UTC"),
        [[UTC_NOON, datetime(1849, 12, 31, 22, 57, 57, tzinfo=timezone.utc)]],
    ),
    "uuid[]": ([f"array['{UUID}']"], pa.string(), [[UUID]]),
    "jsonb[]": (["array['{\"a\": 1}'::jsonb]"], pa.string(), [['{"a": 1}']]),
    "interval[]": (["'{1 day,NULL}'"], pa.string(), [["P1D", None]]),
    "money[]": (["'{12.34}'"], pa.decimal128(19, 2), [[Decimal("12.34")]]),
    "mood[]": (["'{sad}'"], pa.string(), [["sad"]]),
    "pair[]": (["array[row(1, 'x y')::pair]"], pa.string(), [['(1,"x y")']]),
    "positive[]": (["'{7,NULL}'"], pa.int32(), [[7, None]]),
    "price[]": (["'{1.5}'"], pa.decimal128(10, 2), [[Decimal("1.50")]]),
    "prices": (["'{1.5}'"], pa.decimal128(10, 2), [[Decimal("1.50")]]),
    "int4range[]": (["array['[1,5)'::int4range]"], pa.string(), [["[1,5)"]]),
}
LISTS = {name for name in CASES if name.endswith("[]")} | {"prices"}


def _quoted(name: str) -> str:
    return '"' + f"{name} values".replace('"', '""') + '"'


@pytest.fixture(scope="module")
def database(server: Path) -> dict[str, str]:
    """Return libpq's parameters of a database with one table a case, ``"<type>"(c)``."""
    root = {"host": str(server), "user": "postgres"}
    with closing(psycopg2.connect(**root, dbname="postgres")) as connection:
        connection.autocommit = True
        connection.cursor().execute("create database types")
    with closing(psycopg2.connect(**root, dbname="types")) as connection, connection:
        cursor = connection.cursor()
        cursor.execute(SCHEMA)
        for name, (values, _, _) in CASES.items():
            cursor.execute(f"create table {_quoted(name)} (place serial, c {name})")
            for value in [*values, "null"]:
                cursor.execute(f"insert into {_quoted(name)} (c) values (({value})::{name})")
    return {**root, "dbname": "types"}


def _read(parameters: dict[str, str], way: str, query: str, **fields: Any) -> pa.Table:
    """Read a selection by ADBC or a cursor, whose parameters and password come from a driver."""
    driver = {"psycopg2": psycopg2, "psycopg": psycopg}[way.partition("-")[2]]
    connect = fields.pop("connect", lambda: driver.connect(**parameters))
    source = PostgresSource(Selection("warehouse", query=query, **fields), connect)
    with pytest.MonkeyPatch.context() as patch:
        if way.startswith("cursor"):
            patch.setitem(sys.modules, "adbc_driver_postgresql", None)
        with source.open(1024) as rows:
            batches = []
            for stream in rows.streams:
                with stream() as found:
                    batches += found
    table = pa.Table.from_batches(batches, rows.schema)
    table.validate(full=True)
    return table


@pytest.fixture(params=["adbc-psycopg2", "cursor-psycopg"])
def extract(request: pytest.FixtureRequest, database: dict[str, str]) -> Extract:
    """Read a selection, in both ways."""
    return partial(_read, database, request.param)


@pytest.fixture(
    scope="module", params=["adbc-psycopg2", "cursor-psycopg2", "adbc-psycopg", "cursor-psycopg"]
)
def everything(request: pytest.FixtureRequest, database: dict[str, str]) -> pa.Table:
    """Return all cases, a column each, where shorter ones end with NULLs."""
    joins = (f"left join {_quoted(name)} t{i} using (place)" for i, name in enumerate(CASES))
    columns = (f"t{i}.c as {_quoted(name)}" for i, name in enumerate(CASES))
    query = (
        f"select {', '.join(columns)} from generate_series(1, 6) place {' '.join(joins)} "
        "order by place"
    )
    return _read(database, request.param, query)


def _array(values: list[Any], arrow: pa.DataType) -> pa.Array:
    """Build the expected array; what Python's own types can't hold is given as a number."""
    if not (pa.types.is_timestamp(arrow) or pa.types.is_date(arrow)):
        return pa.array(values, arrow)
    days = pa.types.is_date(arrow)
    epoch = datetime(1970, 1, 1, tzinfo=timezone.utc)
    numbers = [
        (value.replace(tzinfo=timezone.utc) - epoch) // timedelta(microseconds=1)
        if isinstance(value, datetime)
        else value
        for value in values
    ]
    return pa.array(numbers, pa.int32() if days else pa.int64()).view(arrow)


@pytest.mark.parametrize("name", CASES)
def test_every_type_arrives_without_loss(everything: pa.Table, name: str) -> None:
    _, arrow, values = CASES[name]
    found = everything[f"{name} values"].combine_chunks()
    nulls = [None] * (len(found) - len(values))
    if name in LISTS:
        assert found.type == pa.list_(arrow)
        assert found.value_lengths().to_pylist() == [*map(len, values), *nulls]
        found, nulls = found.flatten(), []
        values = [value for item in values for value in item]
    expected = _array([*values, *nulls], arrow)

    assert found.type == arrow
    # NaN is equal to itself here, and nothing else is.
    assert str(found) == str(expected)
    assert found.is_null().equals(expected.is_null())


def test_parquet_holds_what_was_read(everything: pa.Table) -> None:
    file = io.BytesIO()
    pq.write_table(everything, file)
    file.seek(0)

    # Lists call their elements otherwise in Parquet.
    found = pq.read_table(file).cast(everything.schema)
    assert str(found.combine_chunks()) == str(everything.combine_chunks())


# What there is, its type, and what the message says.
REFUSED = {
    "an infinite timestamp": ("'infinity'", "timestamp", "infinity has no place"),
    "a timestamptz before all": ("'-infinity'", "timestamptz", "-infinity has no place"),
    "an infinite date": ("'infinity'", "date", "infinity has no place"),
    "a date before all": ("'-infinity'", "date", "-infinity has no place"),
    "a year beyond Arrow": ("'294276-12-31 23:59'", "timestamp", "a year after 294246"),
    "a year beyond Arrow, UTC": ("'294276-01-01'", "timestamptz", "a year after 294246"),
    "midnight at the end of a day": ("'24:00:00'", "time", "24:00:00 has no place"),
    "numeric NaN": ("'NaN'", "numeric(5, 2)", "'NaN'"),
    "an array of infinite dates": ("'{infinity}'", "date[]", "infinity has no place"),
    "an array of infinite times": ("'{-infinity}'", "timestamp[]", "-infinity has no place"),
    "an array of 24:00": ("'{24:00}'", "time[]", "24:00:00 has no place"),
    "an array of numeric NaN": ("'{1,NaN}'", "numeric(5, 2)[]", "NaN"),
    "two dimensions": ("'{{1,2},{3,4}}'", "int[]", r"the bounds \[1:2\]\[1:2\]"),
    "two dimensions of an enum": ("'{{sad}}'", "mood[]", r"the bounds \[1:1\]\[1:1\]"),
    "other bounds": ("'[2:3]={1,2}'", "int[]", r"the bounds \[2:3\]"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_arrow_can_not_hold_is_refused_by_name(extract: Extract, case: str) -> None:
    value, kind, says = REFUSED[case]
    # Not in the first batch.
    query = (
        f"select i, (case when i = 2000 then {value} end)::{kind} as \"the 'column'\" "
        "from generate_series(1, 3000) i"
    )

    with pytest.raises(
        TypeMismatch, match=f"warehouse: column the 'column'.*{says}.*mend: columns"
    ):
        extract(query)


@pytest.mark.parametrize("case", REFUSED)
def test_the_mend_of_what_is_refused_works(extract: Extract, case: str) -> None:
    value, kind, _ = REFUSED[case]
    table = extract(f"select {value}::{kind} as c", columns={"c": "string"})
    (expected,) = extract(f"select {value}::{kind}::text as c")["c"].to_pylist()
    assert table.schema.field("c").type == pa.string()
    assert table["c"].to_pylist() == [expected]


def test_all_columns_without_a_type_are_named(extract: Extract) -> None:
    query = """
        select sum(i) as total, 1::numeric(39, 0) as wide, array[1]::numeric[] as many, i as fine,
            now() as moment, true as flag, 'x'::bytea as raw, array[1] as list
        from generate_series(1, 3) i group by i
    """
    given = {
        "fine": "flot",
        "missing": "int64",
        "moment": "timestamp[us]",
        "flag": "int64",
        "raw": "int64",
        "list": "int64",
    }
    with pytest.raises(UnknownType) as caught:
        extract(query, columns=given)
    message = str(caught.value)
    for line in (
        "wide is numeric without a precision of 38 or less",
        "many is an array of numeric without a precision of 38 or less",
        "fine: 'flot' is not one of bool,",
        "missing is not in the result (total, wide, many, fine,",
        "moment is timestamptz, which can't become timestamp[us]",
        "flag is bool, which can't become int64",
        "raw is bytea, which can't become int64",
        "list is an array, which can't become int64, only string",
        "mend: name it in columns",
    ):
        assert line in message


GIVEN: list[tuple[str, str, Any]] = [
    ("1.50::numeric", "decimal128(5, 2)", Decimal("1.50")),
    ("1.50::numeric", "float64", 1.5),
    ("'NaN'::numeric", "float64", NAN),
    ("12.00::numeric", "int64", 12),
    ("5", "int8", 5),
    ("5", "float64", 5.0),
    ("5", "decimal128(3, 1)", Decimal("5.0")),
    ("1", "bool", True),
    ("2.0::float8", "int32", 2),
    ("0.1::float8", "float32", 0.10000000149011612),
    ("5", "string", "5"),
    ("'12'::text", "int16", 12),
    ("'2013-01-01'::text", "date32", date(2013, 1, 1)),
    ("'2013-01-01 12:30:00.000005'::text", "timestamp[us, tz=UTC]", UTC_NOON),
    ("'2013-01-01 14:30:00.000005+02'::text", "timestamp[us, tz=UTC]", UTC_NOON),
    ("timestamp '2013-01-01 12:30:00.000005'", "timestamp[us, tz=UTC]", UTC_NOON),
    ("timestamp '2013-01-01 12:30:00'", "timestamp[s]", NOON.replace(microsecond=0)),
    ("date '2013-01-01'", "timestamp[ms]", datetime(2013, 1, 1)),  # noqa: DTZ001
]


@pytest.mark.parametrize(("value", "given", "expected"), GIVEN)
def test_a_given_type_is_kept(extract: Extract, value: str, given: str, expected: Any) -> None:
    table = extract(f"select {value} as c union all select null", columns={"c": given})
    assert table["c"].type == parse_type(given)
    found, null = table["c"].to_pylist()
    assert null is None
    assert found == expected or str(found) == str(expected) == "nan"


@pytest.mark.parametrize(
    ("value", "given"),
    [
        ("1.5::numeric", "int64"),
        ("1.505::numeric", "decimal128(5, 2)"),
        ("'NaN'::numeric", "decimal128(5, 2)"),
        ("128", "int8"),
        ("-1", "uint64"),
        ("2", "bool"),
        ("1000", "decimal128(5, 2)"),
        ("9007199254740993", "float64"),
        ("1.5::float8", "int32"),
        ("1e300::float8", "float32"),
        ("1e400::numeric", "float64"),
        ("'x'::text", "int64"),
        ("'2013-02-30'::text", "date32"),
        ("'10000-02-30'::text", "date32"),
        ("'2013-01-01 05:00'::text", "date32"),
        ("'10000-01-01 05:00:00'::text", "date32"),
        ("timestamp '2013-01-01 00:00:00.5'", "timestamp[s]"),
        ("timestamp '4713-01-01 BC'", "timestamp[ns]"),
    ],
)
def test_a_given_type_that_loses_something_is_refused(
    extract: Extract, value: str, given: str
) -> None:
    with pytest.raises(TypeMismatch, match=r"warehouse: column c.* does not fit .*; mend:"):
        extract(f"select {value} as c", columns={"c": given})


def test_settings_of_the_session_that_a_hook_made_hold(
    extract: Extract, database: dict[str, str]
) -> None:
    def connect() -> Any:
        connection = psycopg2.connect(**database)
        connection.autocommit = True
        connection.cursor().execute(
            "set search_path to hidden; set timezone to 'Asia/Kolkata'; set role reader"
        )
        return connection

    with closing(psycopg2.connect(**database)) as connection, connection:
        connection.cursor().execute("""
            drop schema if exists hidden cascade; create schema hidden;
            create table hidden.secret as select 7 as x;
            do $$ begin create role reader; exception when duplicate_object then end $$;
            grant usage on schema hidden to reader; grant select on hidden.secret to reader
        """)
    query = "select x, timestamptz '2013-01-01 20:00:00+00'::date as d, current_user::text u"
    table = extract(f"{query} from secret", connect=connect)
    assert table.to_pylist() == [{"x": 7, "d": date(2013, 1, 2), "u": "reader"}]


def test_a_server_that_only_speaks_like_postgres_has_the_same_types(
    extract: Extract, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Session, "is_postgres", lambda session: False)
    table = extract(
        "select 1.5::numeric(5, 2) n, date '0044-03-15 BC' d, '{1}'::int[] a, "
        "timestamptz '2013-01-01 12:30:00.000005+00' t"
    )
    assert table.schema.types == [
        pa.decimal128(5, 2),
        pa.date32(),
        pa.string(),
        pa.timestamp("us", "UTC"),
    ]
    assert table["t"].to_pylist() == [UTC_NOON]


def test_text_of_a_database_without_an_encoding(extract: Extract, database: dict[str, str]) -> None:
    with closing(psycopg2.connect(**database)) as connection:
        connection.autocommit = True
        connection.cursor().execute("drop database if exists ascii")
        connection.cursor().execute(
            "create database ascii encoding 'SQL_ASCII' locale 'C' template template0"
        )
    parameters = {**database, "dbname": "ascii"}

    def connect() -> Any:
        return psycopg2.connect(**parameters)

    good = extract("select convert_from('\\xc3a9', 'SQL_ASCII') as c", connect=connect)
    assert good["c"].to_pylist() == ["é"]
    with pytest.raises(BadQuery, match='invalid byte sequence for encoding "UTF8": 0xe9'):
        extract("select convert_from('\\xe9', 'SQL_ASCII') as c", connect=connect)
