"""Row groups: what the streams of a source, each in a thread of its own, are gathered into."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from queue import Full, Queue
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING

import pyarrow as pa

from airflow_ml_provider.extract.memory import QUEUED_ROW_GROUPS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from typing_extensions import Self

    from airflow_ml_provider.extract.source import Stream

# What readers expect, and what an encoder's CPU time a row gains little beyond.
ROWS = 131_072
_LOOK_SECONDS = 0.05
_GRACE_SECONDS = 1.0
_JOIN_SECONDS = 30.0


def gathered(
    batches: Iterable[pa.RecordBatch], size_bytes: int, rows: int = ROWS
) -> Iterator[pa.Table]:
    """Give tables of ``rows``, or fewer that make ``size_bytes``; their rows keep their order."""
    held: list[pa.RecordBatch] = []
    held_rows = held_bytes = 0
    for whole in batches:
        batch = whole
        while batch.num_rows:
            taken = batch.slice(0, rows - held_rows)
            batch = batch.slice(taken.num_rows)
            held.append(taken)
            held_rows += taken.num_rows
            held_bytes += taken.nbytes
            if held_rows == rows or held_bytes >= size_bytes:
                yield pa.Table.from_batches(held)
                held = []
                held_rows = held_bytes = 0
    if held:
        yield pa.Table.from_batches(held)


class RowGroups:
    """The threads that read streams, and the short queue between them and who encodes.

    Leave `reading`, then the source, then this: a thread may wait in the database until its source
    is closed, and is waited for here.
    """

    def __init__(self) -> None:
        self._queue: Queue[pa.Table | BaseException | None] = Queue(QUEUED_ROW_GROUPS)
        self._ended = Event()
        self._threads: list[Thread] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end(_JOIN_SECONDS)

    @contextmanager
    def reading(self, streams: Sequence[Stream], size_bytes: int) -> Iterator[Iterator[pa.Table]]:
        """Read all streams from now on, and give the row groups.

        Those of one stream come in its order, those of several as they are ready. An error of a
        stream is raised where they are taken.
        """
        self._threads = [
            Thread(target=self._read, args=(stream, size_bytes), name=f"stream-{n}", daemon=True)
            for n, stream in enumerate(streams)
        ]
        try:
            for thread in self._threads:
                thread.start()
            yield self._taken()
        finally:
            self._end(_GRACE_SECONDS)

    def _taken(self) -> Iterator[pa.Table]:
        for _ in self._threads:
            while (item := self._queue.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
                # Its memory is free while the next one is waited for.
                del item

    def _read(self, stream: Stream, size_bytes: int) -> None:
        end: BaseException | None = None
        try:
            with stream() as batches:
                for table in gathered(batches, size_bytes):
                    self._put(table)
                    del table
                    if self._ended.is_set():
                        break
        # Whatever it is, it is raised where the extract runs.
        except BaseException as error:  # noqa: BLE001
            end = error
        self._put(end)

    def _put(self, item: pa.Table | BaseException | None) -> None:
        placed = False
        while not (placed or self._ended.is_set()):
            with suppress(Full):
                self._queue.put(item, timeout=_LOOK_SECONDS)
                placed = True

    def _end(self, seconds: float) -> None:
        self._ended.set()
        until = monotonic() + seconds
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, until - monotonic()))
