"""Repeating a call until AWS can answer it."""

from __future__ import annotations

import logging
import random
import time
from itertools import count
from typing import TYPE_CHECKING, TypeVar

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
    is. It stands on the standard library, for containers that have nothing more.
    """
    for failures in count(1):
        try:
            return call()
        except Exception as error:  # noqa: PERF203 - a call that takes a second
            if not is_transient(error) or clock() >= deadline:
                raise
            backoff = backoff_seconds(failures, random.random())  # noqa: S311 - no secret
            pause_seconds = min(backoff, max(0.0, deadline - clock()))
            log.warning("%s waits %.1f s for AWS: %s", what, pause_seconds, error)
            sleep(pause_seconds)
    raise AssertionError  # pragma: no cover - the count has no end
