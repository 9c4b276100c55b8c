"""Training jobs, as AWS runs them."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

Json = dict[str, Any]
Client = Callable[[str], Any]
Make = Callable[..., Json]
FOREVER = "import time; print('up', flush=True); time.sleep(600)"


def packed(**files: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name.replace("_py", ".py"))
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


def unpacked(content: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return {m.name: tar.extractfile(m).read() for m in tar if m.isfile()}  # type: ignore[union-attr]


@pytest.fixture
def finished(client: Client, waiting: Json) -> Callable[[Json], Json]:
    """Create a training job, wait for its end with boto3's waiter, and describe it."""

    def finish(request: Json) -> Json:
        sagemaker = client("sagemaker")
        sagemaker.create_training_job(**request)
        name = request["TrainingJobName"]
        # This waiter takes Failed for an error, which the test itself looks at.
        waiter = sagemaker.get_waiter("training_job_completed_or_stopped")
        with suppress(WaiterError):
            waiter.wait(TrainingJobName=name, WaiterConfig=waiting)
        return dict(sagemaker.describe_training_job(TrainingJobName=name))

    return finish


def test_entry_point_contract(
    *,
    finished: Callable[[Json], Json],
    training_request: Make,
    put: Callable[..., str],
    read: Callable[[str], bytes],
    messages: Callable[..., list[str]],
    name: str,
) -> None:
    put("in/a.csv", "1,2")
    put("in/more/b.csv", "3,4")
    code = """
import json, os, pathlib
ml = pathlib.Path("/opt/ml")
config = {p.stem: json.loads(p.read_text()) for p in (ml / "input/config").glob("*.json")}
data = ml / "input/data/train"
seen = {str(p.relative_to(data)): p.read_text() for p in data.rglob("*.csv")}
(ml / "model/weights.json").write_text(json.dumps({"config": config, "data": seen,
    "env": {k: v for k, v in os.environ.items() if k.startswith("TRAINING_") or k == "COLOUR"}}))
(ml / "output/data/report.txt").write_text("fine")
print("validation: auc=0.5;"); print("validation: auc=0.75;")
"""
    request = training_request(
        code,
        HyperParameters={"max_depth": "6"},
        Environment={"COLOUR": "red"},
        InputDataConfig=[
            {
                "ChannelName": "train",
                "ContentType": "text/csv",
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": put("in/", "")}},
            }
        ],
    )
    request["AlgorithmSpecification"]["MetricDefinitions"] = [
        {"Name": "validation:auc", "Regex": "auc=([0-9.]+);"}
    ]

    job = finished(request)

    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Completed", "Completed")
    transitions = job["SecondaryStatusTransitions"]
    steps = [item["Status"] for item in transitions if item["Status"] != "Pending"]
    assert steps == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert len({item["StatusMessage"] for item in transitions}) == len(transitions)
    assert job["CreationTime"] <= job["TrainingStartTime"] <= job["TrainingEndTime"]
    assert job["BillableTimeInSeconds"] >= 1
    metric = job["FinalMetricDataList"][0]
    assert (metric["MetricName"], metric["Value"]) == ("validation:auc", 0.75)

    artifact = job["ModelArtifacts"]["S3ModelArtifacts"]
    assert artifact.endswith(f"/out/{name}/output/model.tar.gz")
    model = json.loads(unpacked(read(artifact))["weights.json"])
    assert model["data"] == {"a.csv": "1,2", "more/b.csv": "3,4"}
    assert model["config"]["hyperparameters"] == {"max_depth": "6"}
    assert model["config"]["inputdataconfig"]["train"]["ContentType"] == "text/csv"
    assert model["config"]["resourceconfig"]["current_host"] == "algo-1"
    assert model["env"] == {
        "COLOUR": "red",
        "TRAINING_JOB_NAME": name,
        "TRAINING_JOB_ARN": job["TrainingJobArn"],
    }
    output = artifact.replace("model.tar.gz", "output.tar.gz")
    assert unpacked(read(output))["report.txt"] == b"fine"
    assert "validation: auc=0.75;" in messages("/aws/sagemaker/TrainingJobs", f"{name}/algo-1-")


@pytest.mark.parametrize("quoted", [True, False])
def test_script_mode(
    *,
    quoted: bool,
    finished: Callable[[Json], Json],
    training_request: Make,
    put: Callable[..., str],
    read: Callable[[str], bytes],
) -> None:
    script = """
import argparse, json, os, pathlib, helper
parser = argparse.ArgumentParser()
parser.add_argument("--max_depth", type=int)
parser.add_argument("--label")
args = parser.parse_args()
pathlib.Path(os.environ["SM_MODEL_DIR"], "seen.json").write_text(json.dumps(
    {"args": vars(args), "cwd": os.getcwd(), "hp": os.environ["SM_HP_MAX_DEPTH"],
     "hps": json.loads(os.environ["SM_HPS"]), "helper": helper.VALUE}))
"""
    settings = {
        "sagemaker_program": "train.py",
        "sagemaker_submit_directory": put(
            "source.tar.gz", packed(train_py=script, helper_py="VALUE = 7")
        ),
    }
    own: Json = {"max_depth": "6", "label": "late"}
    values = {**settings, **own}
    if quoted:
        values = {k: v if v == "6" else json.dumps(v) for k, v in values.items()}
    request = training_request("", HyperParameters=values)
    del request["AlgorithmSpecification"]["ContainerEntrypoint"]

    job = finished(request)

    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    seen = json.loads(unpacked(read(job["ModelArtifacts"]["S3ModelArtifacts"]))["seen.json"])
    assert seen == {
        "args": {"max_depth": 6, "label": "late"},
        "cwd": "/opt/ml/code",
        "hp": "6",
        "hps": {"max_depth": 6, "label": "late"},
        "helper": 7,
    }


def test_failure_file_is_the_reason(
    *, finished: Callable[[Json], Json], training_request: Make, keys: Callable[[], list[str]]
) -> None:
    code = "open('/opt/ml/output/failure', 'w').write('no such column: age' + '.' * 2000); exit(3)"
    job = finished(training_request(code))
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Failed"
    assert job["FailureReason"].startswith("AlgorithmError: no such column: age")
    assert len(job["FailureReason"]) <= 1024
    assert "ModelArtifacts" not in job
    assert keys() == ["job.py"]


def test_script_failure_names_exit_code_and_error(
    *, finished: Callable[[Json], Json], training_request: Make, put: Callable[..., str]
) -> None:
    source = put("source.tar.gz", packed(train_py="raise ValueError('bad depth')"))
    settings = {"sagemaker_program": "train.py", "sagemaker_submit_directory": source}
    request = training_request("", HyperParameters=settings)
    del request["AlgorithmSpecification"]["ContainerEntrypoint"]
    reason = finished(request)["FailureReason"]
    assert reason.startswith("AlgorithmError: ExecuteUserScriptError:\nExitCode 1\nErrorMessage ")
    assert "ValueError: bad depth" in reason
    assert reason.endswith("exit code: 1")


def test_missing_input_is_a_client_error(
    *, finished: Callable[[Json], Json], training_request: Make, bucket: str, name: str
) -> None:
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/{name}/nothing"}
    channel = {"ChannelName": "train", "DataSource": {"S3DataSource": source}}
    job = finished(training_request("print()", InputDataConfig=[channel]))
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: ")
    assert f"s3://{bucket}/{name}/nothing" in job["FailureReason"]


def test_missing_output_bucket_is_a_client_error(
    *, finished: Callable[[Json], Json], training_request: Make, name: str
) -> None:
    output = {"S3OutputPath": f"s3://{name}-nowhere/out"}
    job = finished(training_request("print()", OutputDataConfig=output))
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: ")


def test_manifest_channel(
    *,
    finished: Callable[[Json], Json],
    training_request: Make,
    put: Callable[..., str],
    read: Callable[[str], bytes],
) -> None:
    first = put("data/x/a.txt", "A")
    put("data/b.txt", "B")
    put("data/c.txt", "C")
    prefix = first.removesuffix("x/a.txt")
    manifest = put("wanted.manifest", json.dumps([{"prefix": prefix}, "x/a.txt", "b.txt"]))
    source = {"S3DataType": "ManifestFile", "S3Uri": manifest}
    channel = {"ChannelName": "data", "DataSource": {"S3DataSource": source}}
    code = "import shutil; shutil.copytree('/opt/ml/input/data/data', '/opt/ml/model/seen')"
    job = finished(training_request(code, InputDataConfig=[channel]))
    seen = unpacked(read(job["ModelArtifacts"]["S3ModelArtifacts"]))
    assert seen == {"seen/x/a.txt": b"A", "seen/b.txt": b"B"}


def test_checkpoints_come_back(
    *, finished: Callable[[Json], Json], training_request: Make, put: Callable[..., str], read: Any
) -> None:
    uri = put("checkpoints/epoch", "1").removesuffix("/epoch")
    code = (
        "p = '/opt/ml/checkpoints/epoch'; n = int(open(p).read()); open(p, 'w').write(str(n + 1))"
    )
    job = finished(training_request(code, CheckpointConfig={"S3Uri": uri}))
    assert job["TrainingJobStatus"] == "Completed", job
    assert read(f"{uri}/epoch") == b"2"


def test_stop_saves_the_model(
    *, client: Client, training_request: Make, until: Any, waiting: Json, read: Any, messages: Any
) -> None:
    code = """
import pathlib, signal, sys, time
def save(*_):
    pathlib.Path("/opt/ml/model/m").write_text("saved"); sys.exit(0)
signal.signal(signal.SIGTERM, save)
print("up", flush=True)
time.sleep(600)
"""
    sagemaker = client("sagemaker")
    request = training_request(code)
    name = request["TrainingJobName"]
    sagemaker.create_training_job(**request)

    def job() -> Json:
        return dict(sagemaker.describe_training_job(TrainingJobName=name))

    until(lambda: job()["SecondaryStatus"] == "Training")
    until(lambda: "up" in messages("/aws/sagemaker/TrainingJobs", f"{name}/"))
    sagemaker.stop_training_job(TrainingJobName=name)
    assert job()["TrainingJobStatus"] in ("Stopping", "Stopped")
    waiter = sagemaker.get_waiter("training_job_completed_or_stopped")
    waiter.wait(TrainingJobName=name, WaiterConfig=waiting)
    stopped = job()
    assert (stopped["TrainingJobStatus"], stopped["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert unpacked(read(stopped["ModelArtifacts"]["S3ModelArtifacts"])) == {"m": b"saved"}
    with pytest.raises(ClientError, match=r"ValidationException.*is in status Stopped"):
        sagemaker.stop_training_job(TrainingJobName=name)


def test_max_runtime_stops_the_job(
    *, finished: Callable[[Json], Json], training_request: Make
) -> None:
    job = finished(training_request(FOREVER, StoppingCondition={"MaxRuntimeInSeconds": 1}))
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")


def test_a_name_is_used_once(
    *, client: Client, finished: Callable[[Json], Json], training_request: Make
) -> None:
    request = training_request("print()")
    finished(request)
    with pytest.raises(ClientError) as error:
        client("sagemaker").create_training_job(**request)
    assert error.value.response["Error"]["Code"] == "ResourceInUse"
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert "already exists" in str(error.value)


def test_one_of_many_at_once_gets_the_name(client: Client, training_request: Make) -> None:
    request = training_request("print()")

    def create(_: int) -> str:
        try:
            client("sagemaker").create_training_job(**request)
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return "created"

    with ThreadPoolExecutor(8) as pool:
        answers = sorted(pool.map(create, range(8)))
    assert answers == ["ResourceInUse"] * 7 + ["created"]


def test_all_problems_of_a_request_at_once(client: Client, training_request: Make) -> None:
    request = training_request(
        "print()", TrainingJobName="under_score", RoleArn="arn:not-a-role-at-all"
    )
    request["ResourceConfig"]["InstanceType"] = "ml.abacus"
    with pytest.raises(ClientError, match="3 validation errors detected") as error:
        client("sagemaker").create_training_job(**request)
    assert error.value.response["Error"]["Code"] == "ValidationException"
    message = str(error.value)
    assert "'under_score' at 'trainingJobName' failed to satisfy constraint" in message
    assert "'roleArn'" in message
    assert "'resourceConfig.instanceType'" in message


def test_an_unknown_job(client: Client, name: str) -> None:
    sagemaker = client("sagemaker")
    for call in (sagemaker.describe_training_job, sagemaker.stop_training_job):
        with pytest.raises(ClientError, match="Requested resource not found") as error:
            call(TrainingJobName=name)
        assert error.value.response["Error"]["Code"] == "ValidationException"
        assert error.value.response["ResponseMetadata"]["RequestId"]


def test_tags(client: Client, finished: Callable[[Json], Json], training_request: Make) -> None:
    tags = [{"Key": "team", "Value": "ml"}]
    arn = finished(training_request("print()", Tags=tags))["TrainingJobArn"]
    sagemaker = client("sagemaker")
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == tags
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "run", "Value": "7"}])
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["team"])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "run", "Value": "7"}]


def test_jobs_at_once_see_their_own_folders(
    *, client: Client, training_request: Make, waiting: Json, read: Any, bucket: str
) -> None:
    sagemaker = client("sagemaker")
    code = """
import os, pathlib, time
mine = pathlib.Path("/opt/ml/model/mine")
mine.write_text(os.environ["TRAINING_JOB_NAME"])
time.sleep(0.5)
assert mine.read_text() == os.environ["TRAINING_JOB_NAME"]
"""
    base = training_request(code)
    names = [f"{base['TrainingJobName']}-{n}" for n in range(3)]
    for name in names:
        sagemaker.create_training_job(**{**base, "TrainingJobName": name})
    for name in names:
        waiter = sagemaker.get_waiter("training_job_completed_or_stopped")
        waiter.wait(TrainingJobName=name, WaiterConfig=waiting)
        artifact = f"{base['OutputDataConfig']['S3OutputPath']}/{name}/output/model.tar.gz"
        assert unpacked(read(artifact)) == {"mine": name.encode()}
    listed = sagemaker.list_training_jobs(
        NameContains=base["TrainingJobName"], SortBy="Name", SortOrder="Ascending"
    )
    assert [job["TrainingJobName"] for job in listed["TrainingJobSummaries"]] == names
    pages = sagemaker.get_paginator("list_training_jobs").paginate(
        NameContains=base["TrainingJobName"],
        StatusEquals="Completed",
        LastModifiedTimeAfter=listed["TrainingJobSummaries"][0]["CreationTime"],
        PaginationConfig={"PageSize": 2},
    )
    sizes = [len(page["TrainingJobSummaries"]) for page in pages]
    assert sizes == [2, 1]
    newest = max(job["LastModifiedTime"] for job in listed["TrainingJobSummaries"])
    unchanged = sagemaker.list_training_jobs(
        NameContains=base["TrainingJobName"], LastModifiedTimeAfter=newest + timedelta(seconds=1)
    )
    assert not unchanged["TrainingJobSummaries"]
