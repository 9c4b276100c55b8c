"""Where rows come from: a source opens into streams of Arrow record batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from airflow_ml_provider.extract.errors import BadQuery
from airflow_ml_provider.extract.memory import BATCH_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    import pyarrow as pa

    from airflow_ml_provider.extract.selection import Selection

    Stream = Callable[[], AbstractContextManager[Iterator[pa.RecordBatch]]]


@dataclass(frozen=True)
class Rows:
    """Streams that together are the rows of one query, each row in one of them.

    Each is opened in a thread of its own, and its batches have exactly ``schema``.
    """

    schema: pa.Schema
    streams: tuple[Stream, ...]


class Source(Protocol):
    """What `extract` reads."""

    @property
    def selection(self) -> Selection:
        """What is read, of which connection."""

    def open(self, batch_bytes: int = BATCH_BYTES) -> AbstractContextManager[Rows]:
        """Start reading; batches hold about ``batch_bytes``. Leaving the context ends it."""

    def highest(self, column: str, after: object | None) -> tuple[object | None, int]:
        """Give the column's largest value above ``after``, and how many rows have none (NULL)."""


def one_stream(selection: Selection) -> None:
    """See to it that no database is asked for partitions that can't be one snapshot.

    :raises BadQuery: more than one partition is asked for.
    """
    if selection.partitions > 1:
        raise BadQuery(
            f"{selection.name}: partitions={selection.partitions}: its connections can't share one "
            "snapshot, so rows that change meanwhile could be read twice or never; only PostgreSQL "
            "can; mend: partitions=1, or extracts of their own with a range each in the query"
        )
