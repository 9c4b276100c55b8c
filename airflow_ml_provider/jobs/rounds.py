"""Asking AWS about everything that is due, in rounds; threads and event loops lie above."""

from __future__ import annotations

import logging
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.jobs.errors import JobTimeoutError, is_expired, is_transient
from airflow_ml_provider.jobs.pace import POLL_SECONDS, backoff_seconds, interval_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from airflow_ml_provider.jobs.kind import Watchable
    from airflow_ml_provider.jobs.state import JobState

log = logging.getLogger(__name__)

# Clocks differ, and a list may lag: what changed so shortly before the last look is seen again.
_OVERLAP_SECONDS = 120.0
# So often everything since the beginning is listed again, should a list have left something out.
_SWEEP_SECONDS = 3600.0


@dataclass(eq=False)
class Waiter:
    """Somebody who waits for a job until ``deadline``. Times are epoch seconds.

    ``deliver`` is called once, with the final state or with the error that ends the wait. The job
    ran when the wait ``began``.
    """

    kind: Watchable
    job_id: str
    deadline: float
    deliver: Callable[[JobState | Exception], None]
    began: float
    due: float
    poll_seconds: float = POLL_SECONDS
    state: JobState | None = None
    ended: bool = False
    seen: float = field(init=False)

    def __post_init__(self) -> None:
        self.seen = self.began

    def interval_seconds(self, now: float) -> float:
        """How long this one may go unasked."""
        return interval_seconds(now - self.began, self.poll_seconds)

    def end(self, outcome: JobState | Exception) -> None:
        """Deliver the outcome."""
        self.ended = True
        self.deliver(outcome)


class Rounds:
    """One round after the other with one client, which ``connect`` makes when first needed.

    A throttle or a lost connection holds everything back for a while and ends no wait before its
    deadline. Expired credentials make a new client.
    """

    def __init__(self, connect: Callable[[], Any], clock: Callable[[], float] = time.time) -> None:
        self._connect = connect
        self._clock = clock
        self._client: Any = None
        self._failures = 0
        self._hold_until = 0.0
        self._swept = clock()
        self._trouble: Exception | None = None

    def next_time(self, waiters: Collection[Waiter]) -> float:
        """When :meth:`run` has something to do again."""
        due = min((waiter.due for waiter in waiters), default=0.0)
        deadline = min((waiter.deadline for waiter in waiters), default=0.0)
        return min(max(due, self._hold_until), deadline)

    def run(self, waiters: Collection[Waiter]) -> None:
        """Ask about the jobs that are due, deliver what is final, end what is past its deadline."""
        now = self._clock()
        if now >= self._hold_until and any(waiter.due <= now for waiter in waiters):
            # Who is past half of the interval rides along, so that the waiters fall into step.
            due = [one for one in waiters if one.due - one.interval_seconds(now) / 2 <= now]
            try:
                self._ask(due, now)
            except Exception as error:  # noqa: BLE001 - the type of the error decides
                if is_transient(error):
                    self._hold(error, len(waiters))
                else:
                    for waiter in due:
                        waiter.end(error)
            else:
                self._failures, self._trouble = 0, None
        self._end_late(waiters)

    def _ask(self, due: Collection[Waiter], now: float) -> None:
        if self._client is None:
            self._client = self._connect()
        sweeps = now - self._swept >= _SWEEP_SECONDS
        since = min(one.began if sweeps else one.seen for one in due) - _OVERLAP_SECONDS
        by_kind: dict[str, dict[str, list[Waiter]]] = {}
        for waiter in due:
            by_kind.setdefault(waiter.kind.name, {}).setdefault(waiter.job_id, []).append(waiter)
        for jobs in by_kind.values():
            kind = next(iter(jobs.values()))[0].kind
            for job_id, answer in ask(kind, self._client, jobs, since):
                for waiter in jobs[job_id]:
                    self._note(waiter, answer, now)
        if sweeps:
            self._swept = now

    def _note(self, waiter: Waiter, answer: JobState | Exception, asked: float) -> None:
        if isinstance(answer, Exception):
            waiter.end(answer)
            return
        waiter.state, waiter.seen = answer, asked
        if answer.phase.final:
            waiter.end(answer)
        # A last look at the deadline: a job's own limit may be the deadline.
        waiter.due = min(asked + waiter.interval_seconds(asked), max(waiter.deadline, asked))

    def _hold(self, error: Exception, waiting: int) -> None:
        self._failures += 1
        self._trouble = error
        pause_seconds = backoff_seconds(self._failures, random.random())  # noqa: S311 - no secret
        self._hold_until = self._clock() + pause_seconds
        if is_expired(error):
            self._client = None
        log.warning("%d jobs wait %.1f s longer for AWS: %s", waiting, pause_seconds, error)

    def _end_late(self, waiters: Collection[Waiter]) -> None:
        now = self._clock()
        for waiter in waiters:
            if not waiter.ended and now >= waiter.deadline:
                status = waiter.state.status if waiter.state else "not seen yet"
                waiter.end(JobTimeoutError(waiter.kind.name, waiter.job_id, status, self._trouble))


def ask(
    kind: Watchable, client: Any, job_ids: Collection[str], since: float
) -> Iterator[tuple[str, JobState | Exception]]:
    """Give the state of each job that ran at ``since``, or the error that is about it alone.

    Many jobs are listed first; those that the list lacks, and a single one, are asked for by
    themselves, so no job costs more than one call of its own. A transient error is raised.
    """
    listed = _list(kind, client, job_ids, since) if len(job_ids) > 1 else {}
    for job_id in job_ids:
        answer: JobState | Exception
        if job_id in listed:
            answer = listed[job_id]
        else:
            try:
                answer = kind.state(client, job_id)
            except Exception as error:
                if is_transient(error):
                    raise
                answer = error
        yield job_id, answer


def _list(
    kind: Watchable, client: Any, job_ids: Collection[str], since: float
) -> dict[str, JobState]:
    try:
        return dict(kind.states(client, job_ids, since))
    except Exception as error:
        if is_transient(error):
            raise
        # A role that may describe but not list still gets its answers.
        log.warning("%s jobs can't be listed and are asked for one by one: %s", kind.name, error)
        return {}
