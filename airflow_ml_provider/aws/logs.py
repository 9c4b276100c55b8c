"""A job's log read from CloudWatch Logs, piece by piece and never more than is wanted.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from airflow_ml_provider.aws.newest_lines import NewestLines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_ml_provider.jobs.state import LogStreams

MAX_LINES = 5_000
_MAX_PAGES = 200  # of 1 MB each; the rest comes with the next call


class LogReader:
    """Reads what is new in a job's streams. ``client`` is a CloudWatch Logs client.

    Lines from before ``since`` (epoch seconds) are left alone. Its calls need
    logs:DescribeLogStreams and logs:GetLogEvents.
    """

    def __init__(self, client: Any, streams: Sequence[LogStreams], since: float = 0.0) -> None:
        self._client = client
        self._streams = tuple(streams)
        self._since = int(since * 1000)
        self._tokens: dict[tuple[str, str], str] = {}

    def new_lines(self, limit: int = MAX_LINES) -> list[str]:
        """Give the lines since the last call in order of time, at most the last ``limit``.

        A group or stream that is not there (yet) has no lines.
        """
        newest = NewestLines(self._streams, limit)
        pages = 0
        for streams, name in list(self._found()):
            for events in self._pages(streams.group, name):
                for event in events:
                    newest.add(streams, name, event["timestamp"], event["message"])
                pages += 1
                if pages >= _MAX_PAGES:
                    break
        return newest.lines()

    def _found(self) -> Iterator[tuple[LogStreams, str]]:
        for streams in self._streams:
            paginator = self._client.get_paginator("describe_log_streams")
            try:
                for page in paginator.paginate(
                    logGroupName=streams.group, logStreamNamePrefix=streams.prefix
                ):
                    for stream in page["logStreams"]:
                        yield streams, stream["logStreamName"]
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
                    startTime=self._since,
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
