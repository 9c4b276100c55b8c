from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_ml_provider.extract.errors import TypeMismatch
from airflow_ml_provider.extract.postgres.column_types import Column
from airflow_ml_provider.extract.postgres.values import record_batch

US = pa.timestamp("us")
UTC = pa.timestamp("us", "UTC")


def fitted(array: pa.Array, natural: pa.DataType, target: pa.DataType | None = None) -> pa.Array:
    target = target or natural
    column = Column("c", '"c"', '"c"', array.type, natural, target)
    batch = record_batch("warehouse", [column], [array], pa.schema([("c", target)]))
    batch.validate(full=True)
    return batch["c"]


def refused(array: pa.Array, natural: pa.DataType, target: pa.DataType | None = None) -> str:
    with pytest.raises(TypeMismatch) as caught:
        fitted(array, natural, target)
    return str(caught.value)


def test_what_is_right_is_not_copied() -> None:
    array = pa.array([1, None, 3])
    assert fitted(array, pa.int64()).buffers()[1].address == array.buffers()[1].address


@pytest.mark.parametrize(
    ("texts", "target", "expected"),
    [
        (["1.50", None, "-0.01"], pa.decimal128(5, 2), [Decimal("1.50"), None, Decimal("-0.01")]),
        (["true", "false", None], pa.bool_(), [True, False, None]),
        (["12.00", "-3", None], pa.int64(), [12, -3, None]),
        (["4294967295"], pa.uint32(), [2**32 - 1]),
        (["Infinity", "-Infinity", "1e308"], pa.float64(), [float("inf"), float("-inf"), 1e308]),
        (["\\x00ff", "\\x", None], pa.binary(), [b"\x00\xff", b"", None]),
    ],
)
def test_text_is_read_as_what_it_spells(
    texts: list[Any], target: pa.DataType, expected: list[Any]
) -> None:
    assert fitted(pa.array(texts), target).to_pylist() == expected


@given(st.integers(-2_440_588, 2_145_042_905))
def test_every_day_of_postgresql_is_read(day: int) -> None:
    # The calendar repeats every 400 years.
    period, place = divmod(day + 719_162, 146_097)
    within = date.fromordinal(place + 1)
    year = within.year + 400 * period
    spelled = f"{year:04}-{within:%m-%d}" if year > 0 else f"{1 - year:04}-{within:%m-%d} BC"
    found = fitted(pa.array([spelled, None]), pa.date32()).cast(pa.int32())
    assert found.to_pylist() == [day, None]


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("1970-01-01 00:00:00", 0),
        ("2000-02-29 12:00:00.5", 951_825_600_500_000),
        ("1970-01-01 00:00:00+01", -3_600_000_000),
        ("1970-01-01 00:00:00-01:30", 5_400_000_000),
        ("1850-01-01 00:00:00.000001+01:02:03", -3_786_829_322_999_999),
        ("0001-12-31 23:59:59 BC", -62_135_596_801_000_000),
        ("10000-01-01 00:00:00", 253_402_300_800_000_000),
        ("294247-01-10 04:00:54.775807", 2**63 - 1),
    ],
)
def test_moments(text: str, micros: int) -> None:
    assert fitted(pa.array([text, None]), UTC).cast(pa.int64()).to_pylist() == [micros, None]
    if "+" not in text and "-01:30" not in text:
        assert fitted(pa.array([text, None]), US).cast(pa.int64()).to_pylist() == [micros, None]


@pytest.mark.parametrize(
    ("texts", "target", "says"),
    [
        (["1.50", "NaN"], pa.decimal128(5, 2), "column c, 'NaN' does not fit decimal128(5, 2)"),
        (["1000.00"], pa.decimal128(5, 2), "'1000.00' does not fit"),
        (["1.505"], pa.decimal128(5, 2), "'1.505' does not fit"),
        (["infinity"], pa.date32(), "infinity has no place in Arrow"),
        (["-infinity"], US, "-infinity has no place in Arrow"),
        (["294277-01-01 00:00:00"], US, "a year after 294246 has no place"),
        (["2013-01-01 00:00:00+02"], US, "has no place in Arrow"),
        (["2013-02-30"], pa.date32(), "day"),
        (["24:00:00"], pa.time64("us"), "24:00:00 has no place in Arrow"),
        (["1e400"], pa.float64(), "too large for float64"),
        (["1.5"], pa.int64(), "'1.5' does not fit int64"),
        (["x" * 200], pa.int64(), f"'{'x' * 100}' does not fit"),
    ],
)
def test_text_that_spells_no_such_value(texts: list[str], target: pa.DataType, says: str) -> None:
    message = refused(pa.array(["", None][1:] + texts, pa.string()), target)
    assert says in message
    assert message.startswith("warehouse: column c")
    assert "mend: columns={'c': 'string'}" in message


@pytest.mark.parametrize(
    ("number", "target", "says"),
    [
        (-2_147_472_692, pa.date32(), "infinity has no place"),
        (-2_147_472_691, pa.date32(), "-infinity has no place"),
        (-9_222_425_352_054_775_809, US, "infinity has no place"),
        (-9_222_425_352_054_775_808, UTC, "-infinity has no place"),
        (-9_222_426_057_709_551_617, US, "a year after 294246"),
        (86_400_000_000, pa.time64("us"), "24:00:00"),
    ],
)
@pytest.mark.parametrize("nested", [False, True])
def test_what_adbc_wraps_around(
    number: int, target: pa.DataType, says: str, *, nested: bool
) -> None:
    raw = pa.array([0, None, number], pa.int32() if target == pa.date32() else pa.int64())
    array = raw.view(target)
    if nested:
        array = pa.ListArray.from_arrays(pa.array([0, 1, 3], pa.int32()), array)
        target = pa.list_(target)
    assert says in refused(array, target)


def test_lists_keep_their_nulls() -> None:
    array = pa.array([["1.5", None], None, []], pa.list_(pa.string()))
    found = fitted(array, pa.list_(pa.decimal128(5, 2)))
    assert found.to_pylist() == [[Decimal("1.50"), None], None, []]


def test_no_rows() -> None:
    for target in (pa.date32(), US, pa.time64("us"), pa.decimal128(5, 2), pa.list_(pa.date32())):
        wire = pa.list_(pa.string()) if pa.types.is_list(target) else pa.string()
        assert len(fitted(pa.array([], wire), target)) == 0
        assert len(fitted(pa.array([], target), target)) == 0


@pytest.mark.parametrize(
    ("values", "natural", "target"),
    [
        ([300], pa.int32(), pa.int8()),
        ([2, None], pa.int32(), pa.bool_()),
        ([9007199254740993], pa.int64(), pa.float64()),
        ([1.5], pa.float64(), pa.int32()),
        ([1e300], pa.float64(), pa.float32()),
        ([1000], pa.int64(), pa.decimal128(5, 2)),
    ],
)
def test_a_wish_that_loses_something(
    values: list[Any], natural: pa.DataType, target: pa.DataType
) -> None:
    refused(pa.array(values, natural), natural, target)


def test_a_wish_that_loses_nothing() -> None:
    infinite = pa.array([float("inf"), float("nan"), None])
    assert str(fitted(infinite, pa.float64(), pa.float32()).to_pylist()) == "[inf, nan, None]"
    assert fitted(pa.array([1, 0, None]), pa.int64(), pa.bool_()).to_pylist() == [True, False, None]
