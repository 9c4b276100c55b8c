from __future__ import annotations

import tempfile
from datetime import date, datetime, time, timezone
from decimal import Decimal
from unittest.mock import Mock

import pyarrow as pa
import pytest

from airflow_ml_provider.extract.checks import checks_of
from airflow_ml_provider.extract.errors import CheckFailed
from airflow_ml_provider.pipeline import InRange, NotNull, RowCount, Unique

NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)


def checked(specs, table, rows=2):
    with checks_of(specs, "warehouse") as checks:
        checks.start(table.schema)
        for batch in table.to_batches(max_chunksize=rows):
            checks.add(batch)
        checks.finish(table.num_rows)


def in_range(values, arrow, minimum=None, maximum=None):
    """Give how many of the values are outside."""
    table = pa.table({"a": pa.array(values, arrow)})
    spec = {"check": "in_range", "column": "a", "minimum": minimum, "maximum": maximum}
    try:
        checked([spec], table)
    except CheckFailed as error:
        return int(str(error).split("in_range(a): ")[1].split(" of ")[0])
    return 0


def test_all_failures_are_told_at_once():
    table = pa.table(
        {"id": [1, 2, 2, 4, 1], "name": ["a", None, None, "d", "e"], "amount": [5, 101, 7, -1, 102]}
    )
    specs = [
        RowCount(minimum=10).to_dict(),
        NotNull("id", "name").to_dict(),
        Unique("id").to_dict(),
        Unique("id", "amount").to_dict(),
        InRange("amount", minimum=0, maximum=100).to_dict(),
    ]
    with pytest.raises(CheckFailed) as error:
        checked(specs, table)
    nulls = "e.g. {'id': 2, 'name': None}, {'id': 2, 'name': None}"
    outside = "e.g. {'id': 2, 'amount': 101}, {'id': 4, 'amount': -1}, {'id': 1, 'amount': 102}"
    assert str(error.value).splitlines() == [
        "warehouse: checks failed, and nothing is published",
        "  - row_count: 5 rows, not at least 10",
        f"  - not_null(name): NULL in 2 of 5 rows, {nulls}",
        "  - unique(id): 2 of 5 rows repeat a key, e.g. {'id': 1}, {'id': 2}",
        f"  - in_range(amount): 3 of 5 rows are not from 0 to 100, {outside}",
    ]


def test_rows_that_are_as_they_have_to_be():
    table = pa.table({"id": [1, 2, 3], "name": ["a", "b", None], "x": [0.0, 0.5, 1.0]})
    specs = [
        {"check": "row_count", "minimum": 3, "maximum": 3},
        {"check": "not_null", "columns": ["id", "x"]},
        {"check": "unique", "columns": ["id"]},
        {"check": "unique", "columns": ["name"]},
        {"check": "in_range", "column": "x", "minimum": 0, "maximum": 1},
    ]
    checked(specs, table)
    checked([], table)


def test_there_may_be_no_rows():
    table = pa.table({"id": pa.array([], pa.int64())})
    specs = [NotNull("id").to_dict(), Unique("id").to_dict(), InRange("id", minimum=1).to_dict()]
    checked(specs, table)
    with pytest.raises(CheckFailed, match="row_count: 0 rows, not from 1 to 5"):
        checked([{"check": "row_count", "minimum": 1, "maximum": 5}], table)


def test_a_row_count_of_too_many():
    with pytest.raises(CheckFailed, match="row_count: 3 rows, not at most 2"):
        checked([{"check": "row_count", "maximum": 2}], pa.table({"a": [1, 2, 3]}))


def test_what_does_not_suit_the_columns_is_told_before_a_row_is_read():
    schema = pa.schema([("id", pa.int64()), ("x", pa.float64()), ("day", pa.date32())])
    specs = [
        {"check": "not_null", "columns": ["id", "name"]},
        {"check": "unique", "columns": ["id", "mail"]},
        {"check": "unique", "columns": ["id", "x"]},
        {"check": "in_range", "column": "amount", "minimum": 0},
        {"check": "in_range", "column": "id", "minimum": 0.5, "maximum": "many"},
        {"check": "in_range", "column": "day", "minimum": "2026-01-01T12:00:00Z", "maximum": "x"},
        {"check": "in_range", "column": "x"},
    ]
    checks = checks_of(specs, "warehouse")
    with pytest.raises(CheckFailed) as error:
        checks.start(schema)
    lines = str(error.value).splitlines()
    assert lines[0] == "warehouse: checks do not suit the columns"
    assert [line.split(":")[0] for line in lines[1:]] == [
        "  - not_null(name)",
        "  - unique(mail)",
        "  - unique(id, x)",
        "  - in_range(amount)",
        "  - in_range(id)",
        "  - in_range(id)",
        "  - in_range(day)",
        "  - in_range(day)",
        "  - in_range(x)",
    ]
    assert lines[1].endswith("there is no such column, but id, x, day")
    assert "x is double, which can't be compared exactly; cast it" in lines[3]
    assert "0.5 is no value of int64" in lines[5]
    assert "it has a time of day" in lines[7]


def test_dicts_that_are_no_checks():
    with pytest.raises(CheckFailed) as error:
        checks_of([{"check": "sorted"}, {"column": "a"}, {"check": "unique", "column": "a"}], "w")
    assert len(str(error.value).splitlines()) == 4
    assert "known: row_count, not_null, unique, in_range" in str(error.value)


@pytest.mark.parametrize(
    ("arrow", "values", "minimum", "maximum"),
    [
        (pa.int16(), [1, 2, 3, 4], 2, 3),
        (pa.int64(), [1, 2, 3, 4], 2.0, "3"),
        (pa.uint64(), [1, 2**63, 2**64 - 2, 2**64 - 1], 2, 2**64 - 2),
        (pa.float32(), [0.0, 0.1, 0.7, 0.8], 0.1, 0.7),
        (pa.float64(), [0.0, 0.1, 0.7, 0.8], 0.1, 0.7),
        (pa.decimal128(5, 2), ["0.00", "0.10", "0.70", "0.71"], 0.1, "0.70"),
        (pa.string(), ["", "a", "b", "c"], "a", "b"),
        (pa.date32(), [date(2026, 1, day) for day in (1, 2, 3, 4)], "2026-01-02", "2026-01-03"),
        (
            pa.date32(),
            [date(2026, 1, day) for day in (1, 2, 3, 4)],
            "2026-01-02T00:00:00+00:00",
            "2026-01-03T01:00:00+01:00",
        ),
        (
            pa.timestamp("us", "UTC"),
            [NOON.replace(hour=hour) for hour in (1, 2, 3, 4)],
            "2026-01-01T02:00:00",
            "2026-01-01T03:00:00Z",
        ),
        (
            pa.timestamp("ms"),
            [NOON.replace(hour=hour, tzinfo=None) for hour in (1, 2, 3, 4)],
            "2026-01-01T04:00:00+02:00",
            "2026-01-01T03:00",
        ),
        (pa.time64("us"), [time(hour) for hour in (1, 2, 3, 4)], "02:00", "03:00:00"),
    ],
    ids=str,
)
def test_a_range_of_every_type(arrow, values, minimum, maximum):
    values = [Decimal(v) if pa.types.is_decimal(arrow) else v for v in values]
    assert in_range(values, arrow, minimum) == 1
    assert in_range(values, arrow, None, maximum) == 1
    assert in_range([*values, None], arrow, minimum, maximum) == 2
    assert in_range(values[1:3], arrow, minimum, maximum) == 0


def test_bounds_beyond_the_type_are_bounds():
    assert in_range([1, 127], pa.int8(), -1_000, 1_000) == 0
    assert in_range([1, 127], pa.int8(), 1_000) == 2
    assert in_range([Decimal("9.9")], pa.decimal128(2, 1), -(10**6), 10**6) == 0
    assert in_range([Decimal("9.9")], pa.decimal128(2, 1), None, -(10**6)) == 1
    assert in_range([0, 255], pa.uint8(), -1, 255) == 0


def test_nan_is_in_no_range():
    values = [float("nan"), 0.5, None, float("inf")]
    assert in_range(values, pa.float64(), 0) == 1
    assert in_range(values, pa.float64(), None, 1) == 2
    assert in_range(values, pa.float64(), 0, 1) == 2


def test_examples_are_few_and_of_every_type():
    stamps = pa.array(range(1, 200), pa.timestamp("ns"))
    table = pa.table({"at": stamps, "text": ["x" * 1_000] * 199, "n": pa.nulls(199, pa.int8())})
    with pytest.raises(CheckFailed) as error:
        checked([NotNull("n", "text").to_dict(), InRange("text", maximum="a").to_dict()], table)
    assert "{'at': '1970-01-01 00:00:00.000000001', 'n': None}" in str(error.value)
    assert len(str(error.value)) < 700


def test_no_room_for_the_keys_of_unique(monkeypatch):
    full = OSError(28, "No space left on device")
    monkeypatch.setattr(tempfile, "TemporaryFile", Mock(side_effect=full))
    checks = checks_of([Unique("a").to_dict()], "warehouse")
    checks.checks[0]._keys._most_bytes = 1
    checks.start(pa.schema([("a", pa.int64())]))
    with pytest.raises(
        CheckFailed, match=r"unique\(a\) needs room .*No space left.*mend: .*TMPDIR"
    ):
        checks.add(pa.record_batch({"a": [1]}))
