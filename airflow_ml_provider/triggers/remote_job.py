"""Waiting in the triggerer for anything that AWS is asked about: jobs, datasets, approvals."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_ml_provider._compat import task_left_trigger
from airflow_ml_provider.jobs.registry import KINDS, watchable
from airflow_ml_provider.triggers.connection import AwsConnection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_CONNECTING_SECONDS = 120.0


class RemoteJobTrigger(BaseTrigger):
    """Fires once: when what it waits for is final, or its ``deadline`` (epoch seconds) has passed.

    ``kind`` is a name of the registry of watchables. All triggers of one process that ask the same
    service by the same connection and region share one thread and one client. The event holds
    ``job_id``, ``deadline`` and ``phase``; the last is a hint only, the task asks AWS itself.

    A person who kills, clears or marks the waiting task stops its job if ``stop_on_kill``; a
    triggerer that stops or hands the trigger on stops nothing.
    """

    def __init__(
        self,
        *,
        kind: str,
        job_id: str,
        deadline: float,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        poll_seconds: float = 60.0,
        stop_on_kill: bool = True,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kind = kind
        self.job_id = job_id
        self.deadline = deadline
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
                "aws_conn_id": self.aws_conn_id,
                "region_name": self.region_name,
                "poll_seconds": self.poll_seconds,
                "stop_on_kill": self.stop_on_kill,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, then yield one event."""
        from airflow_ml_provider.aws.watcher import wait  # noqa: PLC0415 - for the triggerer only

        loop = asyncio.get_running_loop()

        def client() -> Any:
            # Called in the watcher's thread, from where Airflow 3 can't be asked for a connection.
            made = asyncio.run_coroutine_threadsafe(self._client(), loop)
            return made.result(_CONNECTING_SECONDS)

        try:
            state = await wait(
                self.kind,
                self.job_id,
                (self.aws_conn_id, self.region_name),
                client,
                deadline=self.deadline,
                poll_seconds=self.poll_seconds,
            )
            phase = state.phase.value
        except asyncio.CancelledError:
            if await task_left_trigger(self):
                await self.on_kill()
            raise
        except Exception as error:  # noqa: BLE001 - the task asks AWS again and fails with reason
            self.log.warning("Waiting for %s %s ended: %s", self.kind, self.job_id, error)
            phase = "unknown"
        event = {"job_id": self.job_id, "deadline": self.deadline, "phase": phase}
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    async def on_kill(self) -> None:
        """Stop the job, if it is one."""
        if self.stop_on_kill and self.kind in KINDS:
            client = await self._client()
            await asyncio.to_thread(KINDS[self.kind].stop, client, self.job_id)
            self.log.info("Stopped %s job %s: its task was killed.", self.kind, self.job_id)

    async def _client(self) -> Any:
        from asgiref.sync import sync_to_async  # noqa: PLC0415

        aws = AwsConnection(self.aws_conn_id, self.region_name)
        return await sync_to_async(aws.client)(watchable(self.kind).service)
