"""SageMaker processing jobs.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateProcessingJob.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_ml_provider.local.containers import (
    Container,
    download_input,
    last_lines,
    resource_config,
)
from airflow_ml_provider.local.rules import problem
from airflow_ml_provider.local.s3 import DataError, upload_folder
from airflow_ml_provider.local.sagemaker_jobs import FAILURE_REASON_CHARS, Noun
from airflow_ml_provider.local.sagemaker_jobs import operations as job_operations
from airflow_ml_provider.local.store import Job, now

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_ml_provider.local.cloud import Cloud
    from airflow_ml_provider.local.process import Ended
    from airflow_ml_provider.local.protocol import Json, Operations

DEFAULT_MAX_SECONDS = 86_400
_INPUT_ROOT = "/opt/ml/processing/"
_OUTPUT_ROOT = "/opt/ml/"


def operations(cloud: Cloud) -> Operations:
    """Return the operations of processing jobs."""
    return job_operations(cloud, _NOUN)


def _inputs(request: Json) -> list[Json]:
    return list(request.get("ProcessingInputs", ()))


def _outputs(request: Json) -> list[Json]:
    return list(request.get("ProcessingOutputConfig", {}).get("Outputs", ()))


def _problems(request: Json) -> list[str]:
    return [
        *_path_problems("processingInputs", "Input", _inputs(request), _INPUT_ROOT),
        *_path_problems(
            "processingOutputConfig.outputs", "Output", _outputs(request), _OUTPUT_ROOT
        ),
    ]


def _path_problems(field: str, noun: str, items: list[Json], root: str) -> Iterator[str]:
    names = [item[f"{noun}Name"] for item in items]
    if len(set(names)) < len(names):
        yield problem(names, field, f"{noun.lower()} names must be unique")
    for n, item in enumerate(items, 1):
        if item.get("AppManaged"):
            continue
        path = item.get(f"S3{noun}", {}).get("LocalPath")
        if path is None or not path.startswith(root) or ".." in path.split("/"):
            where = f"{field}.{n}.member.s3{noun}.localPath"
            yield problem(path, where, f"Member must be a path that begins with {root}")


def _end(job: Job, status: str, **fields: object) -> None:
    at = now()
    ended = {"ProcessingJobStatus": status, "ProcessingEndTime": at, "LastModifiedTime": at}
    said = {name: value for name, value in fields.items() if value}
    job.change(lambda _: {**ended, **said})


def _fail(job: Job, reason: str) -> None:
    _end(job, "Failed", FailureReason=reason[:FAILURE_REASON_CHARS])


def _run(cloud: Cloud, job: Job) -> None:
    if job.stop_requested.is_set():
        _end(job, "Stopped")
        return
    image = job.request["AppSpecification"]["ImageUri"]
    container = Container(cloud, job, image, "/aws/sagemaker/ProcessingJobs")
    try:
        with container.log:
            ended = _process(cloud, container)
        done = ended.cause == "exited" and ended.exit_code == 0
        _upload(cloud.client("s3", job), container, done=done)
    except DataError as error:
        _fail(job, f"ClientError: {error}")
        return
    message = container.read_message("/opt/ml/output/message")
    if ended.cause != "exited":
        _end(job, "Stopped", ExitMessage=message)
    elif ended.exit_code:
        said = message or last_lines(ended.stderr)
        reason = f"AlgorithmError: {said}, exit code: {ended.exit_code}"
        _end(job, "Failed", FailureReason=reason[:FAILURE_REASON_CHARS], ExitMessage=message)
    else:
        _end(job, "Completed", ExitMessage=message)


def _process(cloud: Cloud, container: Container) -> Ended:
    job = container.job
    request = job.request
    job.change(lambda _: {"ProcessingStartTime": now(), "LastModifiedTime": now()})
    s3 = cloud.client("s3", job)
    for item in _inputs(request):
        source = item.get("S3Input")
        if source and not item.get("AppManaged"):
            _download(s3, container, item["InputName"], source)
    for item in _outputs(request):
        if not item.get("AppManaged"):
            container.make(item["S3Output"]["LocalPath"])
    container.make("/opt/ml/output")
    cluster = request["ProcessingResources"]["ClusterConfig"]
    if cluster["InstanceCount"] > 1:
        container.note("InstanceCount is more than 1: one process runs, as algo-1")
    container.write_json("/opt/ml/config/processingjobconfig.json", job.document)
    resources = resource_config(cluster["InstanceType"])
    container.write_json("/opt/ml/config/resourceconfig.json", resources)
    app = request["AppSpecification"]
    if not app.get("ContainerEntrypoint"):
        raise DataError(
            "the local AWS pulls no images, so it doesn't know the entrypoint of "
            f"{container.image!r}: give AppSpecification.ContainerEntrypoint"
        )
    env = {
        "PROCESSING_JOB_NAME": job.name,
        "PROCESSING_JOB_ARN": job.document["ProcessingJobArn"],
        **request.get("Environment", {}),
    }
    argv = (*app["ContainerEntrypoint"], *app.get("ContainerArguments", ()))
    seconds = request.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", DEFAULT_MAX_SECONDS)
    return container.run(argv, env, timeout_seconds=seconds)


def _download(s3: Any, container: Container, name: str, source: Json) -> None:
    try:
        download_input(s3, source, container.make(source["LocalPath"]))
    except DataError as error:
        raise DataError(f"Data download failed for input {name}: {error}") from error


def _upload(s3: Any, container: Container, *, done: bool) -> None:
    # EndOfJob outputs appear only when the job succeeded; Continuous ones would be there already.
    for item in _outputs(container.job.request):
        if item.get("AppManaged"):
            continue
        output = item["S3Output"]
        if not done and output["S3UploadMode"] != "Continuous":
            continue
        try:
            upload_folder(s3, container.make(output["LocalPath"]), output["S3Uri"])
        except DataError as error:
            raise DataError(
                f"Data upload failed for output {item['OutputName']}: {error}"
            ) from error


_NOUN = Noun(
    title="ProcessingJob",
    resource="processing-job",
    words="processing job",
    summary=(
        *("ProcessingJobName", "ProcessingJobArn", "CreationTime", "ProcessingEndTime"),
        *("LastModifiedTime", "ProcessingJobStatus", "FailureReason", "ExitMessage"),
    ),
    problems=_problems,
    create=lambda _: {},
    stopping=lambda _: {"LastModifiedTime": now()},
    run=_run,
    fail=_fail,
)
