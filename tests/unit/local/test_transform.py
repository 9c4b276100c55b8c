"""What the local AWS says of batch transforms that it can't do, and of model packages."""

from __future__ import annotations

import io
import tarfile
import time
import uuid

import boto3
import pytest

from airflow_ml_provider.local.server import LocalAws

SCRIPT = """
def model_fn(folder): return folder
def transform_fn(model, data, content_type, accept): return data.upper()
"""
ROLE = "arn:aws:iam::123456789012:role/ml"


def packed(name, text):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        info = tarfile.TarInfo(name)
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with LocalAws(state_dir=tmp_path_factory.mktemp("aws"), namespaces=False) as aws:

        def client(service):
            return boto3.client(
                service,
                endpoint_url=aws.endpoint_url,
                region_name="us-east-1",
                aws_access_key_id="local",
                aws_secret_access_key="local",
            )

        s3 = client("s3")
        s3.create_bucket(Bucket="lake")
        s3.put_object(Bucket="lake", Key="in/a.csv", Body=b"a\n")
        s3.put_object(Bucket="lake", Key="packed.tar.gz", Body=packed("code/inference.py", SCRIPT))
        s3.put_object(Bucket="lake", Key="bare.tar.gz", Body=packed("weights", "1"))
        s3.put_object(Bucket="lake", Key="plain/code/inference.py", Body=SCRIPT)
        yield client


@pytest.fixture
def run(client):
    """Run a transform job with these containers, and describe it."""
    sagemaker = client("sagemaker")
    name = f"test-{uuid.uuid4().hex}"

    def run(*containers, transform_input=None, **fields):
        single = {"PrimaryContainer": containers[0]}
        several = {"Containers": list(containers)}
        chosen = several if len(containers) > 1 else single
        sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, **chosen)
        source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://lake/in/"}}
        sagemaker.create_transform_job(
            TransformJobName=name,
            ModelName=name,
            TransformInput={
                "DataSource": source,
                "ContentType": "text/csv",
                **(transform_input or {}),
            },
            TransformOutput={"S3OutputPath": f"s3://lake/{name}"},
            TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
            **fields,
        )
        while (job := sagemaker.describe_transform_job(TransformJobName=name))[
            "TransformJobStatus"
        ] == "InProgress":
            time.sleep(0.05)
        return job

    return run


def container(archive="packed", **env):
    return {"Image": "sklearn", "ModelDataUrl": f"s3://lake/{archive}.tar.gz", "Environment": env}


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (
            container("bare"),
            "ClientError: the local AWS pulls no images, so it can't serve a model with 'sklearn'",
        ),
        (
            container(SAGEMAKER_PROGRAM="serve.py"),
            "ClientError: serve.py (SAGEMAKER_PROGRAM) is not in /opt/ml/model/code",
        ),
        (
            container(SAGEMAKER_SUBMIT_DIRECTORY="/etc"),
            "ClientError: '/etc/inference.py' is not a path below /opt/ml",
        ),
        (container("missing"), "ClientError: Failed to download model data: s3://lake/missing"),
    ],
)
def test_a_model_that_can_not_be_served(run, model, said):
    assert run(model)["FailureReason"].startswith(said)


def test_several_containers(run):
    reason = run(container(), container())["FailureReason"]
    assert reason.endswith("has 2 containers; the local AWS runs one")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"DataProcessing": {"JoinSource": "Input"}}, "has no DataProcessing"),
        ({"DataProcessing": {"OutputFilter": "$[0]"}}, "has no DataProcessing"),
        ({"transform_input": {"SplitType": "RecordIO"}}, "not by RecordIO"),
    ],
)
def test_what_it_does_not_have(run, fields, said):
    assert said in run(container(), **fields)["FailureReason"]


def test_a_model_package_and_files_that_are_not_packed(run, client):
    source = {"S3Uri": "s3://lake/plain/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    given = {"Image": "sklearn", "ModelDataSource": {"S3DataSource": source}}
    made = client("sagemaker").create_model_package(
        ModelPackageName="packed",
        InferenceSpecification={
            "Containers": [given],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
    )
    job = run({"ModelPackageName": made["ModelPackageArn"]})
    assert job["TransformJobStatus"] == "Completed", job.get("FailureReason")
