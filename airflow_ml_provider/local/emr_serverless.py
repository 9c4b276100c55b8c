"""Job runs of EMR Serverless; its applications are moto's but for their first state.

https://docs.aws.amazon.com/emr-serverless/latest/APIReference/API_StartJobRun.html
"""

from __future__ import annotations

import gzip
import secrets
import shlex
from typing import TYPE_CHECKING

from moto.emrserverless.models import emrserverless_backends

from airflow_ml_provider.local.create_once import ClientTokens
from airflow_ml_provider.local.job_runs import (
    Script,
    ask,
    last_exception,
    require_script_uri,
    run_script,
    split_list,
)
from airflow_ml_provider.local.logs import JobLog, LogStream
from airflow_ml_provider.local.protocol import AwsError, Call, Json, Operations
from airflow_ml_provider.local.s3 import DataError, join_uri, put_bytes
from airflow_ml_provider.local.sagemaker_jobs import in_time
from airflow_ml_provider.local.store import Job, now, page

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_ml_provider.local.cloud import Cloud
    from airflow_ml_provider.local.process import Channel, Ended

KIND = "emr-serverless-job-run"
DEFAULT_TIMEOUT_MINUTES = 720
MIN_TIMEOUT_MINUTES = 5
DEFAULT_PAGE = 50
ENDED = ("SUCCESS", "FAILED", "CANCELLED")
STATE_DETAILS_CHARS = 256
_NEVER_SECONDS = 10 * 365 * 86_400
_SUMMARY = (
    *("applicationId", "name", "mode", "arn", "createdBy", "createdAt", "updatedAt"),
    *("executionRole", "state", "stateDetails", "releaseLabel", "attempt"),
    *("attemptCreatedAt", "attemptUpdatedAt"),
)


def operations(cloud: Cloud) -> Operations:
    """Return the operations of job runs, and the creation of applications."""
    tokens = ClientTokens()
    return {
        ("emr-serverless", "CreateApplication"): lambda call: tokens.once(
            call, "clientToken", "ConflictException", lambda: _create_application(call)
        ),
        ("emr-serverless", "StartJobRun"): lambda call: tokens.once(
            call, "clientToken", "ConflictException", lambda: _start(cloud, call)
        ),
        ("emr-serverless", "GetJobRun"): lambda call: {"jobRun": _find(cloud, call).document},
        ("emr-serverless", "ListJobRuns"): lambda call: _list(cloud, call),
        ("emr-serverless", "CancelJobRun"): lambda call: _cancel(cloud, call),
    }


def _create_application(call: Call) -> Json:
    answer = call.forward()
    backend = emrserverless_backends[call.identity.account][call.identity.region]
    backend.applications[answer["applicationId"]].state = "CREATED"
    return answer


def _application(cloud: Cloud, call: Call) -> Json:
    client = cloud.clients("emr-serverless", call.identity)
    name = call.params["applicationId"]
    found: Json = ask(lambda: client.get_application(applicationId=name))
    return dict(found["application"])


def _start_application(cloud: Cloud, call: Call) -> Json:
    application = _application(cloud, call)
    name, state = application["applicationId"], application["state"]
    if state in ("CREATED", "STOPPED"):
        if not application.get("autoStartConfiguration", {}).get("enabled", True):
            raise AwsError(
                "ValidationException",
                f"Application {name} is {state} and doesn't start by itself: start it first.",
            )
        cloud.clients("emr-serverless", call.identity).start_application(applicationId=name)
    elif state != "STARTED":
        raise AwsError("ValidationException", f"Application {name} is {state}.")
    return application


def _start(cloud: Cloud, call: Call) -> Json:
    request = call.params
    minutes = request.get("executionTimeoutMinutes", DEFAULT_TIMEOUT_MINUTES)
    if 0 < minutes < MIN_TIMEOUT_MINUTES:
        raise AwsError("ValidationException", "RunTimeout must be at least 5 minutes.")
    role = request["executionRoleArn"]
    if role.split(":")[4] != call.identity.account:
        raise AwsError("AccessDeniedException", "Cross-account pass role is not allowed.", 403)
    application = _start_application(cloud, call)
    job = Job(KIND, f"00{secrets.token_hex(7)}", call.identity, request)
    at = now()
    path = f"/applications/{application['applicationId']}/jobruns/{job.name}"
    asked = ("name", "configurationOverrides", "jobDriver", "retryPolicy")
    job.change(
        lambda _: {
            **{field: request[field] for field in asked if field in request},
            "applicationId": application["applicationId"],
            "jobRunId": job.name,
            "arn": call.identity.arn("emr-serverless", path),
            "createdBy": f"arn:aws:iam::{call.identity.account}:root",
            "createdAt": at,
            "updatedAt": at,
            "executionRole": role,
            "state": "SUBMITTED",
            "stateDetails": "",
            "releaseLabel": application["releaseLabel"],
            "tags": request.get("tags", {}),
            "executionTimeoutMinutes": minutes,
            "mode": request.get("mode", "BATCH"),
            "attempt": 1,
            "attemptCreatedAt": at,
            "attemptUpdatedAt": at,
        }
    )
    cloud.store.add(job)
    cloud.turns.add(job, lambda job: _run(cloud, job), _fail)
    _enter(job, "PENDING", only_from="SUBMITTED")
    return {field: job.document[field] for field in ("applicationId", "jobRunId", "arn")}


def _find(cloud: Cloud, call: Call) -> Job:
    application, name = call.params["applicationId"], call.params["jobRunId"]
    job = cloud.store.find(KIND, call.identity, name)
    if job is None or job.document["applicationId"] != application:
        raise AwsError("ResourceNotFoundException", f"Job run {name} does not exist.", 404)
    return job


def _list(cloud: Cloud, call: Call) -> Json:
    params = call.params
    _application(cloud, call)
    jobs = (
        job
        for job in cloud.store.all(KIND, call.identity)
        if job.document["applicationId"] == params["applicationId"]
        and job.document["state"] in (params.get("states") or [job.document["state"]])
        and job.document["mode"] == params.get("mode", job.document["mode"])
        and in_time(job.document["createdAt"], params, "createdAt")
    )
    found = page(
        jobs,
        lambda job: job.document["createdAt"],
        descending=True,
        size=params.get("maxResults", DEFAULT_PAGE),
        token=params.get("nextToken"),
    )
    runs = [
        {
            **{field: job.document[field] for field in _SUMMARY if field in job.document},
            "id": job.name,
            "type": "Spark",
        }
        for job in found.jobs
    ]
    return {"jobRuns": runs, "nextToken": found.next_token}


def _cancel(cloud: Cloud, call: Call) -> Json:
    job = _find(cloud, call)

    def cancelling(document: Json) -> Json:
        state = document["state"]
        if state in ENDED:
            raise AwsError(
                "ValidationException",
                f"Job run {job.name} is in state {state} and can't be cancelled.",
            )
        return {"state": "CANCELLING", "updatedAt": now()}

    job.change(cancelling)
    cloud.turns.stop(job, call.params.get("shutdownGracePeriodInSeconds"))
    return {"applicationId": call.params["applicationId"], "jobRunId": job.name}


def _enter(job: Job, state: str, *, only_from: str) -> None:
    def change(document: Json) -> Json:
        at = now()
        if document["state"] != only_from:
            return {}
        started = {"startedAt": at} if state == "RUNNING" else {}
        return {"state": state, "updatedAt": at, "attemptUpdatedAt": at, **started}

    job.change(change)


def _end(cores: int, job: Job, state: str, details: str = "") -> None:
    def change(document: Json) -> Json:
        at = now()
        seconds = round((at - document.get("startedAt", at)).total_seconds())
        hours = max(1, seconds) * cores / 3600
        used = {"vCPUHour": round(hours, 3), "memoryGBHour": round(4 * hours, 3)}
        return {
            "state": state,
            "stateDetails": details[:STATE_DETAILS_CHARS],
            "updatedAt": at,
            "attemptUpdatedAt": at,
            "endedAt": at,
            "totalExecutionDurationSeconds": seconds,
            "totalResourceUtilization": {**used, "storageGBHour": round(20 * hours, 3)},
            "billedResourceUtilization": {**used, "storageGBHour": 0.0},
        }

    job.change(change)


def _fail(job: Job, reason: str) -> None:
    _end(1, job, "FAILED", reason)


def _run(cloud: Cloud, job: Job) -> None:
    if job.stop_requested.is_set():
        _end(cloud.cores, job, "CANCELLED")
        return
    for state, before in (("PENDING", "SUBMITTED"), ("SCHEDULED", "PENDING")):
        _enter(job, state, only_from=before)
    monitoring = job.request.get("configurationOverrides", {}).get("monitoringConfiguration", {})
    folder = cloud.work_folder(job, below=job.document["applicationId"])
    files: dict[Channel, Path] = {"stdout": folder / "stdout", "stderr": folder / "stderr"}
    place = f"/applications/{job.document['applicationId']}/jobs/{job.name}/SPARK_DRIVER"
    job_log = JobLog(files, cloud.client("logs", job), _streams(monitoring, place))
    minutes = job.document["executionTimeoutMinutes"]
    try:
        with job_log:
            script = _script(job)
            _enter(job, "RUNNING", only_from="SCHEDULED")
            seconds = minutes * 60 or _NEVER_SECONDS
            ended = run_script(cloud, job, script, folder, job_log=job_log, timeout_seconds=seconds)
        log_uri = monitoring.get("s3MonitoringConfiguration", {}).get("logUri")
        if log_uri:
            for name, file in files.items():
                uri = join_uri(log_uri, place, f"{name}.gz")
                put_bytes(cloud.client("s3", job), gzip.compress(file.read_bytes()), uri)
    except DataError as error:
        _end(cloud.cores, job, "FAILED", str(error))
        return
    _finish(cloud.cores, job, ended)


def _streams(monitoring: Json, place: str) -> dict[Channel, LogStream]:
    asked = monitoring.get("cloudWatchLoggingConfiguration", {})
    if not asked.get("enabled"):
        return {}
    group = asked.get("logGroupName", "/aws/emr-serverless")
    prefix = asked.get("logStreamNamePrefix", "")
    return {
        "stdout": LogStream(group, f"{prefix}{place}/stdout"),
        "stderr": LogStream(group, f"{prefix}{place}/stderr"),
    }


def _finish(cores: int, job: Job, ended: Ended) -> None:
    if ended.cause == "stopped":
        _end(cores, job, "CANCELLED")
    elif ended.cause == "timeout":
        minutes = job.document["executionTimeoutMinutes"]
        _end(cores, job, "CANCELLED", f"Job run exceeded its timeout of {minutes} minutes.")
    elif ended.exit_code:
        details = (
            "Job failed, please check complete logs in configured logging destination. "
            f"ExitCode: {ended.exit_code}. Last few exceptions: {last_exception(ended.stderr)}"
        )
        _end(cores, job, "FAILED", details)
    else:
        _end(cores, job, "SUCCESS")


def _script(job: Job) -> Script:
    driver = job.request.get("jobDriver", {}).get("sparkSubmit")
    if driver is None:
        raise DataError("the local AWS runs jobDriver.sparkSubmit only")
    overrides = job.request.get("configurationOverrides", {})
    defaults = {
        name: value
        for item in overrides.get("applicationConfiguration", ())
        if item["classification"] == "spark-defaults"
        for name, value in item.get("properties", {}).items()
    }
    conf, py_files = submit_parameters(driver.get("sparkSubmitParameters", ""))
    return Script(
        uri=require_script_uri(driver["entryPoint"]),
        arguments=tuple(driver.get("entryPointArguments", ())),
        conf={**defaults, **conf},
        py_files=py_files,
        spark=True,
        image="emr-serverless",
    )


def submit_parameters(text: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """Read ``sparkSubmitParameters``: return its configuration and the URIs of its --py-files.

    Other options size or name a cluster, which there is none of here.
    """
    conf: dict[str, str] = {}
    py_files: tuple[str, ...] = ()
    words = iter(shlex.split(text))
    for word in words:
        option, given, value = word.partition("=")
        if option in ("--conf", "-c"):
            name, _, setting = (value if given else next(words, "")).partition("=")
            conf[name] = setting
        elif option == "--py-files":
            py_files = split_list(value if given else next(words, ""))
    return conf, py_files
