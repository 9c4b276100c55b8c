"""How a worker job ends where AWS and the database did nothing wrong."""

from __future__ import annotations


class StepError(Exception):
    """The step can't be done; the message is what the orchestrator shows."""


class StoppedError(BaseException):
    """SageMaker stops the job. No `Exception`: nothing may take it for a failed call."""
