"""Arrow types by name, and values into Arrow arrays without losing anything on the way."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from math import isinf
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from airflow_ml_provider.sql.column_types import (
    MAX_PRECISION,
    NAMES,
    ZONED,
    are_digits,
    digits_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Accepts = Callable[[pa.DataType], bool]
    Convert = Callable[[Sequence[Any], pa.DataType], pa.Array]

_NAMED = {
    name: pa.timestamp(ZONED[name], "UTC") if name in ZONED else pa.type_for_alias(name)
    for name in NAMES
}
_NAMES = {arrow: name for name, arrow in _NAMED.items()}

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
_FAMILIES: dict[str, Accepts] = {
    "bool": pa.types.is_boolean,
    "int": pa.types.is_integer,
    "float": pa.types.is_floating,
    "decimal": pa.types.is_decimal,
    "string": pa.types.is_string,
    "binary": pa.types.is_binary,
    "date": pa.types.is_date,
    "time": pa.types.is_time,
}
# What one family may be written as, if no value is lost; `fitted` sees to the values.
_ARROW_CASTS = {
    *((family, family) for family in (*_FAMILIES, "timestamp", "zoned")),
    *(("string", wanted) for wanted in ("bool", "int", "float", "decimal", "date", "time")),
    *(("string", wanted) for wanted in ("timestamp", "zoned")),
    *(("int", wanted) for wanted in ("bool", "float", "decimal", "string")),
    *(("decimal", wanted) for wanted in ("int", "float", "string")),
    *((family, "string") for family in ("date", "time", "timestamp", "zoned")),
    ("float", "int"),
    ("date", "timestamp"),
    ("date", "zoned"),
    ("timestamp", "zoned"),
}
# What is written as text only where the column's given type says so, but for UUID.
_SPELLED: dict[type, Callable[[Any], str]] = {UUID: str, Decimal: "{:f}".format}
FIT_ERRORS = (ValueError, TypeError, OverflowError, pa.ArrowException)
"""What `to_array` raises when a value does not fit."""


def parse_type(name: str) -> pa.DataType | None:
    """Give the Arrow type of a name such as ``decimal128(10, 2)``, or None."""
    digits = digits_of(name)
    return pa.decimal128(*digits) if digits else _NAMED.get(name)


def decimal(precision: int, scale: int) -> pa.DataType | None:
    """Give the type of decimals that every reader knows, or None where they have more digits."""
    return pa.decimal128(precision, scale) if are_digits(precision, scale) else None


def type_name(arrow: pa.DataType) -> str:
    """Give the name that `parse_type` reads."""
    return _NAMES.get(arrow, str(arrow))


def infer(values: Sequence[Any]) -> tuple[pa.DataType | None, str | None]:
    """Give the type of Python values, or else why it can't be known."""
    present = [value for value in values if value is not None]
    if not present:
        return None, f"is NULL in the first {len(values)} rows" if values else "has no rows"
    try:
        kinds = _kinds(present)
    except TypeError as error:
        return None, f"holds a {error}"
    if len(kinds) > 1 and not kinds <= _BYTES:
        return None, f"holds values of several types: {_names(kinds)}"
    kind = kinds.pop()
    if kind is Decimal:
        return pa.decimal128(MAX_PRECISION, min(MAX_PRECISION, max(map(_scale, present)))), None
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
        return narrowed(to_array(values, pa.float64()))
    kinds = _kinds(values)
    if kinds & {datetime, time} and not getattr(target, "tz", None) and any(map(_has_zone, values)):
        raise TypeError(f"has a time zone, and {type_name(target)} has none")
    if any(accepts(target) and kinds <= direct for accepts, direct in _DIRECT):
        return pa.array(values, target)
    if len(kinds) == 1 and kinds <= _SPELLED.keys() and pa.types.is_string(target):
        spell = _SPELLED[kinds.pop()]
        return pa.array([None if value is None else spell(value) for value in values], target)
    if kinds == {int} and pa.types.is_boolean(target) and set(values) <= {0, 1, None}:
        return pa.array([None if value is None else value == 1 for value in values], target)
    if kinds == {Decimal} and pa.types.is_float64(target):
        return pa.array([None if value is None else _float(value) for value in values], target)
    castable = all(any(accepts(target) for accepts in _CASTS.get(kind, ())) for kind in kinds)
    if castable and len(kinds) <= 1:
        return parse(pa.array(values), target) if kinds == {str} else pa.array(values).cast(target)
    raise TypeError(f"{_names(kinds)} can't be written as {type_name(target)}")


def parse(text: pa.Array, target: pa.DataType) -> pa.Array:
    """Convert text that spells values; what has no zone is read as UTC where the type has one.

    :raises FIT_ERRORS: a value would be lost or changed.
    """
    if pa.types.is_time(target):  # Arrow parses no times alone
        dated = pc.binary_join_element_wise("1970-01-01", text, " ")
        return dated.cast(pa.timestamp(target.unit)).cast(target)
    try:
        array = text.cast(target)
    except pa.ArrowInvalid:
        if not getattr(target, "tz", None):
            raise
        return text.cast(pa.timestamp(target.unit)).cast(target)
    if pa.types.is_floating(target) and array.null_count < len(array):
        spelled = pc.match_substring(text, "inf", ignore_case=True)
        if pc.any(pc.and_not(pc.is_inf(array), spelled)).as_py():
            raise OverflowError(f"too large for {type_name(target)}")
    return array


def fits(source: pa.DataType, target: pa.DataType) -> bool:
    """Tell whether `fitted` converts the one type to the other, if no value is lost."""
    return source == target or (_family(source), _family(target)) in _ARROW_CASTS


def fitted(array: pa.Array, target: pa.DataType) -> pa.Array:
    """Convert an array to another type.

    :raises FIT_ERRORS: a value would be lost or changed.
    """
    if array.type == target:
        return array
    if not fits(array.type, target):
        raise TypeError(f"{type_name(array.type)} can't be written as {type_name(target)}")
    family, wanted = _family(array.type), _family(target)
    if family == "string":
        return parse(array, target)
    if pa.types.is_float32(target) and family in ("float", "decimal"):
        return narrowed(array.cast(pa.float64()))
    if (family, wanted) == ("int", "decimal"):  # Arrow asks for 19 digits, whatever the values
        return array.cast(pa.string()).cast(target)
    if (family, wanted) == ("int", "bool") and array.null_count < len(array):
        extent = pc.min_max(array).as_py()
        if extent["min"] < 0 or extent["max"] > 1:
            raise ValueError("bool is 0 or 1")
    return array.cast(target)


def narrowed(wide: pa.Array) -> pa.Array:
    """Round float64 to float32.

    :raises OverflowError: a finite value would become infinite.
    """
    narrow = wide.cast(pa.float32())
    if pc.sum(pc.is_inf(narrow)) != pc.sum(pc.is_inf(wide)):
        raise OverflowError("too large for float32")
    return narrow


def fit_error(value: object, target: pa.DataType, convert: Convert = to_array) -> Exception | None:
    """Tell why one value does not fit, or None."""
    try:
        convert([value], target)
    except FIT_ERRORS as error:
        return error
    return None


def _family(arrow: pa.DataType) -> str:
    if pa.types.is_timestamp(arrow):
        return "zoned" if arrow.tz else "timestamp"
    return next((name for name, accepts in _FAMILIES.items() if accepts(arrow)), str(arrow))


def _kinds(values: Sequence[object]) -> set[type]:
    exact = set(map(type, values)) - {type(None)}
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
