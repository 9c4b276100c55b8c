"""MySQL's and MariaDB's types, exactly: values are the text that the server sends.

The drivers' own conversions lose some: MySQLdb makes NULL of the date 0000-00-00.
https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response_text_resultset.html
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from airflow_ml_provider.extract.arrow_types import decimal, parse, parse_type
from airflow_ml_provider.extract.columns import names_of
from airflow_ml_provider.extract.statement import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_ml_provider.extract.dbapi.session import Session
    from airflow_ml_provider.extract.driver import Driver
    from airflow_ml_provider.extract.selection import Selection

# enum_field_types of the protocol.
_DECIMALS = {0, 246}
_FLOAT, _DOUBLE, _NULL, _BIT = 4, 5, 6, 16
_INTEGER_BITS = {1: 8, 2: 16, 3: 32, 8: 64, 9: 32}
_TYPES = {
    _FLOAT: pa.float32(),
    _DOUBLE: pa.float64(),
    7: pa.timestamp("us", "UTC"),  # TIMESTAMP, which is kept in UTC; DATETIME (12) is of no zone
    10: pa.date32(),
    11: pa.time64("us"),
    12: pa.timestamp("us"),
    13: pa.int16(),  # YEAR
    14: pa.date32(),
    _BIT: pa.uint64(),
    242: pa.binary(),  # VECTOR
    245: pa.string(),  # JSON
    247: pa.string(),  # ENUM
    248: pa.string(),  # SET
    255: pa.binary(),  # GEOMETRY: its SRID, then WKB
}
_STRINGS = {15, 249, 250, 251, 252, 253, 254}
_UNSIGNED_FLAG, _BINARY_FLAG = 32, 128
_BINARY_CHARSET = 63
_AS_STORED = 31  # decimals of a float that is not rounded for show

_SESSION = "set time_zone = '+00:00', net_write_timeout = 3600"


@dataclass(frozen=True)
class Described:
    """The types of a selection's columns, why others have none, and what has to be selected."""

    types: Mapping[str, pa.DataType]
    problems: Mapping[str, str]
    select: str


@dataclass(frozen=True)
class _Column:
    name: str
    code: int
    length: int | None
    scale: int | None
    unsigned: bool
    binary: bool | None  # None: bytes, or text that is compared byte by byte


def sends_text(driver: Driver) -> bool:
    """Tell whether the driver can give values as the server's text."""
    return driver.name in ("MySQLdb", "pymysql", "mysql.connector")


def settle(driver: Driver, connection: Any) -> None:
    """Make the session one of UTC and utf8mb4 that waits an hour for a slow reader."""
    if driver.name == "mysql.connector":
        connection.set_charset_collation("utf8mb4")
    else:
        connection.set_character_set("utf8mb4")
    cursor = connection.cursor()
    cursor.execute(_SESSION)
    cursor.close()


def describe(opened: Session, selection: Selection) -> Described:
    """Ask for the types without running the query.

    :raises BadQuery: the database refuses the query.
    """
    driver, connection = opened.driver, opened.connection
    opened.call(settle, driver, connection)
    if driver.name == "pymysql":
        connection.decoders = {}
    elif driver.name == "MySQLdb":
        connection.converter = {}

    def ask(select: str) -> tuple[Any, Sequence[tuple[Any, ...]]]:
        statement = driver.statement(selection, select=select, where=["1 = 0"])
        cursor = opened.executed(statement, text=True)
        return cursor, opened.call(cursor.fetchall)

    cursor, _ = ask("*")
    names_of(selection.name, cursor.description)
    columns = _columns(driver, cursor)
    if doubtful := [column for column in columns if column.binary is None]:
        # MAX keeps the character set, and has one row where there are none.
        charsets = ", ".join(f"charset(max({_quoted(column)}))" for column in doubtful)
        _, rows = ask(charsets)
        binary = {c.name: charset == b"binary" for c, charset in zip(doubtful, rows[0])}
        columns = [replace(c, binary=binary.get(c.name, c.binary)) for c in columns]
    types = {column.name: _type(column) for column in columns}
    return Described(
        types={name: arrow for name, arrow in types.items() if isinstance(arrow, pa.DataType)},
        problems={name: problem for name, problem in types.items() if isinstance(problem, str)},
        select=_select(columns),
    )


def from_text(values: Sequence[str | bytes | None], target: pa.DataType) -> pa.Array:
    """Convert the server's text.

    :raises FIT_ERRORS: a value would be lost or changed.
    """
    sent = pa.array(values, pa.binary())
    return sent if pa.types.is_binary(target) else parse(sent.cast(pa.string()), target)


def _columns(driver: Driver, cursor: Any) -> list[_Column]:
    description = cursor.description
    if driver.name == "pymysql":
        # Its description leaves out what PEP 249 does not know.
        fields = [(field.flags, field.charsetnr) for field in cursor._result.fields]  # noqa: SLF001
    elif driver.name == "MySQLdb":
        fields = [(flags, None) for flags in cursor.description_flags]
    else:
        fields = [column[7:9] for column in description]
    return [
        _Column(
            name=column[0],
            code=column[1],
            length=column[4],
            scale=column[5],
            unsigned=bool(flags & _UNSIGNED_FLAG),
            binary=_is_binary(column[1], flags, charset),
        )
        for column, (flags, charset) in zip(description, fields)
    ]


def _is_binary(code: int, flags: int, charset: int | None) -> bool | None:
    if code not in _STRINGS or not flags & _BINARY_FLAG:
        return False
    return None if charset is None else charset == _BINARY_CHARSET


def _type(column: _Column) -> pa.DataType | str | None:
    if column.code in _INTEGER_BITS:
        sign = "u" if column.unsigned else ""
        return parse_type(f"{sign}int{_INTEGER_BITS[column.code]}")
    if column.code in _STRINGS:
        # The NULL of a query that is wrapped is binary(0), and has no type as it has none bare.
        raw = None if column.length == 0 else pa.binary()
        return raw if column.binary else pa.string()
    if column.code not in _DECIMALS:
        return _TYPES.get(column.code)
    if column.length is None or column.scale is None:
        return "is DECIMAL, whose precision mysql-connector does not tell; mysqlclient does"
    # The length is that of the text, with sign and point.
    precision = column.length - (not column.unsigned) - (column.scale > 0)
    exact = decimal(precision, column.scale)
    return exact or f"is DECIMAL({precision}, {column.scale}), and 38 digits are the most"


def _select(columns: Sequence[_Column]) -> str:
    if not any(_shown(column) != _quoted(column) for column in columns):
        return "*"
    return ", ".join(f"{_shown(column)} as {_quoted(column)}" for column in columns)


def _shown(column: _Column) -> str:
    # As text a FLOAT has six digits, and a DOUBLE(m, d) has d decimals: as a DOUBLE it has all.
    if column.code == _FLOAT or (column.code == _DOUBLE and column.scale != _AS_STORED):
        return f"{_quoted(column)} + 0e0"
    return f"{_quoted(column)} + 0" if column.code == _BIT else _quoted(column)


def _quoted(column: _Column) -> str:
    return quoted(column.name, mysql=True)
