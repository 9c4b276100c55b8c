"""What the sensors share: one look, or a wait in the triggerer."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_ml_provider._compat import (
    AirflowException,
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
    deferrable_by_default,
)
from airflow_ml_provider.jobs.errors import is_transient
from airflow_ml_provider.jobs.state import Phase
from airflow_ml_provider.triggers.connection import AwsConnection

if TYPE_CHECKING:
    from collections.abc import Mapping

_TRIGGER_LATE_SECONDS = 900.0


class WatchSensor(BaseSensorOperator):
    """Wait for a watchable of the registry; the XCom is its result.

    :param deferrable: wait in the triggerer; by default if there is one alive. Else by ``mode``.
    :param poll_seconds: the longest time between two looks in the triggerer.
    """

    watchable_name: ClassVar[str]
    ui_color = "#b7d3f2"

    def __init__(
        self,
        *,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        deferrable: bool | None = None,
        poll_seconds: float = 60,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.deferrable = deferrable
        self.poll_seconds = poll_seconds

    def watched_id(self) -> str:
        """Give the id under which the watchable knows what is waited for."""
        raise NotImplementedError

    def poke(self, context: Any) -> PokeReturnValue:  # noqa: ARG002 - Airflow's signature
        """Look once.

        :raises AirflowException: what is waited for can't come any more.
        """
        from airflow_ml_provider.jobs.registry import watchable  # noqa: PLC0415 - a worker's

        watched = watchable(self.watchable_name)
        client = AwsConnection(self.aws_conn_id, self.region_name).client(watched.service)
        try:
            state = watched.state(client, self.watched_id())
        except Exception as error:
            if not is_transient(error):
                raise
            self.log.warning("AWS could not be asked, the wait goes on: %s", error)
            return PokeReturnValue(is_done=False)
        self.log.info("%s: %s %s", self.watchable_name, state.status, state.reason or "")
        if state.phase in {Phase.FAILED, Phase.STOPPED}:
            raise AirflowException(f"{self.watchable_name} {state.status}: {state.reason}")
        done = state.phase is Phase.SUCCEEDED
        return PokeReturnValue(is_done=done, xcom_value=dict(state.result) if done else None)

    def execute(self, context: Any) -> Any:
        """Look once, then wait in the triggerer, or as Airflow's own sensors do."""
        if not (deferrable_by_default() if self.deferrable is None else self.deferrable):
            return super().execute(context)
        try:
            return self._look(context, time.time() + self.timeout)
        except AirflowException as error:
            if self.soft_fail:
                raise AirflowSkipException(str(error)) from error
            raise

    def resume(self, context: Any, event: Mapping[str, Any]) -> Any:
        """Go on after the trigger: look again."""
        self.log.info("Resumed by %s.", event)
        return self._look(context, event["deadline"])

    def _look(self, context: Any, deadline: float) -> Any:
        from airflow_ml_provider.triggers.remote_job import (  # noqa: PLC0415 - needs no parse
            RemoteJobTrigger,
        )

        if seen := self.poke(context):
            return seen.xcom_value
        remaining_seconds = deadline - time.time()
        if remaining_seconds <= 0:
            raise AirflowSensorTimeout(f"{self.task_id} waited {self.timeout:g} s in vain.")
        return self.defer(
            trigger=RemoteJobTrigger(
                kind=self.watchable_name,
                job_id=self.watched_id(),
                deadline=deadline,
                aws_conn_id=self.aws_conn_id,
                region_name=self.region_name,
                poll_seconds=self.poll_seconds,
                stop_on_kill=False,
            ),
            method_name="resume",
            timeout=timedelta(seconds=remaining_seconds + _TRIGGER_LATE_SECONDS),
        )
