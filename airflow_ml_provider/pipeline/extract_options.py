"""What is wrong with the options of an extract, as far as that is known without its database."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_INTERVAL = re.compile(r"(?<!:):data_interval_(start|end)\b")
ON_DRIFT = ("fail", "evolve", "ignore")
MIN_MEMORY_MB = 192
"""The drivers, two upload parts, a row group and the batches of one stream need as much."""


def option_problems(options: Any) -> Iterator[str]:
    """Name the field, what was given and the mend of each problem.

    :param options: a ``SqlExtract`` or a ``SqlExtractOperator``; the names are the same.
    """
    if (options.query is None) == (options.table is None):
        yield "query: give either query= or table="
    for field in ("partition_by", "watermark"):
        column = getattr(options, field)
        if column is not None and (not isinstance(column, str) or not column):
            yield f"{field}: {column!r} is no name of a column"
    if not _is_whole(options.partitions, 1):
        yield f"partitions: {options.partitions!r} is no number of streams; give 1 or more"
    elif options.partitions > 1 and options.partition_by is None and options.table is None:
        yield (
            f"partitions: {options.partitions} streams share the rows of a query by a column; give "
            "partition_by="
        )
    yield from query_problems(options.query, options.watermark)
    delay = options.watermark_delay_seconds
    if not _is_whole(delay, 0):
        yield f"watermark_delay_seconds: {delay!r} must be a whole number from 0 on"
    elif delay and options.watermark is None:
        yield f"watermark_delay_seconds: {delay} is for a watermark; give watermark="
    if options.on_drift not in ON_DRIFT:
        yield f"on_drift: {options.on_drift!r} must be 'fail', 'evolve' or 'ignore'"
    if not _is_whole(options.memory_mb, MIN_MEMORY_MB):
        yield f"memory_mb: {options.memory_mb!r} must be a whole number from {MIN_MEMORY_MB} on"


def query_problems(query: str | None, watermark: str | None) -> Iterator[str]:
    """Name what is wrong with the SQL of a query that is read by a watermark."""
    if watermark is not None and (found := _INTERVAL.search(query or "")):
        yield (
            f"watermark: the query uses {found[0]}, so rows that come late would be in no run; "
            "leave one of them out, or give the time another name in parameters= if it bounds no "
            "rows"
        )


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
