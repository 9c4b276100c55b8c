"""What is wrong with the options of an extract, as far as that is known without its database."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.pipeline.values import Run
from airflow_ml_provider.sql.column_types import TYPE_NAMES, is_type_name
from airflow_ml_provider.sql.text import parameter_problem, parameters_in, table_parts

if TYPE_CHECKING:
    from collections.abc import Iterator

RUN_PARAMETERS = {
    "run_date": Run.DATE,
    "data_interval_start": Run.INTERVAL_START,
    "data_interval_end": Run.INTERVAL_END,
}
"""What the run brings to every query."""
ON_DRIFT = ("fail", "evolve", "ignore")
MIN_MEMORY_MB = 192
"""The drivers, two upload parts, a row group and the batches of one stream need as much."""

_INTERVAL = ("data_interval_start", "data_interval_end")
# What `sanitize_conn_id` of airflow.models.connection lets through.
_CONN_ID = re.compile(r"[\w#!()\-.:/\\]{1,250}")


def option_problems(options: Any, given: Mapping[str, Any] | None) -> Iterator[str]:
    """Name the field, what was given and the mend of each problem.

    :param options: a ``SqlExtract`` or a ``SqlExtractOperator``; the names are the same.
    :param given: the parameters, or None where a run alone knows them. So it is with templates.
    """
    query, table = options.query, options.table
    if (query is None) == (table is None):
        yield "query: give either query= or table="
    if not isinstance(options.conn_id, str) or not _CONN_ID.fullmatch(options.conn_id):
        yield (
            f"conn_id: {options.conn_id!r} is no id of an Airflow connection; give at most 250 "
            r"letters, digits and _-.:/\#!()"
        )
    yield from _column_problems(options)
    yield from _partition_problems(options)
    if not isinstance(given, Mapping) and given is not None:
        yield f"parameters: {given!r} is no mapping; give {{'name': value}}"
        given = None
    if query is None and table is not None:
        yield from _table_problems(table, given)
    elif isinstance(query, str) and not is_sql_file(query):
        yield from query_problems(query, given, options.watermark)
    delay = options.watermark_delay_seconds
    if not _is_whole(delay, 0):
        yield f"watermark_delay_seconds: {delay!r} must be a whole number from 0 on"
    elif delay and options.watermark is None:
        yield f"watermark_delay_seconds: {delay} is for a watermark; give watermark="
    if options.on_drift not in ON_DRIFT:
        yield f"on_drift: {options.on_drift!r} must be 'fail', 'evolve' or 'ignore'"
    if not _is_whole(options.memory_mb, MIN_MEMORY_MB):
        yield f"memory_mb: {options.memory_mb!r} must be a whole number from {MIN_MEMORY_MB} on"


def is_sql_file(query: object) -> bool:
    """Tell whether a query is the name of a file that holds it."""
    return isinstance(query, str) and query.endswith(".sql")


def query_problems(
    query: str, given: Mapping[str, Any] | None, watermark: str | None
) -> Iterator[str]:
    """Name what is wrong with the SQL of a query, with its parameters and a watermark."""
    if not query.strip():
        yield f"query: {query!r} is no SQL; give query='select ...', or table="
        return
    if given is not None and not _is_template(query):
        own = {name for name in given if name not in RUN_PARAMETERS}
        if problem := parameter_problem(query, own, RUN_PARAMETERS):
            yield problem
    found = [name for name in parameters_in(query) if name in _INTERVAL]
    if watermark is not None and found:
        yield (
            f"watermark: the query uses :{found[0]}, so rows that come late would be in no run; "
            "leave one of them out, or give the time another name in parameters= if it bounds no "
            "rows"
        )


def _column_problems(options: Any) -> Iterator[str]:
    for field in ("partition_by", "watermark"):
        column = getattr(options, field)
        if column is not None and (not isinstance(column, str) or not column):
            yield f"{field}: {column!r} is no name of a column"
    if not isinstance(options.columns, Mapping):
        yield f"columns: {options.columns!r} is no mapping; give {{'name': 'int64'}}"
        return
    for name, text in options.columns.items():
        if not is_type_name(text):
            yield f"columns: {name!r} is {text!r}; give one of {TYPE_NAMES}"


def _partition_problems(options: Any) -> Iterator[str]:
    partitions, column = options.partitions, options.partition_by
    if not _is_whole(partitions, 1):
        yield f"partitions: {partitions!r} is no number of streams; give 1 or more"
    elif partitions > 1 and column is None and options.table is None:
        yield (
            f"partitions: {partitions} streams share the rows of a query by a column; give "
            "partition_by="
        )
    elif partitions == 1 and column:
        yield (
            f"partition_by: {column!r} says how several streams share the rows, and "
            "partitions is 1; give partitions=, or leave it out"
        )


def _table_problems(table: str, given: Mapping[str, Any] | None) -> Iterator[str]:
    if isinstance(table, str) and not _is_template(table) and table_parts(table) is None:
        yield f"table: {table!r} has an empty part; give 'table' or 'schema.table'"
    if own := sorted(name for name in given or () if name not in RUN_PARAMETERS):
        yield f"parameters: {', '.join(own)}: a table takes none; leave them out, or give query="


def _is_template(text: str) -> bool:
    # https://jinja.palletsprojects.com/en/stable/templates/
    return any(mark in text for mark in ("{{", "{%", "{#"))


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
