"""The newest lines of a job's log, in order of time and never more than wanted."""

from __future__ import annotations

from heapq import heappush, heappushpop
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_ml_provider.jobs.state import LogStreams


class NewestLines:
    """Takes lines in any order and keeps the ``limit`` newest."""

    def __init__(self, streams: Sequence[LogStreams], limit: int) -> None:
        self._streams = streams
        self._limit = limit
        self._count = 0
        self._kept: list[tuple[int, int, str, str]] = []
        self._names: set[tuple[str, str]] = set()
        self._cut = False

    def add(self, streams: LogStreams, name: str, timestamp: int, text: str) -> None:
        """Take one line of the stream ``name``, which begins with the prefix of ``streams``."""
        self._names.add((streams.group, name))
        label = name.removeprefix(streams.prefix) or streams.group.rpartition("/")[2]
        self._count += 1
        # The count keeps lines of the same millisecond in their order.
        piece = (timestamp, self._count, label, text.rstrip("\n"))
        (heappush if len(self._kept) < self._limit else heappushpop)(self._kept, piece)

    def cut(self) -> None:
        """Note that there may be more lines, which nobody read."""
        self._cut = True

    def lines(self) -> list[str]:
        """Give the lines; a first one says how many were left out and where they are.

        With several streams each line begins with the part of its stream's name that tells them
        apart.
        """
        several = len(self._names) > 1
        lines = [
            f"[{label}] {text}" if several else text for _, _, label, text in sorted(self._kept)
        ]
        left_out = self._count - len(lines)
        if left_out or self._cut:
            where = ", ".join(f"{one.group} ({one.prefix}*)" for one in self._streams)
            number = (
                f"{left_out:,}{' or more' if self._cut else ''}" if left_out else "perhaps some"
            )
            lines.insert(0, f"... {number} lines left out; all are in {where}")
        return lines
