"""A job's log read from CloudWatch Logs, piece by piece and never more than is wanted.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_ml_provider.jobs.state import LogStreams

MAX_LINES = 5_000
_MAX_PAGES = 200  # of 1 MB each; the rest comes with the next call


class LogReader:
    """Reads what is new in a job's streams. ``client`` is a CloudWatch Logs client.

    Its calls need logs:DescribeLogStreams and logs:GetLogEvents.
    """

    def __init__(self, client: Any, streams: Sequence[LogStreams]) -> None:
        self._client = client
        self._streams = tuple(streams)
        self._tokens: dict[tuple[str, str], str] = {}

    def new_lines(self, limit: int = MAX_LINES) -> list[str]:
        """Give the lines since the last call in order of time, at most the last ``limit``.

        If some were left out, a first line says how many and where they are. A group or stream that
        is not there (yet) has no lines. With several streams each line begins with the part of its
        stream's name that tells them apart.
        """
        pieces: deque[tuple[int, str, str]] = deque(maxlen=limit)
        count = pages = 0
        found = list(self._found())
        for group, stream, label in found:
            newest: deque[tuple[int, str, str]] = deque(maxlen=limit)
            for events in self._pages(group, stream):
                count += len(events)
                newest.extend(
                    (event["timestamp"], label, event["message"].rstrip("\n")) for event in events
                )
                pages += 1
                if pages >= _MAX_PAGES:
                    break
            pieces = deque(sorted((*pieces, *newest), key=lambda piece: piece[0]), maxlen=limit)
        several = len(found) > 1
        lines = [f"[{label}] {text}" if several else text for _, label, text in pieces]
        if count > len(lines):
            where = ", ".join(f"{one.group} ({one.prefix}*)" for one in self._streams)
            lines.insert(0, f"... {count - len(lines):,} lines left out; all are in {where}")
        return lines

    def _found(self) -> Iterator[tuple[str, str, str]]:
        for streams in self._streams:
            paginator = self._client.get_paginator("describe_log_streams")
            try:
                for page in paginator.paginate(
                    logGroupName=streams.group, logStreamNamePrefix=streams.prefix
                ):
                    for stream in page["logStreams"]:
                        name = stream["logStreamName"]
                        own = name.removeprefix(streams.prefix) or streams.group.rpartition("/")[2]
                        yield streams.group, name, own
            except ClientError as error:
                _pass_missing(error)

    def _pages(self, group: str, stream: str) -> Iterator[list[dict[str, Any]]]:
        while True:
            token = self._tokens.get((group, stream))
            try:
                answer = self._client.get_log_events(
                    logGroupName=group,
                    logStreamName=stream,
                    startFromHead=True,
                    **({"nextToken": token} if token else {}),
                )
            except ClientError as error:
                return _pass_missing(error)
            self._tokens[group, stream] = answer["nextForwardToken"]
            if answer["events"]:
                yield answer["events"]
            # CloudWatch gives the same token back at the end of a stream.
            if answer["nextForwardToken"] == token:
                return None


def _pass_missing(error: ClientError) -> None:
    if error.response["Error"]["Code"] != "ResourceNotFoundException":
        raise error
