"""Waiting for many jobs at the cost of one: a thread and a client per service and connection."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.jobs.errors import WatcherDiedError
from airflow_ml_provider.jobs.pace import POLL_SECONDS, interval_seconds
from airflow_ml_provider.jobs.registry import watchable
from airflow_ml_provider.jobs.rounds import Rounds, Waiter

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from airflow_ml_provider.jobs.kind import Watchable
    from airflow_ml_provider.jobs.state import JobState

log = logging.getLogger(__name__)

_LOCK = threading.Lock()
_WATCHERS: dict[Hashable, _Watcher] = {}


async def wait(
    kind_name: str,
    job_id: str,
    key: Hashable,
    client_factory: Callable[[], Any],
    *,
    deadline: float,
    poll_seconds: float = POLL_SECONDS,
) -> JobState:
    """Wait for a job from an event loop; answers its final state, success or not.

    Waits with the same ``key`` (region and connection) and service share one thread, one client,
    which the first one's ``client_factory`` makes in that thread, and one list call per kind and
    poll. ``deadline`` is in epoch seconds. Polls come every 5 s at first, then ever more rarely, at
    least every ``poll_seconds``. Cancelling the wait ends it; the job runs on.

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
            log.debug("Nobody waits for %s any more.", job_id)

    now = time.time()
    due = min(now + interval_seconds(0, poll_seconds), max(deadline, now))
    waiter = Waiter(kind, job_id, deadline, deliver, now, due, poll_seconds)
    watcher = _join((kind.service, key), client_factory, waiter)
    try:
        return await future
    finally:
        watcher.leave(waiter)


def wait_for(
    kind: Watchable,
    client: Any,
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
    rounds = Rounds(lambda: client, clock)
    while not outcomes:
        sleep(max(0.0, rounds.next_time([waiter]) - clock()))
        rounds.run([waiter])
        if on_poll and waiter.state:
            on_poll(waiter.state)
    if isinstance(outcomes[0], Exception):
        raise outcomes[0]
    return outcomes[0]


class _Watcher:
    """A thread that asks for its waiters until there are none. ``_LOCK`` guards the set."""

    def __init__(self, key: Hashable, client_factory: Callable[[], Any]) -> None:
        self._key = key
        self._rounds = Rounds(client_factory)
        self._changed = threading.Condition(_LOCK)
        self._waiters: set[Waiter] = set()
        self._thread = threading.Thread(target=self._run, name=f"aws-watcher-{key}", daemon=True)

    def start(self, waiter: Waiter) -> None:
        """Begin with the first waiter; the caller holds the lock."""
        self._waiters.add(waiter)
        self._thread.start()

    def add(self, waiter: Waiter) -> None:
        """Take one more; the caller holds the lock."""
        self._waiters.add(waiter)
        self._changed.notify()

    def leave(self, waiter: Waiter) -> None:
        """Forget one."""
        with _LOCK:
            self._waiters.discard(waiter)
            if not self._waiters:
                self._changed.notify()

    def _run(self) -> None:
        try:
            while waiters := self._next():
                self._rounds.run(waiters)
        except BaseException as error:  # whatever ended the thread, nobody is left hanging
            log.exception("The watcher of %s died.", self._key)
            with _LOCK:
                waiters = self._close()
            for waiter in waiters:
                died = WatcherDiedError(f"The watcher of {self._key} died: {error!r}")
                died.__cause__ = error
                waiter.end(died)

    def _next(self) -> list[Waiter]:
        """Sleep until something is due; no waiters means that the thread is no longer known."""
        with _LOCK:
            self._waiters = {waiter for waiter in self._waiters if not waiter.ended}
            while self._waiters:
                pause_seconds = self._rounds.next_time(self._waiters) - time.time()
                if pause_seconds <= 0:
                    return list(self._waiters)
                self._changed.wait(pause_seconds)
            return self._close()

    def _close(self) -> list[Waiter]:
        """Leave the registry, so that the next wait starts a new thread; the lock is held."""
        _WATCHERS.pop(self._key, None)
        waiters = [waiter for waiter in self._waiters if not waiter.ended]
        self._waiters = set()
        return waiters


def _join(key: Hashable, client_factory: Callable[[], Any], waiter: Waiter) -> _Watcher:
    with _LOCK:
        watcher = _WATCHERS.get(key)
        if watcher is None:
            watcher = _Watcher(key, client_factory)
            watcher.start(waiter)
            _WATCHERS[key] = watcher
        else:
            watcher.add(waiter)
    return watcher


def _settle(future: asyncio.Future[JobState], outcome: JobState | Exception) -> None:
    if future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
