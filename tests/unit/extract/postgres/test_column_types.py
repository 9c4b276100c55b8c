from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from airflow_ml_provider.extract.errors import BadQuery, UnknownType
from airflow_ml_provider.extract.postgres.column_types import (
    Column,
    Described,
    Element,
    columns_of,
    schema_of,
)
from airflow_ml_provider.extract.selection import Selection

UUID_ARRAY, INT_ARRAY = 2951, 1007


def modifier(precision: int, scale: int) -> int:
    return 4 + (precision << 16 | scale & 0x7FF)


def columns(
    described: list[Described], elements: dict[int, Element] | None = None, **fields: Any
) -> tuple[Column, ...]:
    selection = Selection("warehouse", table="t", columns=fields.pop("given", {}))
    return columns_of(selection, described, elements or {}, **fields)


def column(oid: int, mod: int = -1, given: str | None = None) -> Column:
    name = 'the "c"'
    (found,) = columns([Described(name, oid, mod)], given={name: given} if given else {})
    return found


def test_what_adbc_reads_exactly_is_asked_for_as_it_is() -> None:
    found = column(23)
    assert found == Column(
        name='the "c"',
        adbc='"the ""c"""',
        cursor='"the ""c"""::text',
        wire=pa.int32(),
        natural=pa.int32(),
        target=pa.int32(),
    )


@pytest.mark.parametrize("oid", [25, 1042, 1043, 17])
def test_text_and_bytes_are_no_text_of_themselves(oid: int) -> None:
    assert column(oid).cursor == column(oid).adbc == '"the ""c"""'


def test_a_cursor_reads_times_with_a_zone_in_utc() -> None:
    found = column(1184)
    assert found.cursor == '("the ""c""" at time zone \'UTC\')::text'
    assert found.target == pa.timestamp("us", "UTC")


@pytest.mark.parametrize("oid", [2950, 114, 3802, 1186, 869, 600, 3904, 16_400])
def test_everything_else_is_its_text(oid: int) -> None:
    found = column(oid)
    assert found.adbc == found.cursor == '"the ""c"""::text'
    assert found.wire == found.target == pa.string()


@pytest.mark.parametrize(
    ("precision", "scale", "expected"),
    [
        (10, 2, pa.decimal128(10, 2)),
        (38, 38, pa.decimal128(38, 38)),
        (3, -2, pa.decimal128(5, 0)),
        (2, 5, pa.decimal128(5, 5)),
        (1, 0, pa.decimal128(1, 0)),
    ],
)
def test_numeric_has_its_precision(precision: int, scale: int, expected: pa.DataType) -> None:
    found = column(1700, modifier(precision, scale))
    assert (found.wire, found.target) == (pa.string(), expected)


@pytest.mark.parametrize("mod", [-1, modifier(39, 0), modifier(38, -1), modifier(1, 39)])
def test_numeric_that_no_decimal_holds_has_no_type(mod: int) -> None:
    with pytest.raises(UnknownType, match='the "c" is numeric without a precision of 38 or less'):
        column(1700, mod)


def test_money_has_the_scale_of_the_locale() -> None:
    (found,) = columns([Described("c", 790, -1)], money_scale=3)
    assert found.target == pa.decimal128(19, 3)
    assert found.adbc == '"c"::numeric::text'


def test_a_given_type_decides() -> None:
    assert column(1700, given="decimal128(12, 2)").target == pa.decimal128(12, 2)
    assert column(1700, given="float64").natural == pa.float64()
    assert column(23, given="int8").natural == pa.int32()
    assert column(23, given="string").adbc == '"the ""c"""::text'
    assert column(25, given="string").adbc == '"the ""c"""'
    assert column(17, given="string").cursor == '"the ""c"""::text'


@pytest.mark.parametrize(
    ("oid", "given"),
    [
        (16, "int64"),
        (17, "int64"),
        (23, "date32"),
        (25, "binary"),
        (701, "decimal128(5, 2)"),
        (1082, "int32"),
        (1083, "timestamp[us]"),
        (1114, "date32"),
        (1184, "timestamp[us]"),
    ],
)
def test_a_type_that_could_lose_or_mean_something_else_is_refused(oid: int, given: str) -> None:
    with pytest.raises(UnknownType, match=r"can't become .*\n*") as caught:
        column(oid, given=given)
    assert given in str(caught.value)


def test_arrays_are_lists_of_what_their_elements_become() -> None:
    described = [Described("a", INT_ARRAY, -1), Described("b", UUID_ARRAY, -1)]
    elements = {INT_ARRAY: Element(23, -1), UUID_ARRAY: Element(2950, -1)}
    ints, uuids = columns(described, elements)
    assert ints.target == ints.wire == pa.list_(pa.int32())
    assert ints.adbc.endswith('else "a" end')
    assert uuids.target == uuids.wire == pa.list_(pa.string())
    assert uuids.adbc.endswith('else "b"::text[] end')
    assert uuids.cursor == f"array_to_json(({uuids.adbc})::text[])::text"
    # The number leads from the server's error back to the column.
    assert "airflow_ml_array_0 " in ints.adbc
    assert "airflow_ml_array_1 " in uuids.adbc


def test_arrays_of_domains_and_decimals() -> None:
    described = [Described("a", 1, -1), Described("b", 2, -1)]
    elements = {1: Element(23, -1, domain=True), 2: Element(1700, modifier(5, 2))}
    domains, decimals = columns(described, elements)
    assert domains.adbc.endswith('else "a"::int4[] end')
    assert (decimals.wire, decimals.target) == (
        pa.list_(pa.string()),
        pa.list_(pa.decimal128(5, 2)),
    )


def test_names_have_to_tell_columns_apart() -> None:
    twice = [Described("a", 23, -1), Described("b", 23, -1), Described("a", 25, -1)]
    with pytest.raises(BadQuery, match="columns occur twice in the result: a"):
        columns(twice)
    with pytest.raises(BadQuery, match="no columns"):
        columns([])


def test_the_schema_has_what_is_written() -> None:
    found = columns([Described("a", 23, -1), Described("b", 25, -1)], given={"a": "int64"})
    assert schema_of(found) == pa.schema([("a", pa.int64()), ("b", pa.string())])
