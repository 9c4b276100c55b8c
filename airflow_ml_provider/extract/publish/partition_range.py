"""The least and the greatest value of one column, found while its rows stream by.

Parquet's footer has them, too, but not where a value is long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from airflow_ml_provider.extract.publish.manifest import Partition

if TYPE_CHECKING:
    from collections.abc import Callable


class PartitionRange:
    """Take the row groups of a schema; without a ``column`` of it there is no range."""

    def __init__(self, schema: pa.Schema, column: str | None) -> None:
        self._column = column if column in schema.names else None
        self._least: pa.Scalar | None = None
        self._most: pa.Scalar | None = None

    @property
    def partition(self) -> Partition | None:
        """What the manifest holds."""
        if self._column is None:
            return None
        return Partition(self._column, _text(self._least), _text(self._most))

    def add(self, rows: pa.Table) -> None:
        """Look at some rows; NULL and NaN are neither less nor greater."""
        if self._column is None:
            return
        try:
            found = pc.min_max(rows.column(self._column))
        except pa.ArrowNotImplementedError:  # lists have no order
            return
        # NaN is not even equal to itself, which it is where there is nothing else.
        if pc.equal(found["min"], found["min"]).as_py():
            self._least = _better(pc.less, found["min"], self._least)
            self._most = _better(pc.greater, found["max"], self._most)


def _better(
    compare: Callable[..., pa.Scalar], found: pa.Scalar, known: pa.Scalar | None
) -> pa.Scalar:
    return found if known is None or compare(found, known).as_py() else known


def _text(value: pa.Scalar | None) -> str | None:
    if value is None:
        return None
    try:
        return str(value.as_py())
    except (ValueError, OverflowError):  # a year that Python has not
        return str(value.cast(pa.string()).as_py())
