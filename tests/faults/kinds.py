"""What the fault tests know of each kind of job: a cheap job, its calls, the stock operator.

A new kind of the registry is one more line of ``KINDS``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fault import JobCalls

from airflow_ml_provider.jobs.registry import KINDS as REGISTRY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cloud import Cloud

Json = dict[str, Any]
ROLE = "arn:aws:iam::123456789012:role/ml"
BUCKET = "faults"
REPORT = f"s3://{BUCKET}/report.json"
AT_ONCE = 50
"""Runs of one Glue job at once: Glue's own limit of 1 must not hide a double."""
_AMAZON = "airflow.providers.amazon.aws.operators"


@dataclass(frozen=True)
class Kind:
    """One kind of job.

    ``request(cloud, name, seconds)``: RemoteJobOperator's request of a job that takes so long and
    that ``jobs`` finds by the name. ``stock(...)``: the path and the arguments of the Amazon
    operator for the same job. ``jobs(cloud, name, request)``: the states of all jobs ever made.
    """

    calls: JobCalls
    request: Callable[[Cloud, str, float], Json]
    stock: Callable[[Cloud, str, float], tuple[str, Json]]
    jobs: Callable[[Cloud, str, Json], Iterator[str]]


def _calls(kind: str, *reads: str, ended: str) -> JobCalls:
    words = re.compile(rf'"\w*([sS]tate|Status)":\s*"({ended})"'.encode())
    return JobCalls(REGISTRY[kind].operation, frozenset(reads), words)


def _command(seconds: float) -> list[str]:
    return ["/bin/sh", "-c", f"echo works; sleep {seconds}"]


def _script(cloud: Cloud, seconds: float) -> str:
    """Store a script that only sleeps: Spark's JVM starts with a session, and there is none."""
    key = f"sleep-{seconds}.py"
    body = f"import time\nprint('works', flush=True)\ntime.sleep({seconds})\n"
    cloud.client("s3").put_object(Bucket=BUCKET, Key=key, Body=body)
    return f"s3://{BUCKET}/{key}"


def _training(cloud: Cloud, name: str, seconds: float) -> Json:
    return {
        "RoleArn": ROLE,
        "AlgorithmSpecification": {
            "TrainingImage": "sh",
            "TrainingInputMode": "File",
            "ContainerEntrypoint": _command(seconds),
        },
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/out"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
    }


def _processing(cloud: Cloud, name: str, seconds: float) -> Json:
    machine = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
    return {
        "RoleArn": ROLE,
        "AppSpecification": {"ImageUri": "sh", "ContainerEntrypoint": _command(seconds)},
        "ProcessingResources": {"ClusterConfig": machine},
    }


def _glue(cloud: Cloud, name: str, seconds: float) -> Json:
    definition = {
        "Role": ROLE,
        "Command": {"Name": "pythonshell", "ScriptLocation": _script(cloud, seconds)},
        "ExecutionProperty": {"MaxConcurrentRuns": AT_ONCE},
    }
    return {"JobName": name, "Definition": definition}


def _emr(cloud: Cloud, name: str, seconds: float) -> Json:
    emr = cloud.client("emr-serverless")
    made = emr.create_application(name=name, releaseLabel="emr-7.1.0", type="SPARK")
    logged = {"cloudWatchLoggingConfiguration": {"enabled": True}}
    return {
        "applicationId": made["applicationId"],
        "executionRoleArn": ROLE,
        "jobDriver": {"sparkSubmit": {"entryPoint": _script(cloud, seconds)}},
        "configurationOverrides": {"monitoringConfiguration": logged},
    }


def _stock_sagemaker(noun: str, request: Callable[..., Json]) -> Callable[..., tuple[str, Json]]:
    def stock(cloud: Cloud, name: str, seconds: float) -> tuple[str, Json]:
        config = {f"{noun}JobName": name, **request(cloud, name, seconds)}
        options = {"config": config, "check_interval": 1}
        return f"{_AMAZON}.sagemaker.SageMaker{noun}Operator", options

    return stock


def _stock_glue(cloud: Cloud, name: str, seconds: float) -> tuple[str, Json]:
    cloud.client("glue").create_job(Name=name, **_glue(cloud, name, seconds)["Definition"])
    options = {"job_name": name, "job_poll_interval": 1, "waiter_delay": 1}
    return f"{_AMAZON}.glue.GlueJobOperator", options


def _stock_emr(cloud: Cloud, name: str, seconds: float) -> tuple[str, Json]:
    request = _emr(cloud, name, seconds)
    options = {
        "application_id": request["applicationId"],
        "execution_role_arn": ROLE,
        "job_driver": request["jobDriver"],
        "configuration_overrides": request["configurationOverrides"],
        "waiter_delay": 1,
    }
    return f"{_AMAZON}.emr.EmrServerlessStartJobOperator", options


def _sagemaker_jobs(noun: str) -> Callable[[Cloud, str, Json], Iterator[str]]:
    def jobs(cloud: Cloud, name: str, request: Json) -> Iterator[str]:
        pages = cloud.client("sagemaker").get_paginator(f"list_{noun.lower()}_jobs")
        # A name of ours is the DAG's and the task's, shortened, and a hash: that may have it too.
        prefix = f"{name.partition('-')[0]}-"
        for page in pages.paginate(NameContains=prefix):
            for one in page[f"{noun}JobSummaries"]:
                if one[f"{noun}JobName"].startswith(prefix):
                    yield one[f"{noun}JobStatus"]

    return jobs


def _glue_jobs(cloud: Cloud, name: str, request: Json) -> Iterator[str]:
    glue = cloud.client("glue")
    try:
        for page in glue.get_paginator("get_job_runs").paginate(JobName=name):
            yield from (run["JobRunState"] for run in page["JobRuns"])
    except glue.exceptions.EntityNotFoundException:
        return


def _emr_jobs(cloud: Cloud, name: str, request: Json) -> Iterator[str]:
    application = request.get("applicationId") or request["application_id"]
    pages = cloud.client("emr-serverless").get_paginator("list_job_runs")
    for page in pages.paginate(applicationId=application):
        yield from (run["state"] for run in page["jobRuns"])


def _sagemaker(noun: str, request: Callable[..., Json]) -> Kind:
    calls = _calls(
        f"sagemaker_{noun.lower()}", f"Describe{noun}Job", ended="Completed|Failed|Stopped"
    )
    return Kind(calls, request, _stock_sagemaker(noun, request), _sagemaker_jobs(noun))


_RUN_READS = ("GetJobRun", "GetJobRuns", "ListJobRuns")
KINDS = {
    "sagemaker_training": _sagemaker("Training", _training),
    "sagemaker_processing": _sagemaker("Processing", _processing),
    "glue": Kind(
        _calls("glue", *_RUN_READS, ended="SUCCEEDED|FAILED|STOPPED|TIMEOUT|ERROR"),
        *(_glue, _stock_glue, _glue_jobs),
    ),
    "emr_serverless": Kind(
        _calls("emr_serverless", *_RUN_READS, ended="SUCCESS|FAILED|CANCELLED"),
        *(_emr, _stock_emr, _emr_jobs),
    ),
}
