"""Where rows come from: a source opens into streams of Arrow record batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    import pyarrow as pa

    Stream = Callable[[], AbstractContextManager[Iterator[pa.RecordBatch]]]

BATCH_BYTES = 8 * 1024 * 1024


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
    def name(self) -> str:
        """What the manifest calls it, e.g. the connection's id."""

    @property
    def query_sha256(self) -> str:
        """The fingerprint of what is read: of the text, without values."""

    def open(self, batch_bytes: int = BATCH_BYTES) -> AbstractContextManager[Rows]:
        """Start reading; batches hold about ``batch_bytes``. Leaving the context ends it."""
