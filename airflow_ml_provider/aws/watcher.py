"""Waiting for many jobs at the cost of one: a thread and a client per service and connection."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.aws.log_follower import LogFollower
from airflow_ml_provider.jobs.errors import WatcherDiedError
from airflow_ml_provider.jobs.pace import POLL_SECONDS, interval_seconds
from airflow_ml_provider.jobs.registry import watchable
from airflow_ml_provider.jobs.rounds import Rounds, Waiter

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from airflow_ml_provider.aws.log_follower import FollowedLog
    from airflow_ml_provider.jobs.kind import Watchable
    from airflow_ml_provider.jobs.state import JobState

logger = logging.getLogger(__name__)

_BETWEEN_OUTCOMES_SECONDS = 0.001
_LOCK = threading.Lock()
_WATCHERS: dict[Hashable, _Watcher] = {}


async def wait(
    kind_name: str,
    job_id: str,
    key: Hashable,
    connect: Callable[[str], Any],
    *,
    deadline: float,
    began: float | None = None,
    poll_seconds: float = POLL_SECONDS,
    log: FollowedLog | None = None,
) -> JobState:
    """Wait for a job from an event loop; answers its final state, success or not.

    The state may be what a list call says of it, without a reason and a result. Waits with the same
    ``key`` (region and connection) and service share one thread, its clients, which ``connect``
    makes in that thread from the name of a service, one list call per kind and poll, and one call
    per log group. Times are in epoch seconds. The job ran when the wait ``began``, by default now;
    from then on polls come every 5 s at first, then ever more rarely, at least every
    ``poll_seconds``. Cancelling the wait ends it; the job runs on.

    :raises JobTimeoutError: the job still ran at the deadline.
    :raises WatcherDiedError: the thread died; waiting again starts a new one.
    :raises botocore.exceptions.ClientError: AWS refused to say anything about the job.
    """
    kind = watchable(kind_name)
    loop = asyncio.get_running_loop()
    future: asyncio.Future[JobState] = loop.create_future()

    def deliver(outcome: JobState | Exception) -> None:
        try:
            loop.call_soon_threadsafe(_settle, future, outcome)
        except RuntimeError:  # the loop was closed: nobody waits any more
            logger.debug("Nobody waits for %s any more.", job_id)
        # A thousand outcomes at once would be one long turn of the event loop.
        time.sleep(_BETWEEN_OUTCOMES_SECONDS)

    now = time.time()
    began = now if began is None else began
    due = min(now + interval_seconds(now - began, poll_seconds), max(deadline, now))
    waiter = Waiter(kind, job_id, deadline, deliver, began, due, poll_seconds)
    watcher = _join((kind.service, key), connect, waiter, log)
    try:
        return await future
    finally:
        watcher.leave(waiter)


def wait_for(
    kind: Watchable,
    connect: Callable[[], Any],
    job_id: str,
    deadline: float,
    on_poll: Callable[[JobState], None] | None = None,
    *,
    poll_seconds: float = POLL_SECONDS,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> JobState:
    """Wait for a job in this thread, at the same pace and with the same errors as :func:`wait`.

    ``on_poll`` gets every state that was seen, the final one too; read the job's log there.
    """
    outcomes: list[JobState | Exception] = []
    now = clock()
    waiter = Waiter(kind, job_id, deadline, outcomes.append, now, now, poll_seconds)
    rounds = Rounds(connect, clock)
    while not outcomes:
        sleep(max(0.0, rounds.next_time([waiter]) - clock()))
        rounds.run([waiter])
        if on_poll and waiter.state:
            on_poll(waiter.state)
    if isinstance(outcomes[0], Exception):
        raise outcomes[0]
    return outcomes[0]


class _Watcher:
    """A thread that asks for its waiters until there are none. ``_LOCK`` guards their dict."""

    _connect: Callable[[str], Any]

    def __init__(self, key: tuple[str, Hashable]) -> None:
        self._key = key
        self._rounds = Rounds(lambda: self._connect(key[0]))
        self._follower = LogFollower(lambda: self._connect("logs"))
        self._changed = threading.Condition(_LOCK)
        self._waiters: dict[Waiter, FollowedLog | None] = {}
        self._asleep_until = 0.0
        self._thread = threading.Thread(target=self._run, name=f"aws-watcher-{key}", daemon=True)

    def start(self) -> None:
        """Begin with the first waiter; the caller holds the lock."""
        self._thread.start()

    def add(self, waiter: Waiter, log: FollowedLog | None, connect: Callable[[str], Any]) -> None:
        """Take one more; the caller holds the lock."""
        # The newest: an event loop that the oldest one needs may be closed.
        self._connect = connect
        self._waiters[waiter] = log
        if waiter.due < self._asleep_until:
            self._changed.notify()

    def leave(self, waiter: Waiter) -> None:
        """Forget one."""
        with _LOCK:
            self._waiters.pop(waiter, None)
            if not self._waiters:
                self._changed.notify()

    def _run(self) -> None:
        try:
            while waiters := self._next():
                self._rounds.run(waiters)
                self._follower.follow(
                    [log for waiter, log in waiters.items() if log and not waiter.ended]
                )
        except BaseException as error:  # whatever ended the thread, nobody is left hanging
            logger.exception("The watcher of %s died.", self._key)
            with _LOCK:
                waiters = self._close()
            for waiter in waiters:
                died = WatcherDiedError(f"The watcher of {self._key} died: {error!r}")
                died.__cause__ = error
                waiter.end(died)

    def _next(self) -> dict[Waiter, FollowedLog | None]:
        """Sleep until something is due; no waiters means that the thread is no longer known."""
        with _LOCK:
            self._waiters = {one: log for one, log in self._waiters.items() if not one.ended}
            while self._waiters:
                pause_seconds = self._rounds.next_time(self._waiters) - time.time()
                if pause_seconds <= 0:
                    return dict(self._waiters)
                self._asleep_until = time.time() + pause_seconds
                self._changed.wait(pause_seconds)
            return self._close()

    def _close(self) -> dict[Waiter, FollowedLog | None]:
        """Leave the registry, so that the next wait starts a new thread; the lock is held."""
        _WATCHERS.pop(self._key, None)
        waiters = {one: log for one, log in self._waiters.items() if not one.ended}
        self._waiters = {}
        return waiters


def _join(
    key: tuple[str, Hashable],
    connect: Callable[[str], Any],
    waiter: Waiter,
    log: FollowedLog | None,
) -> _Watcher:
    with _LOCK:
        watcher = _WATCHERS.get(key) or _Watcher(key)
        watcher.add(waiter, log, connect)
        if key not in _WATCHERS:
            _WATCHERS[key] = watcher
            watcher.start()
    return watcher


def _settle(future: asyncio.Future[JobState], outcome: JobState | Exception) -> None:
    if future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
