"""SageMaker batch transform jobs.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTransformJob.html
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.local import model_server
from airflow_ml_provider.local.containers import Container, download_input, last_lines
from airflow_ml_provider.local.job_runs import ask
from airflow_ml_provider.local.mounts import inside
from airflow_ml_provider.local.s3 import (
    DataError,
    download_file,
    download_prefix,
    extract_tar,
    upload_folder,
)
from airflow_ml_provider.local.sagemaker_jobs import FAILURE_REASON_CHARS, Noun
from airflow_ml_provider.local.sagemaker_jobs import operations as job_operations
from airflow_ml_provider.local.store import Job, now

if TYPE_CHECKING:
    from airflow_ml_provider.local.cloud import Cloud
    from airflow_ml_provider.local.process import Ended
    from airflow_ml_provider.local.protocol import Call, Identity, Json, Operations

# The service's own limit of a job: https://docs.aws.amazon.com/general/latest/gr/sagemaker.html
_MAX_SECONDS = 5 * 86_400
_DEFAULT_PAYLOAD_MB = 6
_MODEL, _CODE, _DEFAULT_CODE = "/opt/ml/model", "/opt/ml/code", "/opt/ml/model/code"
_DEFAULT_PROGRAM = "inference.py"
_WORK = "/opt/ml/transform"


def operations(cloud: Cloud) -> Operations:
    """Return the operations of transform jobs."""
    found = dict(job_operations(cloud, _NOUN))
    create = found["sagemaker", "CreateTransformJob"]

    def create_for_model(call: Call) -> Json:
        _model(cloud, call.identity, call.params["ModelName"])
        return create(call)

    return {**found, ("sagemaker", "CreateTransformJob"): create_for_model}


def _model(cloud: Cloud, identity: Identity, name: str) -> Json:
    client = cloud.clients("sagemaker", identity)
    return dict(ask(lambda: client.describe_model(ModelName=name)))


def _end(job: Job, status: str, **fields: object) -> None:
    at = now()
    ended = {"TransformJobStatus": status, "TransformEndTime": at, "LastModifiedTime": at}
    job.change(lambda _: {**ended, **fields})


def _fail(job: Job, reason: str) -> None:
    _end(job, "Failed", FailureReason=reason[:FAILURE_REASON_CHARS])


def _run(cloud: Cloud, job: Job) -> None:
    if job.stop_requested.is_set():
        _end(job, "Stopped")
        return
    job.change(lambda _: {"TransformStartTime": now(), "LastModifiedTime": now()})
    try:
        definition = _definition(cloud, job)
        container = Container(
            cloud, job, definition.get("Image", ""), "/aws/sagemaker/TransformJobs"
        )
        with container.log:
            ended = _transform(cloud, container, definition)
        # What could be transformed is there, even if another object was bad.
        output = job.request["TransformOutput"]["S3OutputPath"]
        upload_folder(cloud.client("s3", job), container.make(f"{_WORK}/output"), output)
    except DataError as error:
        _fail(job, f"ClientError: {error}")
        return
    if ended.cause == "stopped":
        _end(job, "Stopped")
    elif ended.cause == "timeout" or ended.exit_code:
        _fail(job, f"AlgorithmError: {last_lines(ended.stderr)}")
    else:
        _end(job, "Completed")


def _definition(cloud: Cloud, job: Job) -> Json:
    """Return the one container of the job's model; a model package stands for its own."""
    name = job.request["ModelName"]
    model = _model(cloud, job.identity, name)
    containers = model.get("Containers") or [model.get("PrimaryContainer") or {}]
    if len(containers) > 1:
        raise DataError(f"model {name} has {len(containers)} containers; the local AWS runs one")
    definition = dict(containers[0])
    package = definition.get("ModelPackageName")
    if package:
        client = cloud.client("sagemaker", job)
        found = ask(lambda: client.describe_model_package(ModelPackageName=package))
        definition = {**found["InferenceSpecification"]["Containers"][0], **definition}
    return definition


def _transform(cloud: Cloud, container: Container, definition: Json) -> Ended:
    job = container.job
    request = job.request
    _refuse(request)
    s3 = cloud.client("s3", job)
    _download_model(s3, container, definition)
    environment = {**definition.get("Environment", {}), **request.get("Environment", {})}
    program, code = _script(s3, container, environment)
    source = request["TransformInput"]["DataSource"]["S3DataSource"]
    download_input(s3, source, container.make(f"{_WORK}/input"))
    container.make(f"{_WORK}/output")
    if request["TransformResources"]["InstanceCount"] > 1:
        container.note("InstanceCount is more than 1: one process runs, one object at a time")
    settings = _settings(request, program, code)
    container.write_json(f"{_WORK}/settings.json", asdict(settings))
    server = inside(container.ml, f"{_WORK}/model_server.py")
    server.write_text(Path(model_server.__file__).read_text(encoding="utf-8"), encoding="utf-8")
    env = {
        "SAGEMAKER_BATCH": "true",
        "SAGEMAKER_BATCH_STRATEGY": request.get("BatchStrategy", "MultiRecord"),
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": str(settings.max_payload_mb),
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": str(request.get("MaxConcurrentTransforms", 1)),
        **environment,
    }
    argv = ("python3", f"{_WORK}/model_server.py", f"{_WORK}/settings.json")
    return container.run(argv, env, timeout_seconds=_MAX_SECONDS, cwd=code)


def _refuse(request: Json) -> None:
    processing = request.get("DataProcessing", {})
    joined = processing.get("JoinSource", "None") != "None"
    if joined or any(processing.get(key, "$") != "$" for key in ("InputFilter", "OutputFilter")):
        raise DataError("the local AWS has no DataProcessing: filter and join in the script")
    split = request["TransformInput"].get("SplitType", "None")
    if split not in ("None", "Line"):
        raise DataError(f"the local AWS splits by Line or not at all, not by {split}")


def _download_model(s3: Any, container: Container, definition: Json) -> None:
    folder = container.make(_MODEL)
    uri = definition.get("ModelDataUrl")
    source = definition.get("ModelDataSource", {}).get("S3DataSource")
    try:
        if source and source["CompressionType"] == "None":
            download_prefix(s3, source["S3Uri"], folder)
        elif source or uri:
            archive = source["S3Uri"] if source else uri
            extract_tar(download_file(s3, str(archive), container.folder), folder)
    except DataError as error:
        raise DataError(f"Failed to download model data: {error}") from error


def _script(s3: Any, container: Container, environment: Json) -> tuple[str, str]:
    """Return the inference script and the folder it lies in, as the container sees them."""
    program = environment.get("SAGEMAKER_PROGRAM")
    source = environment.get("SAGEMAKER_SUBMIT_DIRECTORY") or _DEFAULT_CODE
    if source.startswith("s3://"):
        archive = download_file(s3, source, container.make(f"{_WORK}/source"))
        extract_tar(archive, container.make(_CODE))
        source = _CODE
    try:
        script = inside(container.ml, f"{source}/{program or _DEFAULT_PROGRAM}")
    except ValueError as error:
        raise DataError(str(error)) from error
    if not script.is_file():
        if program:
            raise DataError(f"{program} (SAGEMAKER_PROGRAM) is not in {source}")
        raise DataError(
            f"the local AWS pulls no images, so it can't serve a model with {container.image!r}: "
            "give the model the variables SAGEMAKER_PROGRAM and SAGEMAKER_SUBMIT_DIRECTORY, or "
            "put code/inference.py into its artifact"
        )
    if (script.parent / "requirements.txt").exists():
        container.note("requirements.txt is not installed: the job uses this machine's Python")
    return program or _DEFAULT_PROGRAM, source


def _settings(request: Json, program: str, code: str) -> model_server.Settings:
    given, wanted = request["TransformInput"], request["TransformOutput"]
    return model_server.Settings(
        program=program,
        code=code,
        model=_MODEL,
        input=f"{_WORK}/input",
        output=f"{_WORK}/output",
        content_type=given.get("ContentType", ""),
        accept=wanted.get("Accept", ""),
        split=given.get("SplitType", "None"),
        single_record=request.get("BatchStrategy") == "SingleRecord",
        assemble_lines=wanted.get("AssembleWith") == "Line",
        gzipped=given.get("CompressionType") == "Gzip",
        max_payload_mb=request.get("MaxPayloadInMB", _DEFAULT_PAYLOAD_MB),
    )


_NOUN = Noun(
    title="TransformJob",
    resource="transform-job",
    words="transform job",
    summary=(
        *("TransformJobName", "TransformJobArn", "CreationTime", "TransformEndTime"),
        *("LastModifiedTime", "TransformJobStatus", "FailureReason"),
    ),
    problems=lambda _: [],
    create=lambda _: {},
    stopping=lambda _: {"LastModifiedTime": now()},
    run=_run,
    fail=_fail,
)
