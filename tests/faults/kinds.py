"""What the fault tests know of each kind of job: a cheap job, its calls, the stock operator.

A new kind of the registry is one more line of ``KINDS``.
"""

from __future__ import annotations

import io
import json
import math
import re
import tarfile
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
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
_TUNING_NAME = 32  # characters at most
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


def _calls(kind: str, *reads: str, ended: str, field: str = r"\w*([sS]tate|Status)") -> JobCalls:
    words = re.compile(rf'"{field}":\s*"({ended})"'.encode())
    return JobCalls(REGISTRY[kind].operation, frozenset(reads), words)


def _command(seconds: float) -> list[str]:
    return ["/bin/sh", "-c", f"echo works; sleep {seconds}"]


def _script(cloud: Cloud, seconds: float) -> str:
    """Store a script that only sleeps: Spark's JVM starts with a session, and there is none."""
    key = f"sleep-{seconds}.py"
    body = f"import time\nprint('works', flush=True)\ntime.sleep({seconds})\n"
    cloud.client("s3").put_object(Bucket=BUCKET, Key=key, Body=body)
    return f"s3://{BUCKET}/{key}"


def _archive(cloud: Cloud, key: str, name: str, text: str) -> str:
    """Store an archive of one file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        info = tarfile.TarInfo(name)
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text.encode()))
    cloud.client("s3").put_object(Bucket=BUCKET, Key=key, Body=buffer.getvalue())
    return f"s3://{BUCKET}/{key}"


def _given(cloud: Cloud) -> Json:
    """Store what a job reads."""
    cloud.client("s3").put_object(Bucket=BUCKET, Key="in/a.csv", Body=b"1\n")
    return {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/in/"}


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


def _transform(cloud: Cloud, name: str, seconds: float) -> Json:
    model = f"sleep-{seconds}".replace(".", "-")
    code = (
        "import time\nprint('works', flush=True)\n"
        f"def model_fn(folder): time.sleep({seconds})\n"
        "def transform_fn(model, data, content_type, accept): return data\n"
    )
    artifact = _archive(cloud, f"{model}.tar.gz", "code/inference.py", code)
    with suppress(ClientError):  # another cell has made it
        cloud.client("sagemaker").create_model(
            ModelName=model,
            PrimaryContainer={"Image": "python", "ModelDataUrl": artifact},
            ExecutionRoleArn=ROLE,
        )
    source = {"S3DataSource": _given(cloud)}
    return {
        "ModelName": model,
        "TransformInput": {"DataSource": source, "ContentType": "text/csv"},
        "TransformOutput": {"S3OutputPath": f"s3://{BUCKET}/out/{name}/"},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
    }


def _tuning(cloud: Cloud, name: str, seconds: float) -> Json:
    code = f"import time\nprint('works: score=1;', flush=True)\ntime.sleep({seconds})\n"
    settings = {
        "sagemaker_program": "train.py",
        "sagemaker_submit_directory": _archive(cloud, f"train-{seconds}.tar.gz", "train.py", code),
    }
    training = _training(cloud, name, seconds)
    training["AlgorithmSpecification"] = {
        "TrainingImage": "python",
        "TrainingInputMode": "File",
        "MetricDefinitions": [{"Name": "score", "Regex": "score=(.*);"}],
    }
    ranges = {"CategoricalParameterRanges": [{"Name": "x", "Values": ["1"]}]}
    return {
        "HyperParameterTuningJobConfig": {
            "Strategy": "Grid",
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "score"},
            # The stock operator wants a number for a grid too, and inputs.
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 1},
            "ParameterRanges": ranges,
        },
        "TrainingJobDefinition": {
            **training,
            "StaticHyperParameters": settings,
            "InputDataConfig": [
                {"ChannelName": "in", "DataSource": {"S3DataSource": _given(cloud)}}
            ],
        },
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


def _machine(cloud: Cloud, name: str, seconds: float) -> Json:
    wait = {"Type": "Wait", "Seconds": math.ceil(seconds), "End": True}
    definition = json.dumps({"StartAt": "wait", "States": {"wait": wait}})
    made = cloud.client("stepfunctions").create_state_machine(
        name=name, definition=definition, roleArn=ROLE
    )
    return {"stateMachineArn": made["stateMachineArn"], "input": {}}


def _pipeline(cloud: Cloud, name: str, seconds: float) -> Json:
    step = {"Name": "wait", "Type": "Processing", "Arguments": _processing(cloud, name, seconds)}
    definition = json.dumps({"Version": "2020-12-01", "Steps": [step]})
    cloud.client("sagemaker").create_pipeline(
        PipelineName=name,
        PipelineDefinition=definition,
        RoleArn=ROLE,
        ClientRequestToken=name.ljust(32, "0"),
    )
    return {"PipelineName": name}


def _stock_sagemaker(noun: str, request: Callable[..., Json]) -> Callable[..., tuple[str, Json]]:
    # The operator leaves the first half of this noun out.
    short = noun.removeprefix("HyperParameter")

    def stock(cloud: Cloud, name: str, seconds: float) -> tuple[str, Json]:
        named = name if short == noun else name[:_TUNING_NAME].rstrip("-")
        config = {f"{noun}JobName": named, **request(cloud, name, seconds)}
        options = {"config": config, "check_interval": 1}
        return f"{_AMAZON}.sagemaker.SageMaker{short}Operator", options

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


def _stock_machine(cloud: Cloud, name: str, seconds: float) -> tuple[str, Json]:
    machine = _machine(cloud, name, seconds)["stateMachineArn"]
    options = {"state_machine_arn": machine, "waiter_delay": 1, "waiter_max_attempts": 600}
    return f"{_AMAZON}.step_function.StepFunctionStartExecutionOperator", options


def _stock_pipeline(cloud: Cloud, name: str, seconds: float) -> tuple[str, Json]:
    options = {"pipeline_name": _pipeline(cloud, name, seconds)["PipelineName"]}
    options |= {"wait_for_completion": True, "check_interval": 1}
    return f"{_AMAZON}.sagemaker.SageMakerStartPipelineOperator", options


def _sagemaker_jobs(noun: str) -> Callable[[Cloud, str, Json], Iterator[str]]:
    def jobs(cloud: Cloud, name: str, request: Json) -> Iterator[str]:
        words = re.sub(r"(?<!^)(?=[A-Z])", "_", noun).lower()
        pages = cloud.client("sagemaker").get_paginator(f"list_{words}_jobs")
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


def _machine_jobs(cloud: Cloud, name: str, request: Json) -> Iterator[str]:
    machine = request.get("stateMachineArn") or request["state_machine_arn"]
    pages = cloud.client("stepfunctions").get_paginator("list_executions")
    for page in pages.paginate(stateMachineArn=machine):
        yield from (execution["status"] for execution in page["executions"])


def _pipeline_jobs(cloud: Cloud, name: str, request: Json) -> Iterator[str]:
    pages = cloud.client("sagemaker").get_paginator("list_pipeline_executions")
    for page in pages.paginate(PipelineName=name):
        for execution in page["PipelineExecutionSummaries"]:
            yield execution["PipelineExecutionStatus"]


def _sagemaker(noun: str, request: Callable[..., Json]) -> Kind:
    calls = _calls(
        f"sagemaker_{noun.removeprefix('HyperParameter').lower()}",
        f"Describe{noun}Job",
        ended="Completed|Failed|Stopped",
        field=f"{noun}JobStatus",
    )
    return Kind(calls, request, _stock_sagemaker(noun, request), _sagemaker_jobs(noun))


_RUN_READS = ("GetJobRun", "GetJobRuns", "ListJobRuns")
KINDS = {
    "sagemaker_training": _sagemaker("Training", _training),
    "sagemaker_processing": _sagemaker("Processing", _processing),
    "sagemaker_transform": _sagemaker("Transform", _transform),
    "sagemaker_tuning": _sagemaker("HyperParameterTuning", _tuning),
    "glue": Kind(
        _calls("glue", *_RUN_READS, ended="SUCCEEDED|FAILED|STOPPED|TIMEOUT|ERROR"),
        *(_glue, _stock_glue, _glue_jobs),
    ),
    "emr_serverless": Kind(
        _calls("emr_serverless", *_RUN_READS, ended="SUCCESS|FAILED|CANCELLED"),
        *(_emr, _stock_emr, _emr_jobs),
    ),
    "step_functions_execution": Kind(
        _calls(
            "step_functions_execution",
            *("DescribeExecution", "ListExecutions"),
            ended="SUCCEEDED|FAILED|TIMED_OUT|ABORTED",
            field="status",
        ),
        *(_machine, _stock_machine, _machine_jobs),
    ),
    "sagemaker_pipeline_execution": Kind(
        _calls(
            "sagemaker_pipeline_execution",
            *("DescribePipelineExecution", "ListPipelineExecutions"),
            ended="Succeeded|Failed|Stopped",
            field="PipelineExecutionStatus",
        ),
        *(_pipeline, _stock_pipeline, _pipeline_jobs),
    ),
}
