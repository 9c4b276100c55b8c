"""A job's output: into its log file at once, into CloudWatch Logs in batches as it comes."""

from __future__ import annotations

import time
from contextlib import suppress
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, NamedTuple

from typing_extensions import Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType

    from airflow_ml_provider.local.process import Channel

FLUSH_SECONDS = 0.5
# PutLogEvents takes at most 10,000 events a call and 256 KiB an event:
# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
MAX_EVENTS = 1_000
MAX_MESSAGE_CHARS = 60_000


class LogStream(NamedTuple):
    """Where a channel of a job's output goes in CloudWatch Logs."""

    group: str
    name: str


class JobLog:
    """The log of one job, a context manager: all of it is written when the block ends.

    Args:
        paths: the log file of each channel; it may be the same one.
        client: a CloudWatch Logs client.
        streams: the stream of each channel; a channel without one goes to the file only.

    """

    def __init__(
        self,
        paths: Mapping[Channel, Path],
        client: Any,
        streams: Mapping[Channel, LogStream],
    ) -> None:
        files = {path: path.open("a", encoding="utf-8") for path in set(paths.values())}
        self._files = {channel: files[path] for channel, path in paths.items()}
        self._client = client
        self._streams = dict(streams)
        self._pending: list[tuple[LogStream, dict[str, Any]]] = []
        self._listeners: list[Callable[[str], None]] = []
        self._lock = Lock()
        self._closing = Event()
        self._flusher = Thread(target=self._flush_often, daemon=True)

    def __enter__(self) -> Self:
        for stream in dict.fromkeys(self._streams.values()):
            _create(self._client, stream)
        self._flusher.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._flusher.join()
        self._flush()
        with self._lock:
            for file in self._files.values():
                file.close()

    def listen(self, listener: Callable[[str], None]) -> None:
        """Give every line from now on to `listener` too."""
        self._listeners.append(listener)

    def write(self, channel: Channel, line: str) -> None:
        """Take one line of the job's output."""
        stream = self._streams.get(channel)
        with self._lock:
            file = self._files[channel]
            if file.closed:
                return
            for listener in self._listeners:
                listener(line)
            file.write(line + "\n")
            file.flush()
            if stream:
                at = int(time.time() * 1000)
                pieces = [
                    line[n : n + MAX_MESSAGE_CHARS] for n in range(0, len(line), MAX_MESSAGE_CHARS)
                ]
                self._pending += [
                    (stream, {"timestamp": at, "message": piece}) for piece in pieces or [" "]
                ]

    def _flush_often(self) -> None:
        while not self._closing.wait(FLUSH_SECONDS):
            self._flush()

    def _flush(self) -> None:
        with self._lock:
            pending, self._pending = self._pending, []
        for stream in dict.fromkeys(stream for stream, _ in pending):
            events = [event for owner, event in pending if owner == stream]
            for n in range(0, len(events), MAX_EVENTS):
                self._client.put_log_events(
                    logGroupName=stream.group,
                    logStreamName=stream.name,
                    logEvents=events[n : n + MAX_EVENTS],
                )


def _create(client: Any, stream: LogStream) -> None:
    exists = client.exceptions.ResourceAlreadyExistsException
    with suppress(exists):
        client.create_log_group(logGroupName=stream.group)
    with suppress(exists):
        client.create_log_stream(logGroupName=stream.group, logStreamName=stream.name)
