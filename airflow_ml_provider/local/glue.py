"""Runs of Glue jobs; the jobs themselves are moto's.

https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-jobs-runs.html
"""

from __future__ import annotations

import math
import secrets
from itertools import chain
from typing import TYPE_CHECKING

from airflow_ml_provider.local.glue_jobs import PYTHON_SHELL, check_size
from airflow_ml_provider.local.job_runs import (
    Script,
    ask,
    last_exception,
    require_script_uri,
    run_script,
    split_list,
)
from airflow_ml_provider.local.logs import JobLog, LogStream
from airflow_ml_provider.local.protocol import AwsError, Call, Identity, Json, Operations
from airflow_ml_provider.local.s3 import DataError
from airflow_ml_provider.local.store import Job, now, page

if TYPE_CHECKING:
    from airflow_ml_provider.local.cloud import Cloud
    from airflow_ml_provider.local.process import Ended

KIND = "glue-job-run"
DEFAULT_TIMEOUT_MINUTES = 2880
DEFAULT_PAGE = 200
ENDED = ("STOPPED", "SUCCEEDED", "FAILED", "TIMEOUT")
_LOG_GROUPS = {"glueetl": "/aws-glue/jobs", PYTHON_SHELL: "/aws-glue/python-jobs"}
# Glue takes these for itself instead of passing them on:
# https://docs.aws.amazon.com/glue/latest/dg/aws-glue-programming-etl-glue-arguments.html
_CONSUMED = (
    *("--scriptLocation", "--extra-py-files", "--conf", "--additional-python-modules"),
    "library-set",
)
# A run shows its own value, else its job's.
_OVERRIDES = (
    *("Timeout", "MaxCapacity", "AllocatedCapacity", "WorkerType", "NumberOfWorkers"),
    *("SecurityConfiguration", "NotificationProperty", "ExecutionClass", "GlueVersion"),
    "JobRunQueuingEnabled",
)


def operations(cloud: Cloud) -> Operations:
    """Return the operations of job runs."""
    return {
        ("glue", "StartJobRun"): lambda call: _start(cloud, call),
        ("glue", "GetJobRun"): lambda call: _get(cloud, call),
        ("glue", "GetJobRuns"): lambda call: _list(cloud, call),
        ("glue", "BatchStopJobRun"): lambda call: _stop(cloud, call),
    }


def _definition(cloud: Cloud, identity: Identity, name: str) -> Json:
    client = cloud.clients("glue", identity)
    found: Json = ask(lambda: client.get_job(JobName=name))
    return dict(found["Job"])


def _start(cloud: Cloud, call: Call) -> Json:
    request = call.params
    name = request["JobName"]
    definition = _definition(cloud, call.identity, name)
    command = definition["Command"]["Name"]
    check_size(definition["Command"], request)
    if command not in _LOG_GROUPS:
        raise AwsError(
            "InvalidInputException",
            f"Job {name}: command {command!r} is not supported by the local AWS; "
            f"allowed are {', '.join(_LOG_GROUPS)}",
        )
    job = Job(KIND, f"jr_{secrets.token_hex(32)}", call.identity, {**request, "Job": definition})
    at = now()
    shown = {field: request.get(field, definition.get(field)) for field in _OVERRIDES}
    job.change(
        lambda _: {
            **{field: value for field, value in shown.items() if value is not None},
            "Id": job.name,
            "Attempt": 0,
            "JobName": name,
            "JobRunState": "STARTING",
            "StartedOn": at,
            "LastModifiedOn": at,
            "Arguments": request.get("Arguments", {}),
            "PredecessorRuns": [],
            "ExecutionTime": 0,
            "Timeout": shown["Timeout"] or DEFAULT_TIMEOUT_MINUTES,
            "LogGroupName": _LOG_GROUPS[command],
        }
    )
    most = definition.get("ExecutionProperty", {}).get("MaxConcurrentRuns", 1)

    def limit(others: list[Job]) -> None:
        states = [o.document["JobRunState"] for o in others if o.document["JobName"] == name]
        if sum(state not in ENDED for state in states) >= most:
            raise AwsError(
                "ConcurrentRunsExceededException", f"Concurrent runs exceeded for {name}"
            )

    cloud.store.add(job, limit=limit)
    cloud.turns.add(job, lambda job: _run(cloud, job), _fail, awaited=True)
    return {"JobRunId": job.name}


def _find(cloud: Cloud, identity: Identity, name: str, run_id: str) -> Job:
    job = cloud.store.find(KIND, identity, run_id)
    if job is None or job.document["JobName"] != name:
        raise AwsError("EntityNotFoundException", f"Job run {run_id} of job {name} not found.")
    return job


def _get(cloud: Cloud, call: Call) -> Json:
    job = _find(cloud, call.identity, call.params["JobName"], call.params["RunId"])
    return {"JobRun": job.document}


def _list(cloud: Cloud, call: Call) -> Json:
    name = call.params["JobName"]
    _definition(cloud, call.identity, name)
    jobs = cloud.store.all(KIND, call.identity)
    found = page(
        (job for job in jobs if job.document["JobName"] == name),
        lambda job: job.document["StartedOn"],
        descending=True,
        size=call.params.get("MaxResults", DEFAULT_PAGE),
        token=call.params.get("NextToken"),
    )
    return {"JobRuns": [job.document for job in found.jobs], "NextToken": found.next_token}


def _stop(cloud: Cloud, call: Call) -> Json:
    stopped, errors = [], []
    name = call.params["JobName"]
    for run_id in call.params["JobRunIds"]:
        entry = {"JobName": name, "JobRunId": run_id}
        try:
            job = _find(cloud, call.identity, name, run_id)
            job.change(_stopping)
        except AwsError as error:
            detail = {"ErrorCode": error.code, "ErrorMessage": error.message}
            errors.append({**entry, "ErrorDetail": detail})
            continue
        cloud.turns.stop(job)
        stopped.append(entry)
    return {"SuccessfulSubmissions": stopped, "Errors": errors}


def _stopping(document: Json) -> Json:
    state = document["JobRunState"]
    if state in ENDED:
        raise AwsError(
            "JobRunInvalidStateTransitionException",
            f"Job run {document['Id']} can't go from {state} to STOPPING.",
        )
    return {"JobRunState": "STOPPING", "LastModifiedOn": now()}


def _end(job: Job, state: str, error: str | None = None, *, seconds: float = 0) -> None:
    at = now()
    ended = {
        "JobRunState": state,
        "CompletedOn": at,
        "LastModifiedOn": at,
        "ExecutionTime": math.ceil(seconds),
    }
    job.change(lambda _: {**ended, **({"ErrorMessage": error} if error else {})})


def _fail(job: Job, reason: str) -> None:
    _end(job, "FAILED", reason)


def _run(cloud: Cloud, job: Job) -> None:
    if job.stop_requested.is_set():
        _end(job, "STOPPED")
        return
    folder = cloud.work_folder(job, below=job.document["JobName"])
    group = job.document["LogGroupName"]
    job_log = JobLog(
        {"stdout": folder / "output.txt", "stderr": folder / "error.txt"},
        cloud.client("logs", job),
        {
            "stdout": LogStream(f"{group}/output", job.name),
            "stderr": LogStream(f"{group}/error", job.name),
        },
    )
    seconds = job.document["Timeout"] * 60
    try:
        with job_log:
            script = _script(job, job_log)
            job.change(_running)
            ended = run_script(cloud, job, script, folder, job_log=job_log, timeout_seconds=seconds)
    except DataError as error:
        _fail(job, f"LAUNCH ERROR | {error}")
        return
    _finish(job, ended)
    if job.document["JobRunState"] == "FAILED":
        _retry(cloud, job)


def _retry(cloud: Cloud, job: Job) -> None:
    attempt = job.document["Attempt"] + 1
    if attempt > (job.request["Job"].get("MaxRetries") or 0):
        return
    first = job.name.partition("_attempt_")[0]
    again = Job(KIND, f"{first}_attempt_{attempt}", job.identity, job.request)
    at = now()
    kept = {k: v for k, v in job.document.items() if k not in ("CompletedOn", "ErrorMessage")}
    started = {"StartedOn": at, "LastModifiedOn": at, "ExecutionTime": 0}
    named = {"Id": again.name, "Attempt": attempt, "PreviousRunId": job.name}
    again.change(lambda _: {**kept, **started, **named, "JobRunState": "STARTING"})
    cloud.store.add(again)
    cloud.turns.add(again, lambda again: _run(cloud, again), _fail, awaited=True)


def _running(document: Json) -> Json:
    if document["JobRunState"] != "STARTING":
        return {}
    return {"JobRunState": "RUNNING", "LastModifiedOn": now()}


def _finish(job: Job, ended: Ended) -> None:
    state, error = "SUCCEEDED", None
    if ended.cause == "stopped":
        state = "STOPPED"
    elif ended.cause == "timeout":
        minutes = job.document["Timeout"]
        state, error = "TIMEOUT", f"Job run exceeded its timeout of {minutes} minutes"
    elif ended.exit_code:
        said = last_exception(ended.stderr)
        state, error = "FAILED", said or f"Command failed with exit code {ended.exit_code}"
    _end(job, state, error, seconds=ended.seconds)


def _script(job: Job, job_log: JobLog) -> Script:
    definition = job.request["Job"]
    command = definition["Command"]
    arguments = {
        **definition.get("DefaultArguments", {}),
        **job.request.get("Arguments", {}),
        **definition.get("NonOverridableArguments", {}),
    }
    if arguments.get("--additional-python-modules"):
        job_log.write(
            "stdout",
            "[local AWS] --additional-python-modules are not installed: "
            "the run uses this machine's Python",
        )
    passed = {
        "--JOB_NAME": job.document["JobName"],
        "--JOB_RUN_ID": job.name,
        **{name: value for name, value in arguments.items() if name not in _CONSUMED},
    }
    return Script(
        uri=require_script_uri(arguments.get("--scriptLocation") or command.get("ScriptLocation")),
        arguments=tuple(chain.from_iterable(passed.items())),
        conf=spark_conf(arguments.get("--conf", "")),
        py_files=split_list(arguments.get("--extra-py-files")),
        spark=command["Name"] == "glueetl",
        image="glue-python-shell" if command["Name"] == PYTHON_SHELL else "glue",
    )


def spark_conf(text: str) -> dict[str, str]:
    """Read Glue's ``--conf`` value: ``a=b --conf c=d``."""
    pairs = (item.strip().partition("=") for item in text.split("--conf") if item.strip())
    return {name.strip(): value.strip() for name, _, value in pairs}
