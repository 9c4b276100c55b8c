"""Executions of SageMaker pipelines: the client token starts one, its display name finds it.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_StartPipelineExecution.html
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_ml_provider.jobs.errors import JobNotFoundError, is_not_found, is_transient
from airflow_ml_provider.jobs.pages import items, wanted
from airflow_ml_provider.jobs.result import picked
from airflow_ml_provider.jobs.state import JobState, LogStreams, Phase

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from airflow_ml_provider.jobs.state import Json

_LOOK_BACK = timedelta(days=30)
PHASES = {
    "Succeeded": Phase.SUCCEEDED,
    # A step failed, and the one that catches it ended well.
    "CompletedWithFailures": Phase.SUCCEEDED,
    "Failed": Phase.FAILED,
    "Stopped": Phase.STOPPED,
}
_RESULT_FIELDS = ("PipelineArn", "PipelineExecutionArn", "PipelineExecutionDisplayName")
_NEWEST_FIRST = {"SortBy": "CreationTime", "SortOrder": "Descending"}


class PipelineExecutions:
    """Executions of SageMaker pipelines; a job id is the execution's ARN."""

    name = "sagemaker_pipeline_execution"
    service = "sagemaker"
    operation = "StartPipelineExecution"
    embedded: ClassVar[Mapping[str, str]] = {}
    actions = frozenset(
        f"sagemaker:{verb}"
        for verb in (
            "DescribePipelineExecution",
            "ListPipelineExecutions",
            "ListPipelineExecutionSteps",
            "StartPipelineExecution",
            "StopPipelineExecution",
        )
    )

    def find(self, client: Any, request: Json, token: str) -> JobState | None:
        """Look for an execution with that display name among those of the last 30 days."""
        pages = items(
            client,
            "list_pipeline_executions",
            "PipelineExecutionSummaries",
            PipelineName=request["PipelineName"],
            CreatedAfter=datetime.now(timezone.utc) - _LOOK_BACK,
            **_NEWEST_FIRST,
        )
        for page in pages:
            for one in page:
                if one.get("PipelineExecutionDisplayName") == token:
                    return self.state(client, one["PipelineExecutionArn"])
        return None

    def submit(self, client: Any, request: Json, token: str) -> str:
        """Start it; a client token that was used names the execution there is."""
        answer = client.start_pipeline_execution(**_named(request, token))
        job_id: str = answer["PipelineExecutionArn"]
        return job_id

    def state(self, client: Any, job_id: str) -> JobState:
        """Describe one execution; the reason of a failure names the steps that failed."""
        try:
            answer = client.describe_pipeline_execution(PipelineExecutionArn=job_id)
        except Exception as error:
            if is_not_found(error):
                raise JobNotFoundError(self.name, job_id) from error
            raise
        status: str = answer["PipelineExecutionStatus"]
        phase = PHASES.get(status, Phase.RUNNING)
        reason = answer.get("FailureReason")
        if phase is Phase.FAILED:
            reason = "; ".join([*filter(None, [reason]), *_failed_steps(client, job_id)])
        return JobState(
            job_id,
            phase,
            status,
            reason=reason or None,
            result=picked(answer, _RESULT_FIELDS) if phase.final else {},
            stopping=status == "Stopping",
        )

    def states(
        self,
        client: Any,
        job_ids: Collection[str],
        since: float,  # noqa: ARG002
    ) -> dict[str, JobState]:
        """List the newest executions of each pipeline of which several are wanted."""
        by_pipeline: dict[str, set[str]] = {}
        for job_id in job_ids:
            by_pipeline.setdefault(job_id.rsplit("/", 3)[1], set()).add(job_id)
        found: dict[str, JobState] = {}
        for pipeline, ids in by_pipeline.items():
            if len(ids) > 1:
                pages = items(
                    client,
                    "list_pipeline_executions",
                    "PipelineExecutionSummaries",
                    PipelineName=pipeline,
                    MaxResults=100,
                    **_NEWEST_FIRST,
                )
                found.update(wanted((map(_listed, page) for page in pages), ids))
        return found

    def stop(self, client: Any, job_id: str) -> None:
        """Ask SageMaker to stop it: it stops the jobs that run, and starts no more steps."""
        try:
            client.stop_pipeline_execution(
                PipelineExecutionArn=job_id, ClientRequestToken=_client_token(job_id)
            )
        except Exception as error:
            if is_transient(error) or not self._ended(client, job_id):
                raise

    def differences(
        self,
        client: Any,  # noqa: ARG002
        request: Json,  # noqa: ARG002
        job_id: str,  # noqa: ARG002
    ) -> tuple[str, ...]:
        """Tell of none: Describe does not give the parameters back."""
        return ()

    def requests(self, request: Json) -> tuple[tuple[str, Json], ...]:
        """Give the one call, with a token that SageMaker would take."""
        return ((self.operation, _named(request, "airflow-ml-0")),)

    def logs(self, job_id: str, request: Json) -> tuple[LogStreams, ...]:  # noqa: ARG002
        """Give none: each job of a step has its own."""
        return ()

    def console_path(self, job_id: str) -> str:  # noqa: ARG002
        """Point at SageMaker Studio, where the pipelines are; an execution has no page outside."""
        return "sagemaker/home#/studio-landing"

    def _ended(self, client: Any, job_id: str) -> bool:
        try:
            state = self.state(client, job_id)
        except JobNotFoundError:
            return True
        return state.phase.final or state.stopping


def _named(request: Json, token: str) -> dict[str, Any]:
    return {
        **request,
        "PipelineExecutionDisplayName": token,
        "ClientRequestToken": _client_token(token),
    }


def _client_token(text: str) -> str:
    # SageMaker wants 32 to 128 characters; a token of ours may be shorter.
    return hashlib.sha256(text.encode()).hexdigest()


def _failed_steps(client: Any, job_id: str) -> list[str]:
    pages = items(
        client,
        "list_pipeline_execution_steps",
        "PipelineExecutionSteps",
        PipelineExecutionArn=job_id,
    )
    return [
        f"step {step['StepName']}: {step.get('FailureReason', 'no reason')}"
        for page in pages
        for step in page
        if step.get("StepStatus") == "Failed"
    ]


def _listed(execution: Mapping[str, Any]) -> JobState:
    status: str = execution["PipelineExecutionStatus"]
    phase = PHASES.get(status, Phase.RUNNING)
    job_id: str = execution["PipelineExecutionArn"]
    return JobState(job_id, phase, status, stopping=status == "Stopping")


SAGEMAKER_PIPELINE = PipelineExecutions()
