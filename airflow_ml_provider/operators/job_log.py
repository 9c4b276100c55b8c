"""The log of a remote job in the log of its task."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.jobs.errors import is_transient

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_ml_provider.jobs.state import LogStreams

TAIL_LINES = 20


class JobLog:
    """Prints what is new in a job's CloudWatch log since ``since`` (epoch seconds).

    At most ``limit`` lines at a time; ``tail`` holds the last ones for an error. A log that can't
    be read fails nothing, the job is what counts: a trouble that heals is tried again with the next
    call, any other one is said once.
    """

    def __init__(
        self, client: Any, streams: Sequence[LogStreams], log: Any, limit: int, since: float = 0.0
    ) -> None:
        from airflow_ml_provider.aws.logs import LogReader  # noqa: PLC0415 - imports botocore

        self._reader = LogReader(client, streams, since) if streams and limit > 0 else None
        self._log = log
        self._limit = limit
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)

    def print_new(self) -> None:
        """Print the lines since the last call."""
        lines = self.new_lines(self._limit)
        for line in lines:
            self._log.info("%s", line)
        self.tail.extend(lines)

    def new_lines(self, limit: int = TAIL_LINES) -> list[str]:
        """Give the lines since the last call without printing them."""
        if self._reader is None:
            return []
        try:
            return self._reader.new_lines(limit)
        except Exception as error:  # noqa: BLE001 - see above
            self._log.warning("The job's log can't be read: %s", error)
            if not is_transient(error):
                self._reader = None
            return []
