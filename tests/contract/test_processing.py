"""Processing jobs, as AWS runs them."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

Json = dict[str, Any]
Client = Callable[[str], Any]
Make = Callable[..., Json]


@pytest.fixture
def finished(client: Client, waiting: Json) -> Callable[[Json], Json]:
    """Create a processing job, wait for its end with boto3's waiter, and describe it."""

    def finish(request: Json) -> Json:
        sagemaker = client("sagemaker")
        name = request["ProcessingJobName"]
        sagemaker.create_processing_job(**request)
        waiter = sagemaker.get_waiter("processing_job_completed_or_stopped")
        with suppress(WaiterError):
            waiter.wait(ProcessingJobName=name, WaiterConfig=waiting)
        return dict(sagemaker.describe_processing_job(ProcessingJobName=name))

    return finish


def output(uri: str, name: str = "out", mode: str = "EndOfJob") -> Json:
    path = f"/opt/ml/processing/{name}"
    return {
        "OutputName": name,
        "S3Output": {"S3Uri": uri, "LocalPath": path, "S3UploadMode": mode},
    }


def test_container_contract(
    *,
    finished: Callable[[Json], Json],
    processing_request: Make,
    put: Callable[..., str],
    read: Callable[[str], bytes],
    messages: Callable[..., list[str]],
    name: str,
    bucket: str,
) -> None:
    put("in/a.csv", "1,2")
    manifest = put("m.json", json.dumps([{"prefix": f"s3://{bucket}/{name}/in/"}, "a.csv"]))
    code = """
import json, os, pathlib, sys
ml = pathlib.Path("/opt/ml")
print("reading", flush=True)
out = ml / "processing/out/deep"
out.mkdir()
job = json.loads((ml / "config/processingjobconfig.json").read_text())
host = json.loads((ml / "config/resourceconfig.json").read_text())["current_host"]
(out / "seen.json").write_text(json.dumps({
    "args": sys.argv[1:], "colour": os.environ["COLOUR"], "host": host,
    "name": job["ProcessingJobName"], "data": (ml / "processing/input/data/a.csv").read_text(),
    "env": os.environ["PROCESSING_JOB_NAME"]}))
(ml / "output/message").write_text("3 rows dropped")
"""
    data = {
        "S3Uri": manifest,
        "LocalPath": "/opt/ml/processing/input/data",
        "S3DataType": "ManifestFile",
        "S3InputMode": "File",
    }
    target = f"s3://{bucket}/{name}/out"
    request = processing_request(
        code,
        Environment={"COLOUR": "red"},
        ProcessingInputs=[{"InputName": "data", "S3Input": data}],
        ProcessingOutputConfig={"Outputs": [output(target)]},
    )
    request["AppSpecification"]["ContainerArguments"] = ["--share", "0.2"]

    job = finished(request)

    assert job["ProcessingJobStatus"] == "Completed", job.get("FailureReason")
    assert job["ExitMessage"] == "3 rows dropped"
    assert job["ProcessingStartTime"] <= job["ProcessingEndTime"]
    assert job["Environment"] == {"COLOUR": "red"}
    assert json.loads(read(f"{target}/deep/seen.json")) == {
        "args": ["--share", "0.2"],
        "colour": "red",
        "host": "algo-1",
        "name": name,
        "data": "1,2",
        "env": name,
    }
    assert "reading" in messages("/aws/sagemaker/ProcessingJobs", f"{name}/algo-1-")


def test_failure_uploads_only_what_was_continuous(
    *,
    finished: Callable[[Json], Json],
    processing_request: Make,
    keys: Callable[[], list[str]],
    bucket: str,
    name: str,
) -> None:
    code = """
import pathlib
for name in ("out", "log"):
    pathlib.Path("/opt/ml/processing", name, "half").write_text("")
raise ValueError("no rows for 2013-02-30")
"""
    outputs = [
        output(f"s3://{bucket}/{name}/out"),
        output(f"s3://{bucket}/{name}/log", "log", "Continuous"),
    ]
    job = finished(processing_request(code, ProcessingOutputConfig={"Outputs": outputs}))
    assert job["ProcessingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("AlgorithmError: ")
    assert job["FailureReason"].endswith("exit code: 1")
    assert keys() == ["job.py", "log/half"]


def test_missing_input(
    *, finished: Callable[[Json], Json], processing_request: Make, bucket: str, name: str
) -> None:
    data = {
        "S3Uri": f"s3://{bucket}/{name}/nothing",
        "LocalPath": "/opt/ml/processing/data",
        "S3DataType": "S3Prefix",
        "S3InputMode": "File",
    }
    given = [{"InputName": "data", "S3Input": data}]
    job = finished(processing_request("print()", ProcessingInputs=given))
    assert job["ProcessingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: ")


def test_max_runtime_stops_the_job(
    finished: Callable[[Json], Json], processing_request: Make
) -> None:
    limit = {"MaxRuntimeInSeconds": 1}
    job = finished(processing_request("import time; time.sleep(600)", StoppingCondition=limit))
    assert job["ProcessingJobStatus"] == "Stopped"


def test_stop_and_list(client: Client, processing_request: Make, until: Any, waiting: Json) -> None:
    sagemaker = client("sagemaker")
    request = processing_request("import time; time.sleep(600)")
    name = request["ProcessingJobName"]
    sagemaker.create_processing_job(**request)
    with pytest.raises(ClientError, match="ResourceInUse"):
        sagemaker.create_processing_job(**request)

    def job() -> Json:
        return dict(sagemaker.describe_processing_job(ProcessingJobName=name))

    until(lambda: "ProcessingStartTime" in job())
    sagemaker.stop_processing_job(ProcessingJobName=name)
    waiter = sagemaker.get_waiter("processing_job_completed_or_stopped")
    waiter.wait(ProcessingJobName=name, WaiterConfig=waiting)
    assert job()["ProcessingJobStatus"] == "Stopped"
    listed = sagemaker.list_processing_jobs(NameContains=name, StatusEquals="Stopped")
    assert [item["ProcessingJobName"] for item in listed["ProcessingJobSummaries"]] == [name]
    assert not sagemaker.list_processing_jobs(NameContains=name, StatusEquals="Failed")[
        "ProcessingJobSummaries"
    ]
    with pytest.raises(ClientError, match="is in status Stopped"):
        sagemaker.stop_processing_job(ProcessingJobName=name)


def test_a_path_outside_the_container_is_refused(
    *, client: Client, processing_request: Make, bucket: str
) -> None:
    data = {
        "S3Uri": f"s3://{bucket}/x",
        "LocalPath": "/opt/ml/processing/../../../etc",
        "S3DataType": "S3Prefix",
        "S3InputMode": "File",
    }
    request = processing_request("", ProcessingInputs=[{"InputName": "data", "S3Input": data}])
    with pytest.raises(ClientError, match="localPath") as error:
        client("sagemaker").create_processing_job(**request)
    assert error.value.response["Error"]["Code"] == "ValidationException"
