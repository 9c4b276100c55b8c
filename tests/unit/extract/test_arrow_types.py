from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from math import isnan
from uuid import UUID

import pyarrow as pa
import pytest

from airflow_ml_provider.extract.arrow_types import (
    FIT_ERRORS,
    infer,
    parse_type,
    to_array,
    type_name,
)

NOON = datetime(2013, 1, 1, 12)  # noqa: DTZ001  a time without a zone is the point
NOON_UTC = NOON.replace(tzinfo=timezone.utc)
NOON_EAST = datetime(2013, 1, 1, 14, tzinfo=timezone(timedelta(hours=2)))
KEY = UUID(int=1)


@pytest.mark.parametrize(
    "name",
    [
        "int64",
        "float64",
        "string",
        "bool",
        "timestamp[us, tz=UTC]",
        "timestamp[ns]",
        "date32",
        "time64[us]",
        "decimal128(10, 2)",
    ],
)
def test_names_round_trip(name):
    assert type_name(parse_type(name)) == name


@pytest.mark.parametrize(
    "name",
    [
        "int",
        "decimal128(39, 2)",
        "decimal128(2, 3)",
        "decimal128",
        "decimal128(0, 0)",
        "timestamp[us, tz=Europe/Paris]",
        "list<int64>",
        "",
    ],
)
def test_unknown_names(name):
    assert parse_type(name) is None


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ([None, 1], "int64"),
        ([1.0], "float64"),
        ([True], "bool"),
        (["a"], "string"),
        ([b"a", bytearray(b"b"), memoryview(b"c")], "binary"),
        ([date(2013, 1, 1)], "date32"),
        ([time(1)], "time64[us]"),
        ([NOON], "timestamp[us]"),
        ([NOON_UTC, NOON_EAST], "timestamp[us, tz=UTC]"),
        ([Decimal("1.50"), Decimal(2), Decimal("1E+3"), Decimal("NaN")], "decimal128(38, 2)"),
        ([KEY], "string"),
    ],
)
def test_infer(values, name):
    assert infer(values) == (parse_type(name), None)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ([None, None], "is NULL in the first 2 rows"),
        ([1, 1.5], "holds values of several types: float, int"),
        ([{"a": 1}], "holds a dict, which has no Arrow type here"),
        ([timedelta(1)], "holds a timedelta, which"),
    ],
)
def test_infer_never_guesses(values, problem):
    arrow, told = infer(values)
    assert arrow is None
    assert told.startswith(problem)


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("int64", [None, 2**63 - 1], None),
        ("int64", ["1", None], [1, None]),
        ("int64", [2.0], [2]),
        ("int64", [Decimal("2.0")], [2]),
        ("float64", [None, 1, 1.5], [None, 1.0, 1.5]),
        ("float64", [Decimal("1.5")], [1.5]),
        ("float64", ["1.5"], [1.5]),
        ("float32", [1.5, float("inf"), None], None),
        ("bool", [0, 1, None], [False, True, None]),
        ("bool", ["true"], [True]),
        ("decimal128(5, 2)", [1, Decimal("1.5"), None], [Decimal("1.00"), Decimal("1.50"), None]),
        ("decimal128(5, 2)", ["1.5"], [Decimal("1.50")]),
        ("string", [KEY, None], [str(KEY), None]),
        ("binary", [memoryview(b"a")], [b"a"]),
        ("date32", ["2013-01-01"], [date(2013, 1, 1)]),
        ("time64[us]", [time(1, 2, 3, 4)], None),
        ("timestamp[us]", [date(2013, 1, 1)], [datetime(2013, 1, 1)]),  # noqa: DTZ001
        ("timestamp[s]", [NOON], [NOON]),
        ("timestamp[us]", ["2013-01-01 12:00:00", None], [NOON, None]),
        ("timestamp[us, tz=UTC]", [NOON, NOON_EAST, None], [NOON_UTC, NOON_UTC, None]),
        ("timestamp[us, tz=UTC]", ["2013-01-01T14:00:00+02:00"], [NOON_UTC]),
        ("timestamp[us, tz=UTC]", ["2013-01-01 12:00:00.000000"], [NOON_UTC]),
        ("timestamp[us, tz=UTC]", [None], None),
    ],
)
def test_values_fit(name, values, expected):
    array = to_array(values, parse_type(name))
    assert array.type == parse_type(name)
    assert array.to_pylist() == (values if expected is None else expected)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("int64", 1.5),
        ("int64", 2**63),
        ("int64", "a"),
        ("int64", True),
        ("int64", float("nan")),
        ("int64", Decimal("1.5")),
        ("int8", 128),
        ("uint64", -1),
        ("float64", 2**53 + 1),
        ("float64", Decimal("1E+400")),
        ("float32", 1e300),
        ("bool", 2),
        ("string", 1),
        ("string", b"a"),
        ("binary", "a"),
        ("decimal128(5, 2)", Decimal("1.234")),
        ("decimal128(5, 2)", Decimal(12345)),
        ("decimal128(5, 2)", Decimal("NaN")),
        ("decimal128(5, 2)", 1.5),
        ("date32", NOON),
        ("date32", 5),
        ("date32", "2013-01-01 12:00:00"),
        ("time64[us]", time(1, tzinfo=timezone.utc)),
        ("time64[us]", timedelta(hours=24)),
        ("timestamp[us]", NOON_UTC),
        ("timestamp[us]", 5),
        ("timestamp[us]", "2013-01-01T12:00:00Z"),
        ("timestamp[s]", NOON.replace(microsecond=1)),
        ("timestamp[ns]", NOON.replace(year=9999)),
    ],
)
def test_values_that_would_be_changed(name, value):
    with pytest.raises(FIT_ERRORS):
        to_array([None, value], parse_type(name))


def test_mixed_dates_and_times_are_not_cut():
    with pytest.raises(TypeError, match="date, datetime can't be written as timestamp"):
        to_array([date(2013, 1, 1), NOON], pa.timestamp("us"))


def test_nan_is_no_null():
    array = to_array([float("nan"), None], pa.float64())
    assert array.null_count == 1
    assert isnan(array[0].as_py())
