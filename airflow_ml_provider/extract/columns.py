"""The columns of a result: the types that are given, and those that the first values tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import pyarrow as pa

from airflow_ml_provider.extract.arrow_types import (
    FIT_ERRORS,
    fit_error,
    fitted,
    infer,
    parse_type,
    to_array,
    type_name,
)
from airflow_ml_provider.extract.errors import BadQuery, EmptyResult, TypeMismatch, UnknownType
from airflow_ml_provider.sql.column_types import TYPE_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_ml_provider.extract.arrow_types import Convert
    from airflow_ml_provider.extract.selection import Selection

    Row = tuple[Any, ...]
    Fit = Callable[[pa.Array, pa.DataType], pa.Array]

_FIRST_ROWS = 1_024
_FIRST_BYTES = 8 * 1024 * 1024
_INFERENCE_ROWS = 32_768
# A step may hold rows that are far wider than those before.
_STEP_ROWS = 128
_FIRST_STEP_ROWS = 16
_SHOWN_CHARACTERS = 100


def names_of(name: str, description: Sequence[Sequence[Any]] | None) -> list[str]:
    """Give the columns' names of a cursor's description.

    :raises BadQuery: there is no result, or a name occurs twice.
    """
    if description is None:
        raise BadQuery(f"{name}: the query returns no rows, not even none; give a select")
    return unique(name, [column[0] for column in description])


def unique(name: str, names: list[str]) -> list[str]:
    """Give the names as they are.

    :raises BadQuery: one occurs twice.
    """
    if twice := sorted({column for column in names if names.count(column) > 1}):
        raise BadQuery(f"{name}: columns occur twice in the result: {', '.join(twice)}")
    return names


def given_types(
    selection: Selection, names: Sequence[str]
) -> tuple[dict[str, pa.DataType | None], list[str]]:
    """Give the types that the selection's ``columns`` say, and what is wrong with them."""
    problems: list[str] = []
    given: dict[str, pa.DataType | None] = {}
    for name, text in selection.columns.items():
        given[name] = parse_type(text)
        if name not in names:
            problems.append(f"{name} is not in the result ({', '.join(names)})")
        elif given[name] is None:
            problems.append(f"{name}: {text!r} is not one of {TYPE_NAMES}")
    return given, problems


def first_rows(
    selection: Selection,
    names: Sequence[str],
    fetch: Callable[[int], Sequence[Row]],
    *,
    known: Mapping[str, pa.DataType] | None = None,
    unknown: Mapping[str, str] | None = None,
) -> tuple[pa.Schema, list[Row]]:
    """Give the types of all columns, and the rows that were read to know them.

    A type is, in this order: given, ``known`` from the database, that of the first 32,768 rows'
    values, or where they are all NULL, or none, that which was published the last time.

    :param unknown: why a column's type can't be known though the database describes it.
    :raises UnknownType: a column's type is unknown; the message names all such columns.
    :raises EmptyResult: ... and only since there are no rows.
    """
    types, problems = given_types(selection, names)
    problems += [f"{name} {why}" for name, why in (unknown or {}).items() if name not in types]
    types = {**(known or {}), **dict.fromkeys(unknown or {}), **types}
    rows = fresh = fetched(fetch, _FIRST_ROWS, _FIRST_BYTES)
    wanted = [index for index, name in enumerate(names) if name not in types]
    while wanted := [i for i in wanted if all(row[i] is None for row in fresh)]:
        if len(rows) >= _INFERENCE_ROWS or len(fresh) < _FIRST_ROWS:  # enough, the end, or wide
            break
        fresh = fetched(fetch, _FIRST_ROWS, _FIRST_BYTES)
        rows = rows + fresh
    published = selection.published() if wanted else None
    without = [names[index] for index in wanted]
    types.update({f.name: f.type for f in published or () if f.name in without})
    untyped = [name for name in without if name not in types]
    if untyped and not rows and not problems:
        raise EmptyResult(
            f"{selection.name}: there are no rows, which alone would tell the types of "
            f"{', '.join(untyped)}; mend: give them, as in columns={{{untyped[0]!r}: 'int64'}}; "
            "a step with a history also takes those of its last run with the same query"
        )
    for index, name in enumerate(names):
        if name not in types:
            types[name], problem = infer([row[index] for row in rows])
            problems += [f"{name} {problem}"] if problem else []
    if problems:
        raise unknown_types(selection.name, problems)
    return pa.schema([(name, types[name]) for name in names]), rows


def fetched(fetch: Callable[[int], Sequence[Row]], most: int, most_bytes: int) -> list[Row]:
    """Fetch ``most`` rows, or fewer once they hold ``most_bytes``; none are the end."""
    rows: list[Row] = []
    size = 0
    while len(rows) < most and size < most_bytes:
        fitting = (most_bytes - size) * len(rows) // size if size else _FIRST_STEP_ROWS
        fresh = fetch(max(1, min(_STEP_ROWS, fitting, most - len(rows))))
        if not fresh:
            break
        rows += fresh
        size += sum(map(size_of, fresh))
    return rows


def size_of(row: Row) -> int:
    """Give about how many bytes a row holds."""
    return sum(len(value) if isinstance(value, (str, bytes)) else 8 for value in row)


def unknown_types(name: str, problems: Sequence[str]) -> UnknownType:
    """Give the error that names all columns whose type is unknown."""
    lines = "".join(f"\n  - {problem}" for problem in problems)
    return UnknownType(
        f"{name}: not every column has a type; mend: name it in columns, "
        f"e.g. {{'amount': 'decimal128(12, 2)'}}, or cast in the query{lines}"
    )


def batch_of(
    name: str,
    schema: pa.Schema,
    rows: Sequence[Row],
    row_number: int,
    convert: Convert = to_array,
) -> pa.RecordBatch:
    """Make a batch of rows, of which the first has the number ``row_number``.

    :raises TypeMismatch: a value does not fit its column's type.
    """
    columns = zip(schema, zip(*rows))
    arrays = [_column_of(name, field, values, row_number, convert) for field, values in columns]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _column_of(
    name: str,
    column: pa.Field,
    values: Sequence[Any],
    row_number: int,
    convert: Convert = to_array,
) -> pa.Array:
    """Make a column of a batch.

    :raises TypeMismatch: a value does not fit its type; the message names the first.
    """
    try:
        return convert(values, column.type)
    except FIT_ERRORS as error:
        _mismatch(name, column, values, row_number, convert=convert, cause=error)


def array_of(
    name: str, column: pa.Field, array: pa.Array, row_number: int, fit: Fit = fitted
) -> pa.Array:
    """Make a column of a batch from what an ADBC driver gave.

    :raises TypeMismatch: a value does not fit its type, or text is not UTF-8.
    """
    try:
        # Drivers give text and 39-digit numbers as they are.
        if pa.types.is_string(array.type) or pa.types.is_decimal(array.type):
            array.validate(full=True)
        return fit(array, column.type)
    except FIT_ERRORS as error:
        try:
            values = array.to_pylist()
        except UnicodeDecodeError:
            raise TypeMismatch(
                f"{name}: column {column.name}, rows {row_number} to {row_number + len(array) - 1} "
                "hold text that is not UTF-8; mend: a cast to bytes in the query"
            ) from error

        def convert(given: Sequence[Any], target: pa.DataType) -> pa.Array:
            return fit(pa.array(given, array.type), target)

        _mismatch(name, column, values, row_number, convert=convert, cause=error)


def _mismatch(
    name: str,
    column: pa.Field,
    values: Sequence[Any],
    row_number: int,
    *,
    convert: Convert,
    cause: Exception,
) -> NoReturn:
    where = f"rows {row_number} to {row_number + len(values) - 1}"
    for offset, value in enumerate(values):
        if error := fit_error(value, column.type, convert):
            shown = repr(value)[:_SHOWN_CHARACTERS]
            where = f"row {row_number + offset}, {shown} ({type(value).__name__})"
            cause = error
            break
    raise TypeMismatch(
        f"{name}: column {column.name}, {where} does not fit {type_name(column.type)}: "
        f"{cause}; mend: another type in columns, or a cast in the query"
    ) from cause
