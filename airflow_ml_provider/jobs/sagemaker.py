"""SageMaker's jobs: the name is the token, and training and processing differ by a noun.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTrainingJob.html
"""

from __future__ import annotations

import os
import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_ml_provider.jobs.difference import differing
from airflow_ml_provider.jobs.errors import (
    JobNotFoundError,
    error_code,
    is_not_found,
    is_transient,
)
from airflow_ml_provider.jobs.pages import items
from airflow_ml_provider.jobs.result import picked
from airflow_ml_provider.jobs.state import JobState, LogStreams, Phase
from airflow_ml_provider.jobs.token import MAX_LENGTH, shortened

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from airflow_ml_provider.jobs.state import Json

_PHASES = {
    "Completed": Phase.SUCCEEDED,
    "Failed": Phase.FAILED,
    "Stopped": Phase.STOPPED,
    "Deleting": Phase.STOPPED,
    "DeleteFailed": Phase.STOPPED,
}
_LIMITS = {
    "MaxRuntimeExceeded": "MaxRuntimeInSeconds",
    "MaxWaitTimeExceeded": "MaxWaitTimeInSeconds",
}
_VALID_NAME = "airflow-ml-0"  # stands for the token where a request is only checked


class SageMakerJobs:
    """Jobs that are created, described, listed and stopped by name.

    ``noun`` is how the API spells them, such as ``Training``; ``result_fields`` are those of
    Describe's answer that a state's result has; ``console`` is the word of the console's addresses.
    ``name`` is the kind's, ``log`` the group and the stream prefix of a job's log, where they
    do not follow from the noun; ``name_length`` is the longest name that the service takes.
    """

    service = "sagemaker"
    embedded: ClassVar[Mapping[str, str]] = {}

    def __init__(
        self,
        noun: str,
        result_fields: tuple[str, ...],
        console: str,
        *,
        name: str = "",
        log: tuple[str, str] | None = None,
        name_length: int = MAX_LENGTH,
    ) -> None:
        self.name = name or f"sagemaker_{noun.lower()}"
        self.operation = f"Create{noun}Job"
        self.actions = frozenset(
            f"sagemaker:{verb}"
            for verb in (
                f"Create{noun}Job",
                f"Describe{noun}Job",
                f"List{noun}Jobs",
                f"Stop{noun}Job",
            )
        )
        self._noun = noun
        self._name_key = f"{noun}JobName"
        self._result_fields = (self._name_key, f"{noun}JobArn", *result_fields)
        self._console = console
        self._log = log or (f"/aws/sagemaker/{noun}Jobs", "/")
        self._name_length = name_length
        # boto3 spells HyperParameterTuning as hyper_parameter_tuning.
        self._snake = re.sub(r"(?<!^)(?=[A-Z])", "_", noun).lower()

    def find(self, client: Any, request: Json, token: str) -> JobState | None:  # noqa: ARG002
        """Describe the job that has the token as its name."""
        try:
            return self.state(client, shortened(token, self._name_length))
        except JobNotFoundError:
            return None

    def submit(self, client: Any, request: Json, token: str) -> str:
        """Create the job; that the name is taken means that an earlier call was carried out."""
        name = shortened(token, self._name_length)
        try:
            self._call(client, "create", **{**request, self._name_key: name})
        except Exception as error:
            if error_code(error) not in {"ResourceInUse", "ResourceInUseException"}:
                raise
        return name

    def state(self, client: Any, job_id: str) -> JobState:
        """Describe one job. A job that ran into its time limit says so in its reason."""
        answer = self._describe(client, job_id)
        status: str = answer[f"{self._noun}JobStatus"]
        phase = _PHASES.get(status, Phase.RUNNING)
        return JobState(
            job_id,
            phase,
            status,
            reason=_reason(answer, phase),
            result=picked(answer, self._result_fields) if phase.final else {},
            stopping=status == "Stopping",
        )

    def states(self, client: Any, job_ids: Collection[str], since: float) -> dict[str, JobState]:
        """List what was modified since then, 100 a call: a job that is not among it still runs.

        Where listing costs more calls than asking for each, as in an account with thousands of
        other people's jobs, those not seen so far are missing.
        """
        common = os.path.commonprefix(list(job_ids))  # noqa: RUF071 - letters are meant
        pages = items(
            client,
            f"list_{self._snake}_jobs",
            f"{self._noun}JobSummaries",
            LastModifiedTimeAfter=datetime.fromtimestamp(since, timezone.utc),
            MaxResults=100,
            **({"NameContains": common} if common else {}),
        )
        statuses: dict[str, str] = {}
        for calls, page in enumerate(pages, start=1):
            statuses |= {one[self._name_key]: one[f"{self._noun}JobStatus"] for one in page}
            if calls > len(job_ids):
                job_ids = statuses.keys() & set(job_ids)
                break
        return {job_id: _listed(job_id, statuses.get(job_id, "InProgress")) for job_id in job_ids}

    def stop(self, client: Any, job_id: str) -> None:
        """Ask SageMaker to stop it: the container gets a SIGTERM and two minutes."""
        try:
            self._call(client, "stop", **{self._name_key: job_id})
        except Exception as error:
            if is_transient(error) or not self._ended(client, job_id):
                raise

    def differences(self, client: Any, request: Json, job_id: str) -> tuple[str, ...]:
        """Compare with Describe's answer, which has all of the request but its tags."""
        asked = {
            key: value for key, value in request.items() if key not in {"Tags", self._name_key}
        }
        return differing(asked, self._describe(client, job_id))

    def requests(self, request: Json) -> tuple[tuple[str, Json], ...]:
        """Give the one call, with a name that SageMaker would take."""
        return ((self.operation, {**request, self._name_key: _VALID_NAME}),)

    def logs(self, job_id: str, request: Json) -> tuple[LogStreams, ...]:  # noqa: ARG002
        """One stream a host, ``<job>/algo-1-...``; a search has those of its training jobs."""
        group, mark = self._log
        return (LogStreams(group, f"{job_id}{mark}"),)

    def console_path(self, job_id: str) -> str:
        """Point at the job's page."""
        return f"sagemaker/home#/{self._console}/{job_id}"

    def _describe(self, client: Any, job_id: str) -> Mapping[str, Any]:
        try:
            return self._call(client, "describe", **{self._name_key: job_id})
        except Exception as error:
            if is_not_found(error):
                raise JobNotFoundError(self.name, job_id) from error
            raise

    def _ended(self, client: Any, job_id: str) -> bool:
        state = self.find(client, {}, job_id)
        return state is None or state.phase.final or state.stopping

    def _call(self, client: Any, verb: str, **request: Any) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = getattr(client, f"{verb}_{self._snake}_job")(**request)
        return answer


def _listed(job_id: str, status: str) -> JobState:
    phase = _PHASES.get(status, Phase.RUNNING)
    return JobState(job_id, phase, status, stopping=status == "Stopping")


def _reason(answer: Mapping[str, Any], phase: Phase) -> str | None:
    if phase in {Phase.RUNNING, Phase.SUCCEEDED}:
        return None
    secondary = answer.get("SecondaryStatus", "")
    if limit := _LIMITS.get(secondary):
        seconds = answer.get("StoppingCondition", {}).get(limit)
        return f"{secondary}: StoppingCondition.{limit} is {seconds}"
    return answer.get("FailureReason") or answer.get("ExitMessage")


TRAINING = SageMakerJobs(
    "Training",
    (
        "ModelArtifacts",
        "OutputDataConfig",
        "FinalMetricDataList",
        "TrainingTimeInSeconds",
        "BillableTimeInSeconds",
    ),
    console="jobs",
)
PROCESSING = SageMakerJobs(
    "Processing", ("ProcessingOutputConfig", "ExitMessage"), console="processing-jobs"
)
TRANSFORM = SageMakerJobs("Transform", ("ModelName", "TransformOutput"), console="transform-jobs")
TUNING = SageMakerJobs(
    "HyperParameterTuning",
    ("BestTrainingJob", "TrainingJobStatusCounters", "ObjectiveStatusCounters"),
    console="hyper-tuning-jobs",
    name="sagemaker_tuning",
    # Its training jobs are called <job>-001-<hash>.
    log=("/aws/sagemaker/TrainingJobs", "-"),
    name_length=32,
)
