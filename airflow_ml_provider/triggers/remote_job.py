"""Waiting in the triggerer for anything that AWS is asked about: jobs, datasets, approvals."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from airflow_ml_provider._compat import kills_triggers, task_left_trigger
from airflow_ml_provider.jobs.patience import insist
from airflow_ml_provider.jobs.registry import KINDS
from airflow_ml_provider.jobs.state import LogStreams
from airflow_ml_provider.triggers.connection import AwsConnection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from airflow_ml_provider.aws.log_follower import FollowedLog

_CONNECTING_SECONDS = 120.0
_STOPPING_SECONDS = 60.0
_QUIET_SECONDS = 5.0


class RemoteJobTrigger(BaseTrigger):
    """Fires once: when what it waits for is final, or its ``deadline`` (epoch seconds) has passed.

    ``kind`` is a name of the registry of watchables. All triggers of one process that ask the same
    service by the same connection and region share one thread and one client. The event holds
    ``job_id``, ``deadline`` and ``phase``; the last is a hint only, the task asks AWS itself.

    The job ran at ``began`` (epoch seconds, by default when the trigger is made); how often it is
    asked for depends on how long ago that was. Its log, at most ``log_lines`` lines at a time from
    the ``logs`` (pairs of group and stream prefix), is followed into the task's log; the event's
    ``log_read_until`` says how far.

    A person who clears or marks the waiting task or deletes its run stops its job if
    ``stop_on_kill``; a triggerer that stops or hands the trigger on stops nothing.
    """

    def __init__(
        self,
        *,
        kind: str,
        job_id: str,
        deadline: float,
        began: float | None = None,
        logs: Sequence[Sequence[str]] = (),
        log_lines: int = 0,
        log_read_until: float | None = None,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        poll_seconds: float = 60.0,
        stop_on_kill: bool = True,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kind = kind
        self.job_id = job_id
        self.deadline = deadline
        self.began = time.time() if began is None else began
        self.logs = [list(streams) for streams in logs]
        self.log_lines = log_lines
        self.log_read_until = self.began if log_read_until is None else log_read_until
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.poll_seconds = poll_seconds
        self.stop_on_kill = stop_on_kill

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give the class path and the arguments that make this trigger again."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "kind": self.kind,
                "job_id": self.job_id,
                "deadline": self.deadline,
                "began": self.began,
                "logs": self.logs,
                "log_lines": self.log_lines,
                "log_read_until": self.log_read_until,
                "aws_conn_id": self.aws_conn_id,
                "region_name": self.region_name,
                "poll_seconds": self.poll_seconds,
                "stop_on_kill": self.stop_on_kill,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, then yield one event."""
        loop = asyncio.get_running_loop()
        quiet_until = loop.time() + _QUIET_SECONDS
        log = self._followed() if self.logs and self.log_lines else None
        try:
            phase = await self._final_phase(loop, log)
            # A scheduler late to see that the task has deferred takes a resumed one for failed.
            await asyncio.sleep(max(0.0, quiet_until - loop.time()))
        except asyncio.CancelledError:
            if not kills_triggers():
                await self.on_kill()
            raise
        event = {
            "job_id": self.job_id,
            "began": self.began,
            "deadline": self.deadline,
            "phase": phase,
            "log_read_until": log.read_until if log else self.log_read_until,
        }
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    async def _final_phase(self, loop: asyncio.AbstractEventLoop, log: FollowedLog | None) -> str:
        from airflow_ml_provider.aws.watcher import wait  # noqa: PLC0415 - for the triggerer only

        def connect(service: str) -> Any:
            # Called in the watcher's thread, from where Airflow 3 can't be asked for a connection.
            made = asyncio.run_coroutine_threadsafe(self._client(service), loop)
            return made.result(_CONNECTING_SECONDS)

        try:
            state = await wait(
                self.kind,
                self.job_id,
                (self.aws_conn_id, self.region_name),
                connect,
                deadline=self.deadline,
                began=self.began,
                poll_seconds=self.poll_seconds,
                log=log,
            )
        except Exception as error:  # noqa: BLE001 - the task asks AWS again and fails with reason
            self.log.warning("Waiting for %s %s ended: %s", self.kind, self.job_id, error)
            return "unknown"
        return state.phase.value

    async def on_kill(self) -> None:
        """Stop the job, if it is one and its task waits for it no more."""
        if not self.stop_on_kill or self.kind not in KINDS:
            return
        stopping = asyncio.create_task(self._stop())
        while not stopping.done():
            # Airflow cancels a trigger anew every second until it has ended.
            with suppress(asyncio.CancelledError):
                await asyncio.shield(stopping)

    async def _stop(self) -> None:
        if not await task_left_trigger(self):
            return
        kind = KINDS[self.kind]
        aws = AwsConnection(self.aws_conn_id, self.region_name)

        def stop() -> None:
            kind.stop(aws.client(kind.service, repeats=False), self.job_id)

        deadline = time.time() + _STOPPING_SECONDS
        # Many may be killed at once: each has a thread of its own.
        patiently = sync_to_async(insist, thread_sensitive=False)
        await patiently(stop, f"Stopping {self.job_id}", deadline)
        self.log.info("Stopped %s job %s: its task waits no more.", self.kind, self.job_id)

    def _followed(self) -> FollowedLog:
        from airflow_ml_provider.aws.log_follower import FollowedLog  # noqa: PLC0415

        # Airflow finds the task's log by the context of this coroutine.
        context = copy_context()

        def tell(lines: Sequence[str]) -> None:
            # In the watcher's thread: the lines of 1,000 jobs would hold up the event loop.
            context.run(self._print, lines)

        streams = [LogStreams(group, prefix) for group, prefix in self.logs]
        return FollowedLog(streams, self.log_lines, tell, self.began, self.log_read_until)

    def _print(self, lines: Sequence[str]) -> None:
        for line in lines:
            self.log.info("%s", line)

    async def _client(self, service: str) -> Any:
        aws = AwsConnection(self.aws_conn_id, self.region_name)
        return await sync_to_async(aws.client)(service, repeats=False)
