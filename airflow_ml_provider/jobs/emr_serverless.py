"""EMR Serverless job runs: the client token is the handle, and the name to find a run by.

https://docs.aws.amazon.com/emr-serverless/latest/APIReference/API_StartJobRun.html
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
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

_LOOK_BACK = timedelta(days=30)
_PHASES = {
    "SUCCESS": Phase.SUCCEEDED,
    "FAILED": Phase.FAILED,
    "CANCELLED": Phase.STOPPED,
}
_ACTIVE = ("SUBMITTED", "PENDING", "SCHEDULED", "QUEUED", "RUNNING", "CANCELLING")
_RESULT_FIELDS = (
    "applicationId",
    "jobRunId",
    "arn",
    "name",
    "totalExecutionDurationSeconds",
    "billedResourceUtilization",
)


class EmrServerlessJobRuns:
    """Job runs of EMR Serverless applications; a job id is ``<applicationId>/<jobRunId>``."""

    name = "emr_serverless"
    service = "emr-serverless"
    operation = "StartJobRun"
    embedded: ClassVar[Mapping[str, str]] = {}
    actions = frozenset(
        f"emr-serverless:{verb}"
        for verb in ("CancelJobRun", "GetJobRun", "ListJobRuns", "StartJobRun")
    )

    def find(self, client: Any, request: Json, token: str) -> JobState | None:
        """Look for a run with that name among those of the last 30 days."""
        pages = items(
            client,
            "list_job_runs",
            "jobRuns",
            applicationId=request["applicationId"],
            createdAtAfter=datetime.now(timezone.utc) - _LOOK_BACK,
        )
        for page in pages:
            for run in page:
                if run.get("name") == token:
                    return self.state(client, f"{run['applicationId']}/{run['id']}")
        return None

    def submit(self, client: Any, request: Json, token: str) -> str:
        """Start a run; a token that was used with another request names the run there is."""
        application: str = request["applicationId"]
        try:
            answer = client.start_job_run(**{**request, "clientToken": token, "name": token})
        except Exception as error:
            # An application that can't take runs now answers the same code.
            found = error_code(error) == "ConflictException" and self.find(client, request, token)
            if not found:
                raise
            return found.job_id
        return f"{application}/{answer['jobRunId']}"

    def state(self, client: Any, job_id: str) -> JobState:
        """Ask about one run."""
        run = self._run(client, job_id)
        phase = _PHASES.get(run["state"], Phase.RUNNING)
        return JobState(
            job_id,
            phase,
            run["state"],
            reason=run.get("stateDetails") or None,
            result=picked(run, _RESULT_FIELDS) if phase.final else {},
            stopping=run["state"] == "CANCELLING",
        )

    def states(
        self,
        client: Any,
        job_ids: Collection[str],
        since: float,  # noqa: ARG002
    ) -> dict[str, JobState]:
        """List the active runs of each application of which several are wanted, 50 a call."""
        by_application: dict[str, set[str]] = {}
        for job_id in job_ids:
            by_application.setdefault(job_id.partition("/")[0], set()).add(job_id)
        found: dict[str, JobState] = {}
        for application, ids in by_application.items():
            if len(ids) > 1:
                pages = items(
                    client,
                    "list_job_runs",
                    "jobRuns",
                    applicationId=application,
                    states=list(_ACTIVE),
                    maxResults=50,
                )
                found.update(wanted((map(_listed, page) for page in pages), ids))
        return found

    def stop(self, client: Any, job_id: str) -> None:
        """Cancel the run."""
        application, _, run_id = job_id.partition("/")
        try:
            client.cancel_job_run(applicationId=application, jobRunId=run_id)
        except Exception as error:
            if is_transient(error) or not self._ended(client, job_id):
                raise

    def differences(self, client: Any, request: Json, job_id: str) -> tuple[str, ...]:
        """Compare with the run, which spells the role's key otherwise."""
        asked = {key: value for key, value in request.items() if key not in {"clientToken", "name"}}
        run = self._run(client, job_id)
        return differing(asked, {**run, "executionRoleArn": run.get("executionRole")})

    def requests(self, request: Json) -> tuple[tuple[str, Json], ...]:
        """Give the one call."""
        return (
            (self.operation, {**request, "clientToken": "airflow-ml-0", "name": "airflow-ml-0"}),
        )

    def logs(self, job_id: str, request: Json) -> tuple[LogStreams, ...]:
        """Where the request's cloudWatchLoggingConfiguration puts them, if it is enabled.

        https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/logging.html
        """
        monitoring = (request.get("configurationOverrides") or {}).get("monitoringConfiguration")
        cloudwatch = (monitoring or {}).get("cloudWatchLoggingConfiguration") or {}
        if not cloudwatch.get("enabled"):
            return ()
        application, _, run_id = job_id.partition("/")
        prefix = cloudwatch.get("logStreamNamePrefix", "")
        group = cloudwatch.get("logGroupName", "/aws/emr-serverless")
        return (LogStreams(group, f"{prefix}/applications/{application}/jobs/{run_id}/"),)

    def console_path(self, job_id: str) -> str:  # noqa: ARG002
        """Point at EMR Serverless: a run's own page needs the URL of an EMR Studio."""
        return "emr/home#/serverless"

    def _run(self, client: Any, job_id: str) -> Mapping[str, Any]:
        application, _, run_id = job_id.partition("/")
        try:
            answer = client.get_job_run(applicationId=application, jobRunId=run_id)
        except Exception as error:
            if is_not_found(error):
                raise JobNotFoundError(self.name, job_id) from error
            raise
        run: Mapping[str, Any] = answer["jobRun"]
        return run

    def _ended(self, client: Any, job_id: str) -> bool:
        try:
            state = self.state(client, job_id)
        except JobNotFoundError:
            return True
        return state.phase.final or state.stopping


def _listed(run: Mapping[str, Any]) -> JobState:
    return JobState(
        f"{run['applicationId']}/{run['id']}",
        Phase.RUNNING,
        run["state"],
        stopping=run["state"] == "CANCELLING",
    )


EMR_SERVERLESS = EmrServerlessJobRuns()
