"""What each type of PostgreSQL becomes in Arrow, and how it is asked for.

The binary COPY of ADBC is exact for the types of ``_DIRECT``; all versions of the driver agree on
these alone. Everything else crosses as its text. docs/extract-postgres.md has the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from airflow_ml_provider.extract.arrow_types import decimal, fits, type_name
from airflow_ml_provider.extract.columns import given_types, unique, unknown_types
from airflow_ml_provider.extract.errors import BadQuery
from airflow_ml_provider.extract.statement import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_ml_provider.extract.selection import Selection

# Type OIDs, stable over versions (src/include/catalog/pg_type.dat).
_DIRECT: Mapping[int, tuple[str, pa.DataType]] = {
    16: ("bool", pa.bool_()),
    17: ("bytea", pa.binary()),
    20: ("int8", pa.int64()),
    21: ("int2", pa.int16()),
    23: ("int4", pa.int32()),
    25: ("text", pa.string()),
    700: ("float4", pa.float32()),
    701: ("float8", pa.float64()),
    1042: ("bpchar", pa.string()),
    1043: ("varchar", pa.string()),
    1082: ("date", pa.date32()),
    1083: ("time", pa.time64("us")),
    1114: ("timestamp", pa.timestamp("us")),
    1184: ("timestamptz", pa.timestamp("us", "UTC")),
}
_OID = 26
_BPCHAR = 1042
MONEY = 790
_TIMESTAMPTZ = 1184
NUMERIC = 1700
# psycopg gives these as they are; everything else is read as text, by one parser.
_CURSOR = frozenset({17, 25, 1042, 1043})
_MONEY_PRECISION = 19

ARRAY_MARK = "airflow_ml_array_"
"""Begins the value that a server's error shows where an array can't be a list; a number follows."""


@dataclass(frozen=True)
class Described:
    """A column as the server describes it: its type's OID and modifier (-1: none)."""

    name: str
    oid: int
    modifier: int


@dataclass(frozen=True)
class Element:
    """What an array type holds: a type, and whether a domain lies between."""

    oid: int
    modifier: int
    domain: bool = False


@dataclass(frozen=True)
class Column:
    """A column: what is asked for, what ADBC answers, and what is written.

    ``natural`` is the type that the server's value has without loss, ``target`` is that or what
    the user wants instead. A cursor answers in text, but for text itself and bytes.
    """

    name: str
    adbc: str
    cursor: str
    wire: pa.DataType
    natural: pa.DataType
    target: pa.DataType


def columns_of(
    selection: Selection,
    described: Sequence[Described],
    elements: Mapping[int, Element],
    *,
    money_scale: int = 2,
) -> tuple[Column, ...]:
    """Decide what each column becomes.

    :param elements: by the OIDs of array types; every other type that is not known is text.
    :param money_scale: the digits of ``money`` after the point, which the server's locale decides.
    :raises BadQuery: names occur twice, or there are no columns.
    :raises UnknownType: types are wrong or can't be known; the message names all of them.
    """
    if not described:
        raise BadQuery(f"{selection.name}: the query has no columns")
    names = unique(selection.name, [column.name for column in described])
    given, problems = given_types(selection, names)
    columns = []
    for index, column in enumerate(described):
        element, wanted = elements.get(column.oid), given.get(column.name)
        found = _column(index, column, element, wanted, money_scale)
        if isinstance(found, Column):
            columns.append(found)
        else:
            problems.append(f"{column.name}{found}")
    if problems:
        raise unknown_types(selection.name, problems)
    return tuple(columns)


def _column(
    index: int,
    column: Described,
    element: Element | None,
    wanted: pa.DataType | None,
    money_scale: int,
) -> Column | str:
    name = quoted(column.name)
    if wanted == pa.string():
        text = name if column.oid in _CURSOR - {17} else f"{name}::text"
        return Column(column.name, text, text, wanted, wanted, wanted)
    if element is not None:
        return _list(index, column.name, element, wanted, money_scale)
    kind, wire = _DIRECT.get(column.oid, ("", pa.string()))
    natural = _natural(column.oid, column.modifier, money_scale)
    if pa.types.is_string(wire):
        natural = wanted or natural
    if natural is None:
        return " is numeric without a precision of 38 or less"
    target = wanted or natural
    # Text is read as what it spells.
    can = not pa.types.is_binary(target) if pa.types.is_string(wire) else fits(natural, target)
    if not can:
        return f" is {kind or 'text'}, which can't become {type_name(target)}"
    adbc = name if kind else _text(name, column.oid)
    cursor = adbc
    if column.oid == _TIMESTAMPTZ:
        cursor = f"({name} at time zone 'UTC')::text"
    elif kind and column.oid not in _CURSOR:
        cursor = f"{name}::text"
    return Column(column.name, adbc, cursor, wire, natural, target)


def _list(
    index: int, name: str, element: Element, wanted: pa.DataType | None, money_scale: int
) -> Column | str:
    if wanted is not None:
        return f" is an array, which can't become {type_name(wanted)}, only string"
    natural = _natural(element.oid, element.modifier, money_scale)
    if natural is None:
        return " is an array of numeric without a precision of 38 or less"
    kind, wire = _DIRECT.get(element.oid, ("text", pa.string()))
    column = quoted(name)
    array = column
    if element.oid not in _DIRECT:
        array = _text(column, element.oid, "[]")
    elif element.domain:
        array = f"{column}::{kind}[]"
    # A list has one dimension and no bounds. The server fails at what it can't cast, and says it.
    adbc = (
        f"case when array_ndims({column}) > 1 or array_lower({column}, 1) <> 1 "
        f"then ('{ARRAY_MARK}{index} ' || array_dims({column}))::{kind}[] else {array} end"
    )
    # Trailing blanks are lost when char(n) becomes text.
    text = adbc if element.oid == _BPCHAR else f"({adbc})::text[]"
    cursor = f"array_to_json({text})::text"
    return Column(name, adbc, cursor, pa.list_(wire), pa.list_(natural), pa.list_(natural))


def _text(name: str, oid: int, brackets: str = "") -> str:
    # The text of money depends on the locale.
    money = f"::numeric{brackets}" if oid == MONEY else ""
    return f"{name}{money}::text{brackets}"


def _natural(oid: int, modifier: int, money_scale: int) -> pa.DataType | None:
    if oid == NUMERIC:
        return _decimal(modifier)
    if oid == MONEY:
        return pa.decimal128(_MONEY_PRECISION, money_scale)
    if oid == _OID:
        return pa.uint32()
    return _DIRECT.get(oid, ("", pa.string()))[1]


def _decimal(modifier: int) -> pa.DataType | None:
    """Read numeric's modifier: 4 + (precision << 16 | scale), where the scale has 11 bits."""
    if modifier < 4:  # noqa: PLR2004  the size of a header, since always
        return None
    precision = (modifier - 4) >> 16 & 0xFFFF
    scale = ((modifier - 4 & 0x7FF) ^ 0x400) - 0x400
    # Since version 15 a scale may be negative or above the precision; a decimal's may not.
    precision, scale = max(precision - min(scale, 0), scale), max(scale, 0)
    return decimal(precision, scale)


def schema_of(columns: Sequence[Column]) -> pa.Schema:
    """Give the schema that is written; all columns are nullable."""
    return pa.schema([(column.name, column.target) for column in columns])
