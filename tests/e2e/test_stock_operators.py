"""The stock Amazon operators, unmodified, against the local AWS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from airflow_ml_provider.local.server import LocalAws

if TYPE_CHECKING:
    from collections.abc import Iterator

ROLE = "arn:aws:iam::123456789012:role/ml"
PROGRAM = Path(__file__).with_name("stock_operators.py")
Json = dict[str, Any]


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    with LocalAws(state_dir=tmp_path_factory.mktemp("aws")) as aws:
        yield aws


@pytest.fixture(scope="module")
def environment(aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    home = tmp_path_factory.mktemp("airflow")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW", "AWS_"))
    }
    env = {
        **kept,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(home),
        "AWS_ENDPOINT_URL": aws.endpoint_url,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    run([sys.executable, "-m", "airflow", "db", "migrate"], env)
    return env


def run(command: list[str], env: dict[str, str]) -> str:
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def client(aws: LocalAws, service: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=aws.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )


@pytest.fixture(params=["synchronous", "deferrable"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def requests(aws: LocalAws, mode: str) -> Json:
    s3 = client(aws, "s3")
    bucket = f"stock-{mode}"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="job.py", Body="print('hello from the job')")
    script = f"s3://{bucket}/job.py"
    source = {"S3DataType": "S3Prefix", "S3Uri": script}
    glue = f"glue-{mode}"
    command = {"Name": "pythonshell", "ScriptLocation": script}
    client(aws, "glue").create_job(Name=glue, Role=ROLE, Command=command)
    emr = client(aws, "emr-serverless")
    application = emr.create_application(name=mode, releaseLabel="emr-7.1.0", type="SPARK")
    return {
        "training": {
            "TrainingJobName": f"training-{mode}",
            "RoleArn": ROLE,
            "AlgorithmSpecification": {
                "TrainingImage": "image",
                "TrainingInputMode": "File",
                "ContainerEntrypoint": ["python3", "/opt/ml/input/data/code/job.py"],
            },
            "InputDataConfig": [{"ChannelName": "code", "DataSource": {"S3DataSource": source}}],
            "OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/out"},
            "ResourceConfig": {
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 1,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        },
        "processing": {
            "ProcessingJobName": f"processing-{mode}",
            "RoleArn": ROLE,
            "AppSpecification": {
                "ImageUri": "image",
                "ContainerEntrypoint": ["python3", "-c", "print('hello')"],
            },
            "ProcessingResources": {
                "ClusterConfig": {
                    "InstanceCount": 1,
                    "InstanceType": "ml.m5.large",
                    "VolumeSizeInGB": 1,
                }
            },
        },
        "glue": glue,
        "emr": {
            "application_id": application["applicationId"],
            "execution_role_arn": ROLE,
            "job_driver": {"sparkSubmit": {"entryPoint": script}},
        },
    }


def test_each_operator_runs_one_job(
    *, aws: LocalAws, environment: dict[str, str], requests: Json, mode: str
) -> None:
    output = run([sys.executable, str(PROGRAM), json.dumps(requests), mode], environment)

    states = json.loads(output.rpartition("STATES ")[2].splitlines()[0])
    assert states == dict.fromkeys(("training", "processing", "glue", "emr"), "success")
    sagemaker = client(aws, "sagemaker")
    training = sagemaker.describe_training_job(TrainingJobName=f"training-{mode}")
    assert training["TrainingJobStatus"] == "Completed"
    processing = sagemaker.describe_processing_job(ProcessingJobName=f"processing-{mode}")
    assert processing["ProcessingJobStatus"] == "Completed"
    glue = client(aws, "glue").get_job_runs(JobName=f"glue-{mode}")["JobRuns"]
    assert [item["JobRunState"] for item in glue] == ["SUCCEEDED"]
    emr = client(aws, "emr-serverless").list_job_runs(
        applicationId=requests["emr"]["application_id"]
    )
    assert [item["state"] for item in emr["jobRuns"]] == ["SUCCESS"]
    if mode == "synchronous":
        assert "hello from the job" in output
