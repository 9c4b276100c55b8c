"""Batch transform jobs, as AWS runs them."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

Json = dict[str, Any]
Client = Callable[[str], Any]
SCRIPT = """
import os, pathlib, helper
def model_fn(model_dir):
    return int(pathlib.Path(model_dir, "factor").read_text())
def input_fn(data, content_type):
    assert content_type == "text/csv", content_type
    return [int(line) for line in data.split()]
def predict_fn(numbers, factor):
    return [helper.times(number, factor) for number in numbers]
def output_fn(predictions, accept):
    return ",".join(map(str, predictions)) + os.environ.get("TAIL", ""), accept
"""
HELPER = "def times(a, b): return a * b"


def packed(**files: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name.replace("_py", ".py").replace("__", "/"))
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


@pytest.fixture
def create_model(
    *, client: Client, name: str, role_arn: str, image: str, put: Callable[..., str]
) -> Callable[..., None]:
    """Create the test's model: its artifact, and the inference script beside it."""

    def create(script: str | None = SCRIPT, artifact: bytes | None = None, **env: str) -> None:
        if script:
            source = put("source.tar.gz", packed(serve_py=script, helper_py=HELPER))
            env |= {"SAGEMAKER_PROGRAM": "serve.py", "SAGEMAKER_SUBMIT_DIRECTORY": source}
        container = {
            "Image": image,
            "ModelDataUrl": put("model.tar.gz", artifact or packed(factor="10")),
            "Environment": env,
        }
        client("sagemaker").create_model(
            ModelName=name, PrimaryContainer=container, ExecutionRoleArn=role_arn
        )

    return create


@pytest.fixture
def request_for(name: str, bucket: str) -> Callable[..., Json]:
    """Return a request for a transform job of the test's model on what lies below ``in/``."""

    def request(given: Json | None = None, wanted: Json | None = None, **fields: Any) -> Json:
        source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/{name}/in/"}
        return {
            "TransformJobName": name,
            "ModelName": name,
            "TransformInput": {
                "DataSource": {"S3DataSource": source},
                "ContentType": "text/csv",
                "SplitType": "Line",
                **(given or {}),
            },
            "TransformOutput": {
                "S3OutputPath": f"s3://{bucket}/{name}/out/",
                "Accept": "text/csv",
                "AssembleWith": "Line",
                **(wanted or {}),
            },
            "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
            **fields,
        }

    return request


@pytest.fixture
def finished(client: Client, waiting: Json) -> Callable[[Json], Json]:
    """Create a transform job, wait for its end with boto3's waiter, and describe it."""

    def finish(request: Json) -> Json:
        sagemaker = client("sagemaker")
        sagemaker.create_transform_job(**request)
        name = request["TransformJobName"]
        waiter = sagemaker.get_waiter("transform_job_completed_or_stopped")
        with suppress(WaiterError):  # a failed job, which the test itself looks at
            waiter.wait(TransformJobName=name, WaiterConfig=waiting)
        return dict(sagemaker.describe_transform_job(TransformJobName=name))

    return finish


@pytest.fixture
def outputs(
    keys: Callable[[], list[str]], read: Callable[[str], bytes], bucket: str, name: str
) -> Callable[[], dict[str, str]]:
    """Return what the job left, by name."""

    def outputs() -> dict[str, str]:
        return {
            key.removeprefix("out/"): read(f"s3://{bucket}/{name}/{key}").decode()
            for key in keys()
            if key.startswith("out/")
        }

    return outputs


def test_each_object_has_its_predictions(
    *,
    create_model: Callable[..., None],
    request_for: Callable[..., Json],
    finished: Callable[[Json], Json],
    put: Callable[..., str],
    outputs: Callable[[], dict[str, str]],
    messages: Callable[..., list[str]],
    name: str,
) -> None:
    create_model()
    put("in/a.csv", "1\n2\n3\n")
    put("in/more/b.csv", "4\n")

    job = finished(request_for())

    assert job["TransformJobStatus"] == "Completed", job.get("FailureReason")
    assert job["CreationTime"] <= job["TransformStartTime"] <= job["TransformEndTime"]
    assert outputs() == {"a.csv.out": "10,20,30\n", "more/b.csv.out": "40\n"}
    assert "transformed more/b.csv" in messages("/aws/sagemaker/TransformJobs", f"{name}/")


@pytest.mark.parametrize(
    ("strategy", "split", "assemble", "answer"),
    [
        ("SingleRecord", "Line", "Line", "10\n20\n"),
        ("SingleRecord", "Line", "None", "1020"),
        ("MultiRecord", "Line", "None", "10,20"),
        ("SingleRecord", "None", "None", "10,20"),
    ],
)
def test_records_and_answers(
    *,
    strategy: str,
    split: str,
    assemble: str,
    answer: str,
    create_model: Callable[..., None],
    request_for: Callable[..., Json],
    finished: Callable[[Json], Json],
    put: Callable[..., str],
    outputs: Callable[[], dict[str, str]],
) -> None:
    create_model()
    put("in/a.csv", "1\n2\n")
    request = request_for({"SplitType": split}, {"AssembleWith": assemble}, BatchStrategy=strategy)
    assert finished(request)["TransformJobStatus"] == "Completed"
    assert outputs() == {"a.csv.out": answer}


def test_gzip_a_manifest_and_variables_of_both(
    *,
    create_model: Callable[..., None],
    request_for: Callable[..., Json],
    finished: Callable[[Json], Json],
    put: Callable[..., str],
    outputs: Callable[[], dict[str, str]],
    bucket: str,
    name: str,
) -> None:
    create_model(TAIL="!")
    put("in/a.csv.gz", gzip.compress(b"1\n"))
    put("in/other.csv.gz", gzip.compress(b"2\n"))
    manifest = put("manifest", f'[{{"prefix": "s3://{bucket}/{name}/in/"}}, "a.csv.gz"]')
    source = {"S3DataType": "ManifestFile", "S3Uri": manifest}
    given = {"DataSource": {"S3DataSource": source}, "CompressionType": "Gzip"}
    job = finished(request_for(given, Environment={"TAIL": "?"}))
    assert job["TransformJobStatus"] == "Completed", job.get("FailureReason")
    assert outputs() == {"a.csv.gz.out": "10?\n"}


def test_the_code_may_lie_in_the_artifact(
    *,
    create_model: Callable[..., None],
    request_for: Callable[..., Json],
    finished: Callable[[Json], Json],
    put: Callable[..., str],
    outputs: Callable[[], dict[str, str]],
) -> None:
    script = """
def model_fn(folder): return 2
def transform_fn(model, data, content_type, accept): return data * model
"""
    create_model(None, packed(code__inference_py=script))
    put("in/a.csv", "x")
    assert finished(request_for())["TransformJobStatus"] == "Completed"
    assert outputs() == {"a.csv.out": "xx\n"}


def test_a_bad_object_fails_the_job_but_not_the_others(
    *,
    create_model: Callable[..., None],
    request_for: Callable[..., Json],
    finished: Callable[[Json], Json],
    put: Callable[..., str],
    outputs: Callable[[], dict[str, str]],
) -> None:
    create_model()
    put("in/bad.csv", "one\n")
    put("in/good.csv", "1\n")
    job = finished(request_for())
    assert job["TransformJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("AlgorithmError: ")
    assert outputs() == {"good.csv.out": "10\n"}


def test_no_input_is_a_client_error(
    *,
    create_model: Callable[..., None],
    request_for: Callable[..., Json],
    finished: Callable[[Json], Json],
) -> None:
    create_model()
    job = finished(request_for())
    assert job["TransformJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: ")


def test_stop(
    *,
    client: Client,
    create_model: Callable[..., None],
    request_for: Callable[..., Json],
    put: Callable[..., str],
    waiting: Json,
    name: str,
) -> None:
    create_model("import time\ntime.sleep(600)")
    put("in/a.csv", "1\n")
    sagemaker = client("sagemaker")
    sagemaker.create_transform_job(**request_for())
    sagemaker.stop_transform_job(TransformJobName=name)
    waiter = sagemaker.get_waiter("transform_job_completed_or_stopped")
    waiter.wait(TransformJobName=name, WaiterConfig=waiting)
    job = sagemaker.describe_transform_job(TransformJobName=name)
    assert job["TransformJobStatus"] == "Stopped"
    with pytest.raises(ClientError, match=r"ValidationException.*is in status Stopped"):
        sagemaker.stop_transform_job(TransformJobName=name)


def test_names(
    *,
    client: Client,
    create_model: Callable[..., None],
    request_for: Callable[..., Json],
    finished: Callable[[Json], Json],
    put: Callable[..., str],
    name: str,
) -> None:
    sagemaker = client("sagemaker")
    with pytest.raises(ClientError, match="Could not find model"):
        sagemaker.create_transform_job(**request_for())
    create_model()
    with pytest.raises(ClientError, match="Cannot create already existing model"):
        create_model()
    put("in/a.csv", "1\n")
    finished(request_for())
    with pytest.raises(ClientError) as error:
        sagemaker.create_transform_job(**request_for())
    assert error.value.response["Error"]["Code"] == "ResourceInUse"
    (listed,) = sagemaker.list_transform_jobs(NameContains=name)["TransformJobSummaries"]
    assert listed["TransformJobStatus"] == "Completed"
    with pytest.raises(ClientError, match="Requested resource not found"):
        sagemaker.describe_transform_job(TransformJobName=f"{name}-2")
