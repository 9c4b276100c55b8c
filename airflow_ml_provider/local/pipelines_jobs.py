"""Steps that run a job or create a resource: they call the same API as everybody."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.local.pipelines_retry import SERVICE_FAULT, THROTTLING, job_exception
from airflow_ml_provider.local.pipelines_run import StepFailure, StepRun, StepStopped

if TYPE_CHECKING:
    from airflow_ml_provider.local.protocol import Json

_DESCRIBE_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class JobApi:
    """How a service spells a kind of job.

    Args:
        title: as in the operations' names.
        method: as in boto3's methods.
        metadata: as in the step's metadata.
        resource: as in ARNs.
        cached: the arguments that make two runs the same; all if empty.
        name_chars: how long a name may be.

    """

    title: str
    method: str
    metadata: str
    resource: str
    cached: tuple[str, ...]
    name_chars: int = 63


# https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-default-keys.html
JOBS = {
    "Processing": JobApi(
        *("ProcessingJob", "processing_job", "ProcessingJob", "processing-job"),
        ("AppSpecification", "Environment", "ProcessingInputs"),
    ),
    "Training": JobApi(
        *("TrainingJob", "training_job", "TrainingJob", "training-job"),
        (
            *("AlgorithmSpecification", "CheckpointConfig", "DebugHookConfig"),
            *("DebugRuleConfigurations", "Environment", "HyperParameters", "InputDataConfig"),
        ),
    ),
    "Transform": JobApi(
        *("TransformJob", "transform_job", "TransformJob", "transform-job"),
        ("DataProcessing", "Environment", "ModelName", "TransformInput"),
    ),
    "Tuning": JobApi(
        *("HyperParameterTuningJob", "hyper_parameter_tuning_job", "TuningJob"),
        "hyper-parameter-tuning-job",
        ("HyperParameterTuningJobConfig", "TrainingJobDefinition", "TrainingJobDefinitions"),
        32,
    ),
}


def run_job(run: StepRun, request: Json) -> None:
    """Run a SageMaker job to its end.

    Raises:
        StepFailure: if it can't be created or doesn't complete.
        StepStopped: if it was stopped with the execution.

    """
    api = JOBS[run.step.type]
    field, status = f"{api.title}Name", f"{api.title}Status"
    name = run.new_name(api.name_chars, request.get(field))
    tags = [*request.get("Tags", ()), *_tags(run)]
    try:
        run.call("sagemaker", f"create_{api.method}", **{**request, field: name, "Tags": tags})
    except StepFailure as failure:
        # The name is ours alone: an earlier try got through, though its answer didn't.
        if failure.code != "ResourceInUse":
            raise
    arn = run.record.identity.arn("sagemaker", f"{api.resource}/{name}")
    run.record.set(Metadata={api.metadata: {"Arn": arn}})
    described = _until_ended(run, api, name)
    if described[status] != "Completed":
        run.name = None  # a retry is another job
    if described[status] == "Failed":
        reason = described.get("FailureReason", "no reason is given")
        raise StepFailure(f"ClientError: {reason}", job_exception(reason))
    if described[status] == "Stopped":
        if run.stop.is_set():
            raise StepStopped
        raise StepFailure(f"ClientError: {api.title} {name} was stopped or ran out of time")
    if run.step.type == "Tuning":
        listed = run.call(
            "sagemaker",
            "list_training_jobs_for_hyper_parameter_tuning_job",
            HyperParameterTuningJobName=name,
            SortBy="FinalObjectiveMetricValue",
        )
        described = {**described, **listed}
    run.record.properties = described


def _tags(run: StepRun) -> list[Json]:
    # AWS marks what a pipeline starts, which needs sagemaker:AddTags.
    return [
        {"Key": "sagemaker:pipeline-execution-arn", "Value": run.execution_arn},
        {"Key": "sagemaker:pipeline-step-name", "Value": run.step.name},
    ]


def _until_ended(run: StepRun, api: JobApi, name: str) -> Json:
    field, status = f"{api.title}Name", f"{api.title}Status"
    stopping = False
    while True:
        job = run.cloud.store.find(api.resource, run.record.identity, name)
        # Looking into the store spares the many requests of a quick poll.
        if job is None or job.document[status] in ("Completed", "Failed", "Stopped"):
            described = _patient(run, f"describe_{api.method}", **{field: name})
            if described and described[status] in ("Completed", "Failed", "Stopped"):
                return described
            run.pause(_DESCRIBE_POLL_SECONDS)
        if run.stop.is_set() and not stopping:
            run.record.set(StepStatus="Stopping")
            _patient(run, f"stop_{api.method}", **{field: name})
            stopping = True
        run.pause()


def _patient(run: StepRun, method: str, service: str = "sagemaker", **request: Any) -> Json | None:
    """Return an answer, or None if AWS has none at the moment."""
    try:
        return run.call(service, method, **request)
    except StepFailure as failure:
        if failure.exception in (THROTTLING, SERVICE_FAULT) or method.startswith("stop_"):
            return None
        raise


def create_model(run: StepRun, request: Json) -> None:
    """Create a model.

    Raises:
        StepFailure: if AWS refuses it.

    """
    name = run.new_name(63, request.get("ModelName"))
    try:
        run.call("sagemaker", "create_model", **{**request, "ModelName": name})
    except StepFailure as failure:
        if "already exist" not in failure.reason:
            raise
    found = run.call("sagemaker", "describe_model", ModelName=name)
    run.record.set(Metadata={"Model": {"Arn": found["ModelArn"]}})
    run.record.properties = found


def register_model(run: StepRun, request: Json) -> None:
    """Create a model package, and its group if there is none of that name.

    Raises:
        StepFailure: if AWS refuses it.

    """
    group = request.get("ModelPackageGroupName")
    if group:
        _ensure_group(run, group)
    run.name = run.name or secrets.token_hex(18)
    created = run.call("sagemaker", "create_model_package", **request, ClientToken=run.name)
    arn = created["ModelPackageArn"]
    run.record.set(Metadata={"RegisterModel": {"Arn": arn}})
    run.record.properties = run.call("sagemaker", "describe_model_package", ModelPackageName=arn)


def _ensure_group(run: StepRun, group: str) -> None:
    try:
        run.call("sagemaker", "describe_model_package_group", ModelPackageGroupName=group)
    except StepFailure as failure:
        if failure.exception or failure.code not in ("ValidationException", "ResourceNotFound"):
            raise
    else:
        return
    try:
        run.call("sagemaker", "create_model_package_group", ModelPackageGroupName=group)
    except StepFailure as failure:
        if "already exists" not in failure.reason:
            raise


def run_emr_serverless(run: StepRun, request: Json) -> None:
    """Run a job on EMR Serverless, in an application that is there or one for this run alone.

    Raises:
        StepFailure: if AWS refuses it or it doesn't succeed.
        StepStopped: if it was stopped with the execution.

    """
    run.name = run.name or secrets.token_hex(18)
    application = request.get("ApplicationId")
    config = request.get("ApplicationConfig")
    if not application:
        token = {"clientToken": run.name}
        created = run.call("emr-serverless", "create_application", **(config or {}), **token)
        application = created["applicationId"]
    job = {**request["JobConfig"], "applicationId": application}
    job.setdefault("executionRoleArn", request.get("ExecutionRoleArn"))
    try:
        started = run.call("emr-serverless", "start_job_run", **job, clientToken=run.name)
        described = _until_run_ended(run, started)
    finally:
        if config:
            run.name = None
            run.call("emr-serverless", "stop_application", applicationId=application)
            run.call("emr-serverless", "delete_application", applicationId=application)
    state = described["state"]
    if state != "SUCCESS":
        run.name = None  # a retry is another run
    if state == "CANCELLED" and run.stop.is_set():
        raise StepStopped
    if state != "SUCCESS":
        raise StepFailure(f"ClientError: {described.get('stateDetails') or f'it ended {state}'}")
    run.record.properties = {**described, "jobRun": described}


def _until_run_ended(run: StepRun, started: Json) -> Json:
    ids = {"applicationId": started["applicationId"], "jobRunId": started["jobRunId"]}
    stopping = False
    while True:
        found = _patient(run, "get_job_run", "emr-serverless", **ids)
        if found and found["jobRun"]["state"] in ("SUCCESS", "FAILED", "CANCELLED"):
            return dict(found["jobRun"])
        if run.stop.is_set() and not stopping:
            run.record.set(StepStatus="Stopping")
            run.call("emr-serverless", "cancel_job_run", **ids)
            stopping = True
        run.pause(_DESCRIBE_POLL_SECONDS)


def cache_key(step_type: str, request: Json, target: Any) -> str:
    """Return what two runs of a step must have in common for one to stand for the other."""
    names = JOBS[step_type].cached if step_type in JOBS else tuple(request)
    return json.dumps([target, {name: request.get(name) for name in names}], sort_keys=True)
