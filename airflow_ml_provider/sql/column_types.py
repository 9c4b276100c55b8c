"""The names of the types that ``columns`` may give to an extract's columns."""

from __future__ import annotations

import re

_UNITS = ("s", "ms", "us", "ns")
ZONED = {f"timestamp[{unit}, tz=UTC]": unit for unit in _UNITS}
"""Times with a zone, and their units."""
NAMES = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float32", "float64", "string", "binary", "date32", "time64[us]"),
    *(f"timestamp[{unit}]" for unit in _UNITS),
    *ZONED,
)
"""All but decimals, which have digits of their own."""
TYPE_NAMES = ", ".join([*NAMES, "decimal128(precision, scale)"])
"""What there is, for messages."""
MAX_PRECISION = 38

_DECIMAL = re.compile(r"decimal128\((\d+), ?(\d+)\)")


def is_type_name(name: object) -> bool:
    """Tell whether it is one, such as ``int64`` or ``decimal128(10, 2)``."""
    return isinstance(name, str) and (name in NAMES or digits_of(name) is not None)


def digits_of(name: str) -> tuple[int, int] | None:
    """Give precision and scale of ``decimal128(10, 2)``, or None if it is no such type."""
    match = _DECIMAL.fullmatch(name)
    digits = (int(match[1]), int(match[2])) if match else None
    return digits if digits and are_digits(*digits) else None


def are_digits(precision: int, scale: int) -> bool:
    """Tell whether every reader knows decimals of so many digits."""
    return 0 <= scale <= precision and 1 <= precision <= MAX_PRECISION
