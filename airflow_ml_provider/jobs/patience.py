"""Repeating a call until AWS can answer it."""

from __future__ import annotations

import logging
import random
import time
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_ml_provider.jobs.errors import is_transient
from airflow_ml_provider.jobs.pace import backoff_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

T = TypeVar("T")


def insist(
    call: Callable[[], T],
    what: str,
    deadline: float,
    *,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Repeat ``call`` while its error is one that heals, until ``deadline`` (epoch seconds).

    Make the client inside ``call``: a new one has new connections and new credentials. ``what``
    says in the log what waits. Any other error, and the last one at the deadline, is raised as it
    is.
    """
    from tenacity import RetryCallState, Retrying, retry_if_exception  # noqa: PLC0415 - costs 20 ms

    def pause_seconds(state: RetryCallState) -> float:
        backoff = backoff_seconds(state.attempt_number, random.random())  # noqa: S311 - no secret
        return min(backoff, max(0.0, deadline - clock()))

    def say(state: RetryCallState) -> None:
        error: Any = state.outcome and state.outcome.exception()
        log.warning("%s waits %.1f s for AWS: %s", what, state.upcoming_sleep, error)

    return Retrying(
        retry=retry_if_exception(is_transient),
        stop=lambda _: clock() >= deadline,
        wait=pause_seconds,
        before_sleep=say,
        sleep=sleep,
        reraise=True,
    )(call)
