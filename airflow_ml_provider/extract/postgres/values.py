"""Values of PostgreSQL, as ADBC or a cursor gives them, into arrays of the types to write.

Nothing is changed or lost on the way: what Arrow can't hold is refused.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, NoReturn

import pyarrow as pa
import pyarrow.compute as pc

from airflow_ml_provider.extract.arrow_types import FIT_ERRORS, fitted, parse, type_name
from airflow_ml_provider.extract.errors import TypeMismatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_ml_provider.extract.postgres.column_types import Column

_SHOWN_CHARACTERS = 100
_DAY_US = 86_400_000_000
_PERIOD_US = 146_097 * _DAY_US
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
# PostgreSQL's first day, 4714-11-24 BC. ADBC wraps infinities, and times after the year 294246,
# to what lies before it.
_FIRST_DAY = -2_440_588
_LAST_US = 2**63 - 1
_MIDNIGHT = "24:00:00 has no place in Arrow"
_LATE = "a year after 294246"
_INFINITIES = {
    -2_147_472_692: "infinity",
    -2_147_472_691: "-infinity",
    -9_222_425_352_054_775_809: "infinity",
    -9_222_425_352_054_775_808: "-infinity",
}
_DATE = re.compile(
    r"(\d{4,})-(\d\d)-(\d\d)"
    r"(?: (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?([+-]\d\d(?::\d\d){0,2})?)?( BC)?"
)


def record_batch(
    name: str,
    columns: Sequence[Column],
    arrays: Sequence[pa.Array],
    schema: pa.Schema,
) -> pa.RecordBatch:
    """Fit what was read to the schema.

    :param name: the connection's, for messages.
    :raises TypeMismatch: a value does not fit; the message shows the first.
    """
    fitting = [_tried(name, column, array) for column, array in zip(columns, arrays)]
    return pa.RecordBatch.from_arrays(fitting, schema=schema)


def _tried(name: str, column: Column, array: pa.Array) -> pa.Array:
    try:
        return _fitted(array, column)
    except FIT_ERRORS as error:
        _mismatch(name, column, array, error)


def _fitted(array: pa.Array, column: Column) -> pa.Array:
    return fitted(_natural(array, column.natural), column.target)


def _natural(array: pa.Array, target: pa.DataType) -> pa.Array:
    if pa.types.is_list(target):
        values = _natural(array.values, target.value_type)
        mask = array.is_null() if array.null_count else None
        return pa.ListArray.from_arrays(array.offsets, values, type=target, mask=mask)
    if array.type != target:
        return _parsed(array, target)
    if pa.types.is_date(target) or pa.types.is_timestamp(target):
        _check_finite(array)
    elif pa.types.is_time(target):
        latest = pc.max(array.view(pa.int64())).as_py()
        if latest is not None and latest >= _DAY_US:
            raise ValueError(_MIDNIGHT)
    return array


def _check_finite(array: pa.Array) -> None:
    days = pa.types.is_date(array.type)
    earliest = pc.min(array.view(pa.int32() if days else pa.int64())).as_py()
    if earliest is not None and earliest < _FIRST_DAY * (1 if days else _DAY_US):
        raise ValueError(f"{_INFINITIES.get(earliest, _LATE)} has no place in Arrow")


def _parsed(array: pa.Array, target: pa.DataType) -> pa.Array:
    """Read the text that PostgreSQL writes for a type."""
    if pa.types.is_date(target) or pa.types.is_timestamp(target):
        return _parsed_dates(array, target)
    if pa.types.is_time(target) and any(text == "24:00:00" for text in array.to_pylist()):
        raise ValueError(_MIDNIGHT)
    if pa.types.is_binary(target):
        texts = array.to_pylist()
        return pa.array([None if t is None else bytes.fromhex(t[2:]) for t in texts], target)
    if pa.types.is_integer(target):
        array = pc.replace_substring_regex(array, r"\.0*$", "")
    return parse(array, target)


def _parsed_dates(array: pa.Array, target: pa.DataType) -> pa.Array:
    zone = getattr(target, "tz", None)
    try:
        return array.cast(pa.timestamp(target.unit)).cast(target) if zone else array.cast(target)
    except pa.ArrowInvalid:
        # With a zone, before Christ, after the year 9999, infinite.
        moments = [_micros(text, zone) for text in array.to_pylist()]
    if pa.types.is_date(target):
        days = [None if moment is None else _whole_days(moment) for moment in moments]
        return pa.array(days, pa.int32()).view(target)
    if any(moment is not None and moment > _LAST_US for moment in moments):
        raise ValueError(f"{_LATE} has no place in Arrow")
    return pa.array(moments, pa.int64()).view(pa.timestamp("us", zone)).cast(target)


def _micros(text: str | None, zone: str | None) -> int | None:
    if text is None:
        return None
    match = _DATE.fullmatch(text)
    if match is None or (match[8] and not zone):
        raise ValueError(f"{text} has no place in Arrow")
    year, month, day = (int(part) for part in match.group(1, 2, 3))
    hour, minute, second = (int(part or 0) for part in match.group(4, 5, 6))
    # The calendar repeats after 400 years, and Python's has all days of such a period.
    period, place = divmod(1 - year if match[9] else year, 400)
    moment = datetime(2000 + place, month, day, hour, minute, second, tzinfo=timezone.utc)
    moment += timedelta(microseconds=int((match[7] or "").ljust(6, "0"))) - _offset(match[8])
    return (moment - _EPOCH) // timedelta(microseconds=1) + (period - 5) * _PERIOD_US


def _whole_days(micros: int) -> int:
    days, rest = divmod(micros, _DAY_US)
    if rest:
        raise ValueError("a time of day has no place in date32")
    return days


def _offset(zone: str | None) -> timedelta:
    hours, minutes, seconds = f"{zone or '+0'}:0:0".split(":")[:3]
    size = timedelta(hours=int(hours[1:]), minutes=int(minutes), seconds=int(seconds))
    return -size if hours.startswith("-") else size


def _mismatch(name: str, column: Column, array: pa.Array, cause: Exception) -> NoReturn:
    shown = ""
    for index in range(len(array)):
        value = array.take(pa.array([index]))
        try:
            _fitted(value, column)
        except FIT_ERRORS as error:
            cause = error
            if pa.types.is_string(value.type):
                shown = f", {value[0].as_py()[:_SHOWN_CHARACTERS]!r}"
            break
    raise TypeMismatch(
        f"{name}: column {column.name}{shown} does not fit {type_name(column.target)}: {cause}; "
        f"mend: columns={{{column.name!r}: 'string'}}, or in the query a cast, or "
        "nullif(), or a condition that leaves the row out"
    ) from cause
