"""The log of a remote job in the log of its task."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_ml_provider.jobs.state import LogStreams

_TAIL_LINES = 20


class JobLog:
    """Prints what is new in a job's CloudWatch log, at most ``limit`` lines at a time.

    ``tail`` holds the last lines for an error. A log that can't be read is said once and fails
    nothing: the job is what counts.
    """

    def __init__(self, client: Any, streams: Sequence[LogStreams], log: Any, limit: int) -> None:
        from airflow_ml_provider.aws.logs import LogReader  # noqa: PLC0415 - imports botocore

        self._reader = LogReader(client, streams) if streams and limit > 0 else None
        self._log = log
        self._limit = limit
        self.tail: deque[str] = deque(maxlen=_TAIL_LINES)

    def print_new(self) -> None:
        """Print the lines since the last call."""
        if self._reader is None:
            return
        try:
            lines = self._reader.new_lines(self._limit)
        except Exception as error:  # noqa: BLE001 - see above
            self._log.warning("The job's log can't be read: %s", error)
            self._reader = None
            return
        for line in lines:
            self._log.info("%s", line)
        self.tail.extend(lines)
