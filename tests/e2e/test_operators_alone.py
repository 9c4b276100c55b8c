"""Every operator and sensor in a hand-written DAG, run by Airflow against the local AWS."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest

from airflow_ml_provider.local.server import LocalAws

# Another version of Airflow may run the DAG: that of the Python that AIRFLOW_PYTHON names.
AIRFLOW_PYTHON = os.environ.get("AIRFLOW_PYTHON", sys.executable)
PROGRAM = Path(__file__).with_name("operators_alone.py")
ENVIRONMENT = {
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__DAGS_FOLDER": str(PROGRAM.with_name("alone")),
    "AIRFLOW__AIRFLOW_ML_PROVIDER__ROLE_ARN": "arn:aws:iam::123456789012:role/ml",
    "AIRFLOW__AIRFLOW_ML_PROVIDER__ROOT": "s3://lake/ml",
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@pytest.fixture
def aws(tmp_path):
    with LocalAws(state_dir=tmp_path / "aws") as aws:
        yield aws


@pytest.fixture
def client(aws):
    def make(service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=aws.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )

    return make


@pytest.fixture
def warehouse(tmp_path):
    path = tmp_path / "warehouse.db"
    with sqlite3.connect(path) as database:
        database.execute("create table flights (carrier text, delay integer)")
        database.executemany("insert into flights values (?, ?)", [("UA", 5), ("AA", 7)])
    database.close()
    return path


@pytest.mark.parametrize("deferrable", ["no", "yes"])
def test_every_operator_does_its_work(aws, client, warehouse, tmp_path, deferrable):
    client("s3").create_bucket(Bucket="lake")
    application = client("emr-serverless").create_application(
        name="spark", releaseLabel="emr-7.5.0", type="SPARK"
    )
    home = tmp_path / "airflow"
    home.mkdir()
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "AWS_"))}
    env = {
        **kept,
        **ENVIRONMENT,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW_CONN_WAREHOUSE": json.dumps({"conn_type": "sqlite", "host": str(warehouse)}),
        "AWS_ENDPOINT_URL": aws.endpoint_url,
        "DEFERRABLE": deferrable,
        "EMR_APPLICATION": application["applicationId"],
    }
    command = [AIRFLOW_PYTHON, str(PROGRAM)]

    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    tasks = json.loads(done.stdout.rpartition("TASKS ")[2].splitlines()[0])
    states = {name: task["state"] for name, task in tasks.items()}
    assert states == {**dict.fromkeys(states, "success"), "tell": "skipped"}, done.stdout[-9000:]
    assert tasks["flights"]["result"]["rows"] == 1
    assert tasks["daily"]["result"]["JobName"] == "daily"
    assert tasks["again"]["result"]["applicationId"] == application["applicationId"]
    assert tasks["gate"]["result"]["decision"] is True
    assert tasks["skill"]["result"]["value"] == 0.7
    assert tasks["approved"]["result"]["ModelApprovalStatus"] == "Approved"
    assert tasks["train"]["link"].startswith("https://us-east-1.console.aws.amazon.com/sagemaker/")
    trained = tasks["train"]["result"]
    job = client("sagemaker").describe_training_job(TrainingJobName=trained["job_id"])
    assert job["ModelArtifacts"] == trained["ModelArtifacts"]
    package = client("sagemaker").describe_model_package(
        ModelPackageName=tasks["register"]["result"]["ModelPackageArn"]
    )
    container = package["InferenceSpecification"]["Containers"][0]
    assert container["ModelDataUrl"] == trained["ModelArtifacts"]["S3ModelArtifacts"]
    assert "counted" in done.stdout
