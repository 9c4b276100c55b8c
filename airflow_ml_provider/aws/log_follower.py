"""The logs of many jobs, read with one call a log group however many jobs write to it.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
"""

from __future__ import annotations

import logging
import os
import time
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.aws.newest_lines import NewestLines
from airflow_ml_provider.jobs.errors import is_not_found, is_transient
from airflow_ml_provider.jobs.pace import interval_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from airflow_ml_provider.jobs.state import LogStreams

log = logging.getLogger(__name__)

FOLLOW_SECONDS = 60.0
# A line may reach CloudWatch some seconds after the time that it bears.
_SETTLE_SECONDS = 10.0
_MAX_PAGES = 10  # of 1 MB a group and reading: a log group is shared by all jobs of an account


@dataclass(eq=False)
class FollowedLog:
    """The log of one job: at most ``limit`` lines at a time go to ``tell``.

    ``began`` is when the job did, and ``read_until`` up to when it was told; epoch seconds.
    """

    streams: Sequence[LogStreams]
    limit: int
    tell: Callable[[Sequence[str]], None]
    began: float
    read_until: float


class LogFollower:
    """Reads logs at the pace at which jobs are asked for, at least every ``FOLLOW_SECONDS``.

    Its calls need logs:FilterLogEvents. A log that can't be read fails nothing: a trouble that
    heals is tried again later, any other one is said once.
    """

    def __init__(self, connect: Callable[[], Any], clock: Callable[[], float] = time.time) -> None:
        self._connect = connect
        self._clock = clock
        self._client: Any = None
        self._refused = False

    def follow(self, logs: Collection[FollowedLog]) -> None:
        """Tell what is new, if one of the logs is due; all are read up to the same moment."""
        now = self._clock()
        until = now - _SETTLE_SECONDS
        if self._refused or not any(
            until - one.read_until >= interval_seconds(now - one.began, FOLLOW_SECONDS)
            for one in logs
        ):
            return
        try:
            found = self._read(logs, until)
        except Exception as error:  # noqa: BLE001 - see above
            self._client = None
            self._refused = not is_transient(error)
            log.warning("The logs of %d jobs can't be read: %s", len(logs), error)
            return
        for one in logs:
            one.read_until = max(until, one.read_until)
        for one, newest in found.items():
            one.tell(newest.lines())

    def _read(self, logs: Collection[FollowedLog], until: float) -> dict[FollowedLog, NewestLines]:
        if self._client is None:
            self._client = self._connect()
        found: dict[FollowedLog, NewestLines] = {}
        for group in {streams.group: None for one in logs for streams in one.streams}:
            owners = _Owners(group, logs)
            since = min(one.read_until for one in owners.logs)
            for number, page in enumerate(self._pages(group, owners.common, since, until), 1):
                for event in page:
                    name, timestamp = event["logStreamName"], event["timestamp"]
                    for streams, one in owners.of(name):
                        if timestamp >= int(one.read_until * 1000):
                            newest = found.setdefault(one, NewestLines(one.streams, one.limit))
                            newest.add(streams, name, timestamp, event["message"])
                if number >= _MAX_PAGES:
                    for one in owners.logs:
                        found.setdefault(one, NewestLines(one.streams, one.limit)).cut()
                    break
        return found

    def _pages(
        self, group: str, prefix: str, since: float, until: float
    ) -> Iterator[list[dict[str, Any]]]:
        pages = self._client.get_paginator("filter_log_events").paginate(
            logGroupName=group,
            startTime=int(since * 1000),
            endTime=int(until * 1000) - 1,
            **({"logStreamNamePrefix": prefix} if prefix else {}),
        )
        try:
            for page in pages:
                yield page["events"]
        except Exception as error:
            if not is_not_found(error):  # no job has written anything yet
                raise


class _Owners:
    """Whose the streams of a group are: those that begin with the prefix of a log."""

    def __init__(self, group: str, logs: Collection[FollowedLog]) -> None:
        self._by_prefix: dict[str, list[tuple[LogStreams, FollowedLog]]] = {}
        for one in logs:
            for streams in one.streams:
                if streams.group == group:
                    self._by_prefix.setdefault(streams.prefix, []).append((streams, one))
        self._prefixes = sorted(self._by_prefix)
        self.common = os.path.commonprefix(self._prefixes)  # noqa: RUF071 - letters are meant
        self.logs = [one for owners in self._by_prefix.values() for _, one in owners]

    def of(self, name: str) -> Sequence[tuple[LogStreams, FollowedLog]]:
        at = bisect_right(self._prefixes, name) - 1
        if at < 0 or not name.startswith(self._prefixes[at]):
            return ()
        return self._by_prefix[self._prefixes[at]]
