"""SageMaker training jobs.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_ml_provider.local.containers import (
    Container,
    download_input,
    last_lines,
    resource_config,
)
from airflow_ml_provider.local.metrics import MetricScraper
from airflow_ml_provider.local.mounts import ML_ROOT
from airflow_ml_provider.local.rules import problem
from airflow_ml_provider.local.s3 import (
    DataError,
    download_file,
    download_prefix,
    extract_tar,
    join_uri,
    upload_folder,
    upload_tar,
)
from airflow_ml_provider.local.sagemaker_jobs import FAILURE_REASON_CHARS, Noun, create
from airflow_ml_provider.local.sagemaker_jobs import operations as job_operations
from airflow_ml_provider.local.sagemaker_jobs import stop as stop_job
from airflow_ml_provider.local.script_mode import Script, read_script, user_script_error, variables
from airflow_ml_provider.local.store import Job, now

if TYPE_CHECKING:
    from airflow_ml_provider.local.cloud import Cloud
    from airflow_ml_provider.local.process import Ended
    from airflow_ml_provider.local.protocol import Identity, Json, Operations

DEFAULT_MAX_SECONDS = 86_400
_REQUIRED = ("AlgorithmSpecification", "ResourceConfig", "StoppingCondition")
_CODE = "/opt/ml/code"
_MESSAGES = {
    "Starting": "Launching requested ML instances",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Uploading": "Uploading generated training model",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopping": "Stopping the training job",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
}


def operations(cloud: Cloud) -> Operations:
    """Return the operations of training jobs."""
    return job_operations(cloud, _NOUN)


def start(cloud: Cloud, identity: Identity, request: Json) -> Job:
    """Start a training job for another job.

    Raises:
        AwsError: if CreateTrainingJob refuses it.

    """
    return create(cloud, _NOUN, identity, request)


def stop(cloud: Cloud, job: Job) -> None:
    """Ask such a job to stop.

    Raises:
        AwsError: if it has ended.

    """
    stop_job(cloud, _NOUN, job)


def _problems(request: Json) -> list[str]:
    # The model asks for none of them, because serverless customization jobs have none.
    found = [
        problem(None, name[0].lower() + name[1:], "Member must not be null")
        for name in _REQUIRED
        if name not in request
    ]
    algorithm = request.get("AlgorithmSpecification", {})
    if algorithm and ("TrainingImage" in algorithm) == ("AlgorithmName" in algorithm):
        found.append(
            problem(
                algorithm.get("TrainingImage"),
                "algorithmSpecification.trainingImage",
                "exactly one of TrainingImage and AlgorithmName must be set",
            )
        )
    path = _checkpoints(request)
    if path and (not path.startswith(f"{ML_ROOT}/") or ".." in path.split("/")):
        where = "checkpointConfig.localPath"
        found.append(problem(path, where, f"Member must be a path below {ML_ROOT} here"))
    names = [channel["ChannelName"] for channel in request.get("InputDataConfig", ())]
    if len(set(names)) < len(names):
        found.append(problem(names, "inputDataConfig", "channel names must be unique"))
    return found


def _checkpoints(request: Json) -> str | None:
    config = request.get("CheckpointConfig")
    return str(config.get("LocalPath", "/opt/ml/checkpoints")) if config else None


def _moved(document: Json, secondary: str) -> Json:
    at = now()
    past = list(document.get("SecondaryStatusTransitions", ()))
    if past:
        past[-1] = {**past[-1], "EndTime": at}
    entry = {"Status": secondary, "StartTime": at, "StatusMessage": _MESSAGES[secondary]}
    if secondary in ("Completed", "Failed", "Stopped", "MaxRuntimeExceeded"):
        entry["EndTime"] = at
    return {
        "SecondaryStatus": secondary,
        "SecondaryStatusTransitions": [*past, entry],
        "LastModifiedTime": at,
    }


def _created(job: Job) -> Json:
    flags = (
        "EnableNetworkIsolation",
        "EnableInterContainerTrafficEncryption",
        "EnableManagedSpotTraining",
    )
    return {**{flag: job.request.get(flag, False) for flag in flags}, **_moved({}, "Starting")}


def _enter(job: Job, secondary: str, **fields: object) -> None:
    # A job that is being stopped keeps saying so, whatever it still does.
    def change(document: Json) -> Json:
        if document["TrainingJobStatus"] != "InProgress":
            return fields
        return {**_moved(document, secondary), **fields}

    job.change(change)


def _end(job: Job, status: str, secondary: str | None = None, **fields: object) -> None:
    def change(document: Json) -> Json:
        moved = _moved(document, secondary or status)
        at = moved["LastModifiedTime"]
        started = document.get("TrainingStartTime")
        seconds = max(1, round((at - started).total_seconds())) if started else 0
        timed = {"TrainingTimeInSeconds": seconds, "BillableTimeInSeconds": seconds}
        ended = {"TrainingJobStatus": status, "TrainingEndTime": at}
        return {**moved, **ended, **(timed if started else {}), **fields}

    job.change(change)


def _fail(job: Job, reason: str) -> None:
    _end(job, "Failed", FailureReason=reason[:FAILURE_REASON_CHARS])


def _run(cloud: Cloud, job: Job) -> None:
    if job.stop_requested.is_set():
        _end(job, "Stopped")
        return
    request = job.request
    image = request["AlgorithmSpecification"].get("TrainingImage", "")
    container = Container(cloud, job, image, "/aws/sagemaker/TrainingJobs")
    scraper = MetricScraper(request["AlgorithmSpecification"].get("MetricDefinitions", ()))
    try:
        with container.log:
            container.log.listen(scraper.read)
            script, ended = _train(cloud, container)
        _enter(job, "Uploading", **scraper.final())
        _upload(cloud, container, keep_model=ended.cause != "exited" or ended.exit_code == 0)
    except DataError as error:
        _fail(job, f"ClientError: {error}")
        return
    if ended.cause == "stopped":
        _end(job, "Stopped")
    elif ended.cause == "timeout":
        _end(job, "Stopped", "MaxRuntimeExceeded")
    elif ended.exit_code:
        _fail(job, _failure(container, script, ended))
    else:
        _end(job, "Completed")


def _train(cloud: Cloud, container: Container) -> tuple[Script | None, Ended]:
    job = container.job
    request = job.request
    s3 = cloud.client("s3", job)
    _enter(job, "Downloading", TrainingStartTime=now())
    for path in ("/opt/ml/model", "/opt/ml/output/data", _CODE):
        container.make(path)
    for channel in request.get("InputDataConfig", ()):
        _download_channel(s3, container, channel)
    checkpoints = _checkpoints(request)
    if checkpoints:  # a first run has none yet
        uri = request["CheckpointConfig"]["S3Uri"]
        download_prefix(s3, uri, container.make(checkpoints), required=False)
    algorithm = request["AlgorithmSpecification"]
    entry = algorithm.get("ContainerEntrypoint")
    script = None if entry else read_script(request.get("HyperParameters", {}))
    env = _configure(container, script)
    cwd = ML_ROOT
    if entry:
        argv = (*entry, *algorithm.get("ContainerArguments", ()))
    elif script:
        _fetch_source(s3, container, script)
        argv, cwd = script.command, _CODE
    else:
        raise DataError(
            f"the local AWS pulls no images, so it can't run the algorithm in {container.image!r}: "
            "give AlgorithmSpecification.ContainerEntrypoint, or the hyperparameters "
            "sagemaker_program and sagemaker_submit_directory"
        )
    _enter(job, "Training")
    seconds = request["StoppingCondition"].get("MaxRuntimeInSeconds", DEFAULT_MAX_SECONDS)
    return script, container.run(argv, env, timeout_seconds=seconds, cwd=cwd)


def _download_channel(s3: Any, container: Container, channel: Json) -> None:
    name = channel["ChannelName"]
    source = channel["DataSource"].get("S3DataSource")
    mode = channel.get("InputMode") or container.job.request["AlgorithmSpecification"].get(
        "TrainingInputMode"
    )
    if source is None or mode == "Pipe":
        raise DataError(
            f"channel {name}: the local AWS reads S3DataSource in File or FastFile mode only"
        )
    try:
        download_input(s3, source, container.make(f"/opt/ml/input/data/{name}"))
    except DataError as error:
        raise DataError(f"Data download failed for channel {name}: {error}") from error


def _configure(container: Container, script: Script | None) -> dict[str, str]:
    job = container.job
    request = job.request
    config = "/opt/ml/input/config"
    algorithm = request["AlgorithmSpecification"]
    instance_type = request["ResourceConfig"].get("InstanceType", "local")
    if request["ResourceConfig"].get("InstanceCount", 1) > 1:
        container.note("InstanceCount is more than 1: one process runs, as algo-1")
    resources = resource_config(instance_type)
    inputs = {
        channel["ChannelName"]: {
            "TrainingInputMode": channel.get("InputMode", algorithm.get("TrainingInputMode")),
            "S3DistributionType": channel["DataSource"]
            .get("S3DataSource", {})
            .get("S3DataDistributionType", "FullyReplicated"),
            "RecordWrapperType": channel.get("RecordWrapperType", "None"),
            "ContentType": channel.get("ContentType"),
        }
        for channel in request.get("InputDataConfig", ())
    }
    container.write_json(f"{config}/hyperparameters.json", request.get("HyperParameters", {}))
    container.write_json(f"{config}/inputdataconfig.json", inputs)
    container.write_json(f"{config}/resourceconfig.json", resources)
    container.write_json(f"{config}/trainingjobconfig.json", request)
    toolkit = (
        variables(
            script,
            job_name=job.name,
            channels=list(inputs),
            input_config=inputs,
            resource_config=resources,
        )
        if script
        else {}
    )
    return {
        **toolkit,
        "TRAINING_JOB_NAME": job.name,
        "TRAINING_JOB_ARN": job.document["TrainingJobArn"],
        **request.get("Environment", {}),
    }


def _fetch_source(s3: Any, container: Container, script: Script) -> None:
    code = container.make(_CODE)
    if script.source and script.source.startswith("s3://"):
        extract_tar(download_file(s3, script.source, container.folder), code)
    program = code / script.program
    if not program.is_file():
        raise DataError(f"{script.program} (sagemaker_program) is not in {script.source or _CODE}")
    if (code / "requirements.txt").exists():
        container.note("requirements.txt is not installed: the job uses this machine's Python")


def _upload(cloud: Cloud, container: Container, *, keep_model: bool) -> None:
    job = container.job
    s3 = cloud.client("s3", job)
    base = join_uri(job.request["OutputDataConfig"]["S3OutputPath"], job.name, "output")
    try:
        if keep_model:
            model = join_uri(base, "model.tar.gz")
            upload_tar(s3, container.make("/opt/ml/model"), model)
            job.change(lambda _: {"ModelArtifacts": {"S3ModelArtifacts": model}})
        data = container.make("/opt/ml/output/data")
        if any(data.iterdir()):
            upload_tar(s3, data, join_uri(base, "output.tar.gz"))
        checkpoints = _checkpoints(job.request)
        if checkpoints:
            uri = job.request["CheckpointConfig"]["S3Uri"]
            upload_folder(s3, container.make(checkpoints), uri)
    except DataError as error:
        raise DataError(f"Artifact upload failed: {error}") from error


def _failure(container: Container, script: Script | None, ended: Ended) -> str:
    said = container.read_message("/opt/ml/output/failure")
    error = last_lines(ended.stderr)
    if script and not said:
        said = user_script_error(ended.exit_code, error, script.command)
    return f"AlgorithmError: {said or error}, exit code: {ended.exit_code}"


_NOUN = Noun(
    title="TrainingJob",
    resource="training-job",
    words="training job",
    summary=(
        *("TrainingJobName", "TrainingJobArn", "CreationTime", "TrainingEndTime"),
        *("LastModifiedTime", "TrainingJobStatus", "SecondaryStatus"),
    ),
    problems=_problems,
    create=_created,
    stopping=lambda document: _moved(document, "Stopping"),
    run=_run,
    fail=_fail,
)
