"""Arrow types by name, and values into Arrow arrays without losing anything on the way."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from decimal import Decimal
from math import isinf
from types import NoneType
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Accepts = Callable[[pa.DataType], bool]

_NAMED = {
    "bool": pa.bool_(),
    "int8": pa.int8(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "uint8": pa.uint8(),
    "uint16": pa.uint16(),
    "uint32": pa.uint32(),
    "uint64": pa.uint64(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "string": pa.string(),
    "binary": pa.binary(),
    "date32": pa.date32(),
    "time64[us]": pa.time64("us"),
    **{f"timestamp[{unit}]": pa.timestamp(unit) for unit in ("s", "ms", "us", "ns")},
    **{f"timestamp[{unit}, tz=UTC]": pa.timestamp(unit, "UTC") for unit in ("s", "ms", "us", "ns")},
}
_NAMES = {arrow: name for name, arrow in _NAMED.items()}
TYPE_NAMES = ", ".join([*_NAMED, "decimal128(precision, scale)"])
"""What `parse_type` takes, for messages."""

# PostgreSQL's type OIDs, stable over versions (src/include/catalog/pg_type.dat). Those that are
# missing (json, interval, arrays, ...) are known by their values, or have to be cast in the query.
_POSTGRES = {
    16: pa.bool_(),
    17: pa.binary(),
    18: pa.string(),
    19: pa.string(),
    20: pa.int64(),
    21: pa.int16(),
    23: pa.int32(),
    25: pa.string(),
    26: pa.uint32(),
    700: pa.float32(),
    701: pa.float64(),
    1042: pa.string(),
    1043: pa.string(),
    1082: pa.date32(),
    1083: pa.time64("us"),
    1114: pa.timestamp("us"),
    1184: pa.timestamp("us", "UTC"),
    2950: pa.string(),
}
_POSTGRES_NUMERIC = 1700
_MAX_PRECISION = 38

# The Python types of DB-API values, subclasses before their bases, and what each is written as
# where nobody says otherwise; decimals and datetimes depend on the values.
_NATURAL: dict[type, pa.DataType | None] = {
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    Decimal: None,
    str: pa.string(),
    bytes: pa.binary(),
    bytearray: pa.binary(),
    memoryview: pa.binary(),
    datetime: None,
    date: pa.date32(),
    time: pa.time64("us"),
    UUID: pa.string(),
}
_BYTES: set[type] = {bytes, bytearray, memoryview}
# What pyarrow writes as a type without changing it ...
_DIRECT: tuple[tuple[Accepts, set[type]], ...] = (
    (pa.types.is_integer, {int}),
    (pa.types.is_float64, {int, float}),
    (pa.types.is_decimal, {int, Decimal}),
    (pa.types.is_boolean, {bool}),
    (pa.types.is_string, {str}),
    (pa.types.is_binary, _BYTES),
    (pa.types.is_date, {date}),
    (pa.types.is_time, {time}),
)
# ... and what its safe cast changes, or refuses if anything would be lost.
_CASTS: dict[type, tuple[Accepts, ...]] = {
    float: (pa.types.is_integer,),
    Decimal: (pa.types.is_integer,),
    str: (
        pa.types.is_integer,
        pa.types.is_float64,
        pa.types.is_decimal,
        pa.types.is_boolean,
        pa.types.is_date,
        pa.types.is_timestamp,
    ),
    datetime: (pa.types.is_timestamp,),
    date: (pa.types.is_timestamp,),
}
FIT_ERRORS = (ValueError, TypeError, OverflowError, pa.ArrowException)
"""What `to_array` raises when a value does not fit."""


def parse_type(name: str) -> pa.DataType | None:
    """Give the Arrow type of a name such as ``decimal128(10, 2)``, or None."""
    match = re.fullmatch(r"decimal128\((\d+), ?(\d+)\)", name)
    return _decimal(int(match[1]), int(match[2])) if match else _NAMED.get(name)


def type_name(arrow: pa.DataType) -> str:
    """Give the name that `parse_type` reads."""
    return _NAMES.get(arrow, str(arrow))


def postgres_type(column: Any) -> pa.DataType | None:
    """Give the type of a column that psycopg describes, or None.

    A ``numeric`` without precision has none: its scale would depend on the day's data.
    """
    if is_numeric(column):
        return _decimal(column.precision, column.scale)
    return _POSTGRES.get(column.type_code)


def is_numeric(column: Any) -> bool:
    """Tell whether psycopg describes PostgreSQL's ``numeric``."""
    return bool(column.type_code == _POSTGRES_NUMERIC)


def infer(values: Sequence[Any]) -> tuple[pa.DataType | None, str | None]:
    """Give the type of Python values, or else why it can't be known."""
    present = [value for value in values if value is not None]
    if not present:
        return None, f"is NULL in the first {len(values)} rows"
    try:
        kinds = _kinds(present)
    except TypeError as error:
        return None, f"holds a {error}"
    if len(kinds) > 1 and not kinds <= _BYTES:
        return None, f"holds values of several types: {_names(kinds)}"
    kind = kinds.pop()
    if kind is Decimal:
        return pa.decimal128(_MAX_PRECISION, min(_MAX_PRECISION, max(map(_scale, present)))), None
    if kind is datetime:
        # With and without a zone in one column: `to_array` refuses, as it refuses a time with one.
        return pa.timestamp("us", "UTC" if all(map(_has_zone, present)) else None), None
    return _NATURAL[kind], None


def to_array(values: Sequence[Any], target: pa.DataType) -> pa.Array:
    """Convert Python values; None is null and NaN stays NaN.

    Besides a type's own values it takes text that spells them, 0 and 1 for ``bool``, decimals for
    floats, and whole floats and decimals for integers. Times and text without a zone are read as
    UTC where the type has one.

    :raises FIT_ERRORS: a value would be lost or changed (pyarrow alone makes 1 of 1.5).
    """
    if pa.types.is_float32(target):
        wide = to_array(values, pa.float64())
        narrow = wide.cast(target)
        if pc.sum(pc.is_inf(narrow)) != pc.sum(pc.is_inf(wide)):
            raise OverflowError("too large for float32")
        return narrow
    kinds = _kinds(values)
    if kinds & {datetime, time} and not getattr(target, "tz", None) and any(map(_has_zone, values)):
        raise TypeError(f"has a time zone, and {type_name(target)} has none")
    if any(accepts(target) and kinds <= direct for accepts, direct in _DIRECT):
        return pa.array(values, target)
    if kinds == {UUID} and pa.types.is_string(target):
        return pa.array([None if value is None else str(value) for value in values], target)
    if kinds == {int} and pa.types.is_boolean(target) and set(values) <= {0, 1, None}:
        return pa.array([None if value is None else value == 1 for value in values], target)
    if kinds == {Decimal} and pa.types.is_float64(target):
        return pa.array([None if value is None else _float(value) for value in values], target)
    castable = all(any(accepts(target) for accepts in _CASTS.get(kind, ())) for kind in kinds)
    if castable and len(kinds) <= 1:
        return _cast(values, target)
    raise TypeError(f"{_names(kinds)} can't be written as {type_name(target)}")


def fit_error(value: object, target: pa.DataType) -> Exception | None:
    """Tell why one value does not fit, or None."""
    try:
        to_array([value], target)
    except FIT_ERRORS as error:
        return error
    return None


def _cast(values: Sequence[Any], target: pa.DataType) -> pa.Array:
    array = pa.array(values)
    try:
        return array.cast(target)
    except pa.ArrowInvalid:
        if not (pa.types.is_string(array.type) and getattr(target, "tz", None)):
            raise
        return array.cast(pa.timestamp(target.unit)).cast(target)


def _kinds(values: Sequence[object]) -> set[type]:
    exact = set(map(type, values)) - {NoneType}
    return {_kind(cls) for cls in exact}


def _kind(cls: type) -> type:
    for kind in _NATURAL:
        if issubclass(cls, kind):
            return kind
    raise TypeError(
        f"{cls.__name__}, which has no Arrow type here; cast it in the query, e.g. to text"
    )


def _names(kinds: set[type]) -> str:
    return ", ".join(sorted(kind.__name__ for kind in kinds))


def _decimal(precision: int | None, scale: int | None) -> pa.DataType | None:
    if precision is None or scale is None or not 0 <= scale <= precision <= _MAX_PRECISION:
        return None
    return pa.decimal128(precision, scale) if precision else None


def _scale(value: Any) -> int:
    exponent = value.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _has_zone(value: object) -> bool:
    return getattr(value, "tzinfo", None) is not None


def _float(value: Decimal) -> float:
    result = float(value)
    if isinf(result) and value.is_finite():
        raise OverflowError("too large for float64")
    return result
