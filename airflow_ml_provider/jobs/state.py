"""What AWS says about a job, in the words that every service shares."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import TypeAlias

Json: TypeAlias = "Mapping[str, Any]"


class Phase(str, Enum):
    """Where a job is in its life; the last three are final."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def final(self) -> bool:
        """Whether AWS will never change it again."""
        return self is not Phase.RUNNING


@dataclass(frozen=True)
class JobState:
    """One answer of AWS about one job.

    ``status`` is AWS's own word (``InProgress``, ``SUBMITTED``), ``reason`` why the job failed or
    stopped, ``result`` the small JSON that later steps refer to: names, ARNs, URIs, metrics,
    billable seconds, in the words of AWS's own answer. ``stopping``: it still runs, but was asked
    to stop.
    """

    job_id: str
    phase: Phase
    status: str
    reason: str | None = None
    result: Json = field(default_factory=dict)
    stopping: bool = False


@dataclass(frozen=True)
class LogStreams:
    """Where a job's log lies in CloudWatch: streams of ``group`` that start with ``prefix``."""

    group: str
    prefix: str
