"""AWS Glue's job runs: Glue has no idempotency handle, so each run is marked with its token.

https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-jobs-runs.html
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_ml_provider.jobs.difference import differing
from airflow_ml_provider.jobs.errors import (
    JobError,
    JobNotFoundError,
    error_code,
    is_not_found,
)
from airflow_ml_provider.jobs.pages import items, wanted
from airflow_ml_provider.jobs.result import picked
from airflow_ml_provider.jobs.state import JobState, LogStreams, Phase

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from airflow_ml_provider.jobs.state import Json

log = logging.getLogger(__name__)

TOKEN_ARGUMENT = "--airflow-ml-token"  # noqa: S105 - the argument's name
SCRIPT_ARGUMENT = "--scriptLocation"
DEFINITION = "Definition"
_LOOK_BACK = timedelta(days=30)
_LATE = datetime.max.replace(tzinfo=timezone.utc)
_PHASES = {
    "SUCCEEDED": Phase.SUCCEEDED,
    "FAILED": Phase.FAILED,
    "TIMEOUT": Phase.FAILED,
    "ERROR": Phase.FAILED,
    "EXPIRED": Phase.FAILED,
    "STOPPED": Phase.STOPPED,
}
_RESULT_FIELDS = (
    "JobName",
    "Id",
    "ExecutionTime",
    "DPUSeconds",
    "MaxCapacity",
    "WorkerType",
    "NumberOfWorkers",
)
_SPARK_LOGS = ("/aws-glue/jobs/output", "/aws-glue/jobs/error")
_PYTHON_LOGS = ("/aws-glue/python-jobs/output", "/aws-glue/python-jobs/error")


class GlueJobRuns:
    """Runs of Glue jobs, Spark or Python shell; a job id is ``<job name>/<run id>``.

    A request is StartJobRun's, and may hold ``Definition``: CreateJob's request without its name,
    from which a missing job is defined. Its script is given to every run as ``--scriptLocation``,
    so that two versions of a script don't overwrite each other in the one definition. What a run
    can't override (role, Glue version, command, concurrent runs, connections) is updated where it
    differs.
    Leave MaxRetries at 0: a run that Glue itself starts again is not ours to count.
    """

    name = "glue"
    service = "glue"
    operation = "StartJobRun"
    embedded: ClassVar[Mapping[str, str]] = {DEFINITION: "CreateJob"}
    actions = frozenset(
        f"glue:{verb}"
        for verb in (
            "BatchStopJobRun",
            "CreateJob",
            "GetJob",
            "GetJobRun",
            "GetJobRuns",
            "StartJobRun",
            "UpdateJob",
        )
    )

    def find(self, client: Any, request: Json, token: str) -> JobState | None:
        """Look for a run with the token among those of the last 30 days.

        Of several (two submitters at once, or a call that the network made boto3 repeat) everybody
        keeps the one that started first, and stops the others.
        """
        marked = sorted(_marked(client, request["JobName"], token), key=_started)
        for other in marked[1:]:
            if not _state(other).phase.final and not _state(other).stopping:
                log.warning("Glue run %s doubles %s: stopped.", other["Id"], marked[0]["Id"])
                self.stop(client, _job_id(other))
        return _state(marked[0]) if marked else None

    def submit(self, client: Any, request: Json, token: str) -> str:
        """Define the job if need be, start a run with the token, and keep the earliest such run."""
        run = _run_request(request, token)
        if DEFINITION in request:
            _define(client, run["JobName"], request[DEFINITION])
        run_id = client.start_job_run(**run)["JobRunId"]
        first = self.find(client, request, token)
        return first.job_id if first else f"{run['JobName']}/{run_id}"

    def state(self, client: Any, job_id: str) -> JobState:
        """Ask about one run."""
        return _state(self._run(client, job_id))

    def states(
        self,
        client: Any,
        job_ids: Collection[str],
        since: float,  # noqa: ARG002
    ) -> dict[str, JobState]:
        """List the runs of each job of which several are wanted, 200 a call."""
        by_job: dict[str, set[str]] = {}
        for job_id in job_ids:
            by_job.setdefault(job_id.rpartition("/")[0], set()).add(job_id)
        found: dict[str, JobState] = {}
        for job_name, ids in by_job.items():
            if len(ids) > 1:
                pages = (map(_state, page) for page in _runs(client, job_name))
                found.update(wanted(pages, ids))
        return found

    def stop(self, client: Any, job_id: str) -> None:
        """Ask Glue to stop the run."""
        job_name, _, run_id = job_id.rpartition("/")
        answer = client.batch_stop_job_run(JobName=job_name, JobRunIds=[run_id])
        for refused in answer.get("Errors", []):
            try:
                state = self.state(client, job_id)
            except JobNotFoundError:
                return
            if not state.phase.final and not state.stopping:
                detail = refused.get("ErrorDetail", {})
                raise JobError(f"Glue did not stop {job_id}: {detail.get('ErrorMessage', detail)}")

    def differences(self, client: Any, request: Json, job_id: str) -> tuple[str, ...]:
        """Compare with the run; the definition's own fields are compared when a run is started."""
        asked = _run_request(request, token="")
        del asked["Arguments"][TOKEN_ARGUMENT]
        return differing(asked, self._run(client, job_id))

    def requests(self, request: Json) -> tuple[tuple[str, Json], ...]:
        """Give the run's call, and the definition's if there is one."""
        run = (self.operation, _run_request(request, token="airflow-ml-0"))  # noqa: S106
        if DEFINITION not in request:
            return (run,)
        return (("CreateJob", {**request[DEFINITION], "Name": request.get("JobName")}), run)

    def logs(self, job_id: str, request: Json) -> tuple[LogStreams, ...]:
        """Output and errors; both commands' groups where the request does not define the job.

        https://docs.aws.amazon.com/glue/latest/dg/monitor-continuous-logging-enable.html
        """
        run_id = job_id.rpartition("/")[2]
        definition, arguments = request.get(DEFINITION, {}), request.get("Arguments", {})
        command = definition.get("Command", {}).get("Name")
        groups = {"pythonshell": _PYTHON_LOGS, None: _SPARK_LOGS + _PYTHON_LOGS}
        streams = [LogStreams(group, run_id) for group in groups.get(command, _SPARK_LOGS)]
        if arguments.get("--enable-continuous-cloudwatch-log") == "true":
            group = arguments.get("--continuous-log-logGroup", "/aws-glue/jobs/logs-v2")
            prefix = arguments.get("--continuous-log-logStreamPrefix", run_id)
            streams.append(LogStreams(group, prefix))
        return tuple(streams)

    def console_path(self, job_id: str) -> str:
        """Point at the run's page."""
        job_name, _, run_id = job_id.rpartition("/")
        return f"gluestudio/home#/job/{job_name}/run/{run_id}"

    def _run(self, client: Any, job_id: str) -> Mapping[str, Any]:
        job_name, _, run_id = job_id.rpartition("/")
        try:
            run: Mapping[str, Any] = client.get_job_run(JobName=job_name, RunId=run_id)["JobRun"]
        except Exception as error:
            if is_not_found(error):
                raise JobNotFoundError(self.name, job_id) from error
            raise
        return run


def _run_request(request: Json, token: str) -> dict[str, Any]:
    run = {key: value for key, value in request.items() if key != DEFINITION}
    script = request.get(DEFINITION, {}).get("Command", {}).get("ScriptLocation")
    run["Arguments"] = {
        **({SCRIPT_ARGUMENT: script} if script else {}),
        **request.get("Arguments", {}),
        TOKEN_ARGUMENT: token,
    }
    return run


def _define(client: Any, job_name: str, definition: Json) -> None:
    try:
        existing = client.get_job(JobName=job_name)["Job"]
    except Exception as error:
        if not is_not_found(error):
            raise
        _create(client, job_name, definition)
        return
    fixed = {
        "Role": definition.get("Role"),
        "GlueVersion": definition.get("GlueVersion"),
        "Command": {"Name": definition.get("Command", {}).get("Name")},
        "ExecutionProperty": definition.get("ExecutionProperty"),
        "Connections": definition.get("Connections"),
    }
    asked = {key: value for key, value in fixed.items() if key in definition}
    if different := differing(asked, existing):
        log.warning("Updating Glue job %s, which differs in: %s", job_name, ", ".join(different))
        update = {key: value for key, value in definition.items() if key != "Tags"}
        client.update_job(JobName=job_name, JobUpdate=update)


def _create(client: Any, job_name: str, definition: Json) -> None:
    log.info("Defining Glue job %s.", job_name)
    try:
        client.create_job(**{**definition, "Name": job_name})
    except Exception as error:
        # Another task of the same pipeline was quicker.
        if error_code(error) not in {
            "AlreadyExistsException",
            "IdempotentParameterMismatchException",
        }:
            raise


def _runs(client: Any, job_name: str) -> Iterator[list[Mapping[str, Any]]]:
    return items(client, "get_job_runs", "JobRuns", JobName=job_name, MaxResults=200)


def _marked(client: Any, job_name: str, token: str) -> Iterator[Mapping[str, Any]]:
    oldest = datetime.now(timezone.utc) - _LOOK_BACK
    try:
        for page in _runs(client, job_name):
            yield from (
                run for run in page if run.get("Arguments", {}).get(TOKEN_ARGUMENT) == token
            )
            if page and all(run.get("StartedOn", _LATE) < oldest for run in page):
                return
    except Exception as error:
        if not is_not_found(error):
            raise


def _started(run: Mapping[str, Any]) -> tuple[datetime, str]:
    return run.get("StartedOn", _LATE), run["Id"]


def _job_id(run: Mapping[str, Any]) -> str:
    return f"{run['JobName']}/{run['Id']}"


def _state(run: Mapping[str, Any]) -> JobState:
    status: str = run["JobRunState"]
    phase = _PHASES.get(status, Phase.RUNNING)
    reason = run.get("ErrorMessage")
    if status == "TIMEOUT":
        reason = reason or f"it ran longer than its Timeout of {run.get('Timeout')} minutes"
    return JobState(
        _job_id(run),
        phase,
        status,
        reason=reason or None,
        result=picked(run, _RESULT_FIELDS) if phase.final else {},
        stopping=status == "STOPPING",
    )


GLUE = GlueJobRuns()
