"""The AWS that the contract tests talk to: the local one, or the real one.

The same tests hold for both. For the real one set ``AIRFLOW_ML_CONTRACT_ENDPOINT=aws``, and
``AIRFLOW_ML_CONTRACT_BUCKET``, ``_ROLE`` (an ARN) and ``_IMAGE`` (one with ``python3``) besides
the usual credentials.
"""

from __future__ import annotations

import os
import time
import uuid
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from airflow_ml_provider.local.server import LocalAws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Json = dict[str, Any]
REAL = os.environ.get("AIRFLOW_ML_CONTRACT_ENDPOINT") == "aws"


@pytest.fixture(scope="session")
def aws_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let boto3 and the AWS CLI reach the AWS under test."""
    if REAL:
        yield
        return
    state_dir: Path = tmp_path_factory.mktemp("local-aws")
    with LocalAws(state_dir=state_dir, max_jobs=4) as aws, pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_ENDPOINT_URL", aws.endpoint_url)
        patch.setenv("AWS_ACCESS_KEY_ID", "local")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "local")
        patch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        yield


@pytest.fixture(scope="session")
def client(aws_environment: None) -> Callable[[str], Any]:
    """Return a boto3 client of a service."""
    session = boto3.session.Session()
    clients: dict[str, Any] = {}
    return lambda service: clients.setdefault(service, session.client(service))


@pytest.fixture(scope="session")
def bucket(client: Callable[[str], Any]) -> str:
    """Return a bucket to use."""
    if REAL:
        return os.environ["AIRFLOW_ML_CONTRACT_BUCKET"]
    name = f"contract-{uuid.uuid4().hex}"
    client("s3").create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    return name


@pytest.fixture(scope="session")
def role_arn() -> str:
    """Return the role that jobs run as."""
    return os.environ["AIRFLOW_ML_CONTRACT_ROLE"] if REAL else "arn:aws:iam::123456789012:role/ml"


@pytest.fixture(scope="session")
def image() -> str:
    """Return an image that has python3."""
    return os.environ["AIRFLOW_ML_CONTRACT_IMAGE"] if REAL else "python:3"


@pytest.fixture(scope="session")
def waiting() -> Json:
    """Return how boto3's waiters poll."""
    return {"Delay": 30, "MaxAttempts": 60} if REAL else {"Delay": 0.1, "MaxAttempts": 600}


@pytest.fixture
def name() -> str:
    """Return a name that nothing has yet."""
    return f"contract-{uuid.uuid4().hex[:20]}"


@pytest.fixture
def put(client: Callable[[str], Any], bucket: str, name: str) -> Callable[[str, str | bytes], str]:
    """Store an object below this test's own prefix, and return its URI."""

    def put(key: str, content: str | bytes) -> str:
        client("s3").put_object(Bucket=bucket, Key=f"{name}/{key}", Body=content)
        return f"s3://{bucket}/{name}/{key}"

    return put


@pytest.fixture
def read(client: Callable[[str], Any]) -> Callable[[str], bytes]:
    """Return an object's content, given its URI."""

    def read(uri: str) -> bytes:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        return bytes(client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())

    return read


@pytest.fixture
def keys(client: Callable[[str], Any], bucket: str, name: str) -> Callable[[], list[str]]:
    """List the keys below this test's own prefix, without the prefix."""

    def keys() -> list[str]:
        found = client("s3").list_objects_v2(Bucket=bucket, Prefix=f"{name}/")
        return [item["Key"].removeprefix(f"{name}/") for item in found.get("Contents", ())]

    return keys


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    """Wait until something holds, or fail."""

    def until(holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + (1800 if REAL else 60)
        while not holds():
            assert time.monotonic() < deadline, "it never came true"
            time.sleep(10 if REAL else 0.05)

    return until


@pytest.fixture
def messages(client: Callable[[str], Any]) -> Callable[[str, str], list[str]]:
    """Return what lies in the streams of a log group that begin with a prefix."""

    def messages(group: str, prefix: str) -> list[str]:
        logs = client("logs")
        found = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=prefix)
        return [
            event["message"]
            for stream in found["logStreams"]
            for event in logs.get_log_events(
                logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True
            )["events"]
        ]

    return messages


@pytest.fixture
def training_request(
    name: str, bucket: str, role_arn: str, image: str, put: Callable[..., str]
) -> Callable[..., Json]:
    """Return a request for a training job that runs some Python."""

    def request(code: str, **fields: Any) -> Json:
        source = {"S3DataType": "S3Prefix", "S3Uri": put("job.py", code)}
        channel = {"ChannelName": "code", "DataSource": {"S3DataSource": source}}
        fields["InputDataConfig"] = [channel, *fields.get("InputDataConfig", ())]
        return {
            "TrainingJobName": name,
            "RoleArn": role_arn,
            "AlgorithmSpecification": {
                "TrainingImage": image,
                "TrainingInputMode": "File",
                "ContainerEntrypoint": ["python3", "/opt/ml/input/data/code/job.py"],
            },
            "OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/{name}/out"},
            "ResourceConfig": {
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 1,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            **fields,
        }

    return request


@pytest.fixture
def processing_request(
    name: str, role_arn: str, image: str, put: Callable[..., str]
) -> Callable[..., Json]:
    """Return a request for a processing job that runs some Python."""

    def request(code: str, **fields: Any) -> Json:
        source = {
            "S3Uri": put("job.py", code),
            "LocalPath": "/opt/ml/processing/input/code",
            "S3DataType": "S3Prefix",
            "S3InputMode": "File",
        }
        given = {"InputName": "code", "S3Input": source}
        fields["ProcessingInputs"] = [given, *fields.get("ProcessingInputs", ())]
        return {
            "ProcessingJobName": name,
            "RoleArn": role_arn,
            "AppSpecification": {
                "ImageUri": image,
                "ContainerEntrypoint": ["python3", "/opt/ml/processing/input/code/job.py"],
            },
            "ProcessingResources": {
                "ClusterConfig": {
                    "InstanceCount": 1,
                    "InstanceType": "ml.m5.large",
                    "VolumeSizeInGB": 1,
                }
            },
            **fields,
        }

    return request
