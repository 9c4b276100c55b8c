"""Executions of Step Functions state machines: the name is the token.

https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_ml_provider.jobs.difference import differing
from airflow_ml_provider.jobs.errors import (
    JobNotFoundError,
    error_code,
    is_not_found,
    is_transient,
)
from airflow_ml_provider.jobs.pages import items, wanted
from airflow_ml_provider.jobs.result import picked
from airflow_ml_provider.jobs.state import JobState, LogStreams, Phase

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from airflow_ml_provider.jobs.state import Json

PHASES = {
    "SUCCEEDED": Phase.SUCCEEDED,
    "FAILED": Phase.FAILED,
    "TIMED_OUT": Phase.FAILED,
    "ABORTED": Phase.STOPPED,
}
_RESULT_FIELDS = ("executionArn", "stateMachineArn", "name")


class StateMachineExecutions:
    """Executions of standard state machines; a job id is the execution's ARN.

    An Express one can't be asked for its executions. ``input`` of a request may be JSON itself or
    its text.
    """

    name = "step_functions_execution"
    service = "stepfunctions"
    operation = "StartExecution"
    embedded: ClassVar[Mapping[str, str]] = {}
    actions = frozenset(
        f"states:{verb}"
        for verb in ("DescribeExecution", "ListExecutions", "StartExecution", "StopExecution")
    )

    def find(self, client: Any, request: Json, token: str) -> JobState | None:
        """Describe the execution that has the token as its name."""
        try:
            return self.state(client, _execution_arn(request["stateMachineArn"], token))
        except JobNotFoundError:
            return None

    def submit(self, client: Any, request: Json, token: str) -> str:
        """Start it; that the name is taken means that an earlier call was carried out."""
        try:
            client.start_execution(**_encoded({**request, "name": token}))
        except Exception as error:
            if error_code(error) != "ExecutionAlreadyExists":
                raise
        return _execution_arn(request["stateMachineArn"], token)

    def state(self, client: Any, job_id: str) -> JobState:
        """Describe one execution; its output is part of the result, as JSON."""
        answer = self._describe(client, job_id)
        status: str = answer["status"]
        phase = PHASES.get(status, Phase.RUNNING)
        result = picked(answer, _RESULT_FIELDS) if phase.final else {}
        if answer.get("output"):
            result["output"] = json.loads(answer["output"])
        told = [answer[key] for key in ("error", "cause") if answer.get(key)]
        return JobState(job_id, phase, status, reason=": ".join(told) or None, result=result)

    def states(
        self,
        client: Any,
        job_ids: Collection[str],
        since: float,  # noqa: ARG002
    ) -> dict[str, JobState]:
        """List the running executions of each machine of which several are wanted."""
        by_machine: dict[str, set[str]] = {}
        for job_id in job_ids:
            by_machine.setdefault(_machine_arn(job_id), set()).add(job_id)
        found: dict[str, JobState] = {}
        for machine, ids in by_machine.items():
            if len(ids) > 1:
                pages = items(
                    client,
                    "list_executions",
                    "executions",
                    stateMachineArn=machine,
                    statusFilter="RUNNING",
                    maxResults=1000,
                )
                found.update(wanted((map(_listed, page) for page in pages), ids))
        return found

    def stop(self, client: Any, job_id: str) -> None:
        """Stop it; Step Functions stops the jobs that it waits for."""
        try:
            client.stop_execution(executionArn=job_id)
        except Exception as error:
            if is_transient(error) or not self._ended(client, job_id):
                raise

    def differences(self, client: Any, request: Json, job_id: str) -> tuple[str, ...]:
        """Compare the input."""
        asked, found = (
            _decoded(one.get("input", "{}")) for one in (request, self._describe(client, job_id))
        )
        return differing({"input": asked}, {"input": found})

    def requests(self, request: Json) -> tuple[tuple[str, Json], ...]:
        """Give the one call, with a name that Step Functions would take."""
        return ((self.operation, _encoded({**request, "name": "airflow-ml-0"})),)

    def logs(self, job_id: str, request: Json) -> tuple[LogStreams, ...]:  # noqa: ARG002
        """Give none: where a machine logs is its own setting."""
        return ()

    def console_path(self, job_id: str) -> str:
        """Point at the execution's graph."""
        return f"states/home#/v2/executions/details/{job_id}"

    def _describe(self, client: Any, job_id: str) -> Mapping[str, Any]:
        try:
            answer: Mapping[str, Any] = client.describe_execution(executionArn=job_id)
        except Exception as error:
            if is_not_found(error):
                raise JobNotFoundError(self.name, job_id) from error
            raise
        return answer

    def _ended(self, client: Any, job_id: str) -> bool:
        try:
            return self.state(client, job_id).phase.final
        except JobNotFoundError:
            return True


def _execution_arn(machine_arn: str, name: str) -> str:
    # arn:aws:states:<region>:<account>:stateMachine:<name>, perhaps with a version or an alias.
    *place, _, machine = machine_arn.split(":")[:7]
    return ":".join((*place, "execution", machine, name))


def _machine_arn(execution_arn: str) -> str:
    *place, _, machine, _ = execution_arn.split(":")
    return ":".join((*place, "stateMachine", machine))


def _encoded(request: Json) -> dict[str, Any]:
    given = request.get("input", "{}")
    return {**request, "input": given if isinstance(given, str) else json.dumps(given)}


def _decoded(given: Any) -> Any:
    return json.loads(given) if isinstance(given, str) else given


def _listed(execution: Mapping[str, Any]) -> JobState:
    return JobState(execution["executionArn"], Phase.RUNNING, execution["status"])


STATE_MACHINE = StateMachineExecutions()
