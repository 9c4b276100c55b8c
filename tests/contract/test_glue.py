"""Glue job runs, as AWS runs them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from airflow_ml_provider.pipeline.values import Code
from airflow_ml_provider.plan.code import bundle

Json = dict[str, Any]
Client = Callable[[str], Any]
ENDED = ("SUCCEEDED", "FAILED", "STOPPED", "TIMEOUT", "ERROR")


@pytest.fixture
def define(
    client: Client, put: Callable[..., str], role_arn: str, name: str
) -> Iterator[Callable[..., str]]:
    """Create a Glue job for some Python, and return its name."""

    def define(code: str, *, command: str = "pythonshell", **fields: Any) -> str:
        script = {"Name": command, "ScriptLocation": put("job.py", code), "PythonVersion": "3.9"}
        client("glue").create_job(Name=name, Role=role_arn, Command=script, **fields)
        return name

    yield define
    client("glue").delete_job(JobName=name)


@pytest.fixture
def ended(client: Client, until: Any) -> Callable[[str, str], Json]:
    """Wait for the end of a run, and describe it."""

    def ended(name: str, run_id: str) -> Json:
        def run() -> Json:
            return dict(client("glue").get_job_run(JobName=name, RunId=run_id)["JobRun"])

        until(lambda: run()["JobRunState"] in ENDED)
        return run()

    return ended


def test_python_shell(
    *,
    client: Client,
    define: Callable[..., str],
    ended: Callable[[str, str], Json],
    put: Callable[..., str],
    read: Callable[[str], bytes],
    messages: Callable[..., list[str]],
    bucket: str,
    name: str,
) -> None:
    library = put("helper.py", "VALUE = 7")
    code = """
import json, sys
import boto3, helper
from awsglue.utils import getResolvedOptions
args = getResolvedOptions(sys.argv, ["JOB_NAME", "day", "bucket", "key"])
body = json.dumps({"day": args["day"], "job": args["JOB_NAME"], "helper": helper.VALUE})
boto3.client("s3").put_object(Bucket=args["bucket"], Key=args["key"], Body=body)
print("done"); print("warned", file=sys.stderr)
"""
    define(
        code,
        DefaultArguments={"--day": "monday", "--bucket": bucket, "--extra-py-files": library},
    )
    glue = client("glue")
    given = {"--day": "2013-07-01", "--key": f"{name}/out.json"}
    run_id = glue.start_job_run(JobName=name, Arguments=given, Timeout=10)["JobRunId"]
    run = ended(name, run_id)
    assert run["JobRunState"] == "SUCCEEDED", run
    assert (run["Arguments"], run["Timeout"]) == (given, 10)
    assert run["StartedOn"] <= run["CompletedOn"]
    assert run["ExecutionTime"] >= 1
    assert run["LogGroupName"] == "/aws-glue/python-jobs"
    seen = json.loads(read(f"s3://{bucket}/{name}/out.json"))
    assert seen == {"day": "2013-07-01", "job": name, "helper": 7}
    assert "done" in messages("/aws-glue/python-jobs/output", run_id)
    assert "warned" in messages("/aws-glue/python-jobs/error", run_id)


def test_python_shell_imports_from_a_wheel(
    *,
    client: Client,
    define: Callable[..., str],
    ended: Callable[[str, str], Json],
    put: Callable[..., str],
    messages: Callable[..., list[str]],
) -> None:
    found = bundle(Code((), "wheel"), Path())
    ((address, body),) = found.objects.items()
    library = put(address.rpartition("/")[2], body)
    code = """
import sys
from airflow_ml_provider.worker.glue_shell import arguments
from airflow_ml_provider.worker import __file__ as file
print("from the wheel:", "airflow_ml_worker-" in file or "site-packages" in file)
print("got:", sorted(arguments(sys.argv[1:]).items()))
"""
    size = {"MaxCapacity": 0.0625, "ExecutionProperty": {"MaxConcurrentRuns": 2}}
    name = define(code, DefaultArguments={"library-set": "none"}, **size)
    given = {"--extra-py-files": library, "--empty": "=", "--dashes": "=--x", "--text": "=ü 'q'"}
    run_id = client("glue").start_job_run(JobName=name, Arguments=given)["JobRunId"]
    run = ended(name, run_id)
    assert run["JobRunState"] == "SUCCEEDED", run
    assert run["MaxCapacity"] == 0.0625
    log = messages("/aws-glue/python-jobs/output", run_id)
    assert "from the wheel: True" in log
    (got,) = (line for line in log if line.startswith("got:"))
    for pair in (("empty", ""), ("dashes", "--x"), ("text", "ü 'q'")):
        assert repr(pair) in got


def test_a_size_that_a_command_can_not_have(
    client: Client, define: Callable[..., str], role_arn: str, name: str
) -> None:
    glue = client("glue")
    for command, size in (
        ("pythonshell", {"MaxCapacity": 0.5}),
        ("glueetl", {"MaxCapacity": 2, "WorkerType": "G.1X", "NumberOfWorkers": 2}),
    ):
        with pytest.raises(glue.exceptions.InvalidInputException):
            define(f"print({command!r})", command=command, **size)
    define("print()", MaxCapacity=1)
    with pytest.raises(glue.exceptions.InvalidInputException):
        glue.start_job_run(JobName=name, MaxCapacity=2)
    command = glue.get_job(JobName=name)["Job"]["Command"]
    update = {"Role": role_arn, "Command": command, "MaxCapacity": 3}
    with pytest.raises(glue.exceptions.InvalidInputException):
        glue.update_job(JobName=name, JobUpdate=update)


def test_failure_message(
    *, client: Client, define: Callable[..., str], ended: Callable[[str, str], Json]
) -> None:
    name = define("raise ValueError('no rows')")
    run = ended(name, client("glue").start_job_run(JobName=name)["JobRunId"])
    assert run["JobRunState"] == "FAILED"
    assert "no rows" in run["ErrorMessage"]


def test_a_failed_run_is_retried_as_another_run(
    client: Client, define: Callable[..., str], ended: Callable[[str, str], Json], until: Any
) -> None:
    glue = client("glue")
    name = define("raise ValueError('no rows')", MaxRetries=1)
    first = ended(name, glue.start_job_run(JobName=name)["JobRunId"])
    until(lambda: len(glue.get_job_runs(JobName=name)["JobRuns"]) == 2)
    again = ended(name, glue.get_job_runs(JobName=name)["JobRuns"][0]["Id"])
    assert again["Id"] == f"{first['Id']}_attempt_1"
    assert (again["Attempt"], again["PreviousRunId"]) == (1, first["Id"])
    assert again["JobRunState"] == "FAILED"


def test_missing_script(
    *, client: Client, define: Callable[..., str], ended: Callable[[str, str], Json], bucket: str
) -> None:
    name = define("")
    given = {"--scriptLocation": f"s3://{bucket}/{name}/other.py"}
    run = ended(name, client("glue").start_job_run(JobName=name, Arguments=given)["JobRunId"])
    assert run["JobRunState"] == "FAILED"
    assert "other.py" in run["ErrorMessage"]


def test_concurrency_and_stop(
    *, client: Client, define: Callable[..., str], ended: Callable[[str, str], Json], until: Any
) -> None:
    glue = client("glue")
    name = define("import time; time.sleep(600)", ExecutionProperty={"MaxConcurrentRuns": 1})
    run_id = glue.start_job_run(JobName=name)["JobRunId"]
    with pytest.raises(glue.exceptions.ConcurrentRunsExceededException):
        glue.start_job_run(JobName=name)
    until(
        lambda: glue.get_job_run(JobName=name, RunId=run_id)["JobRun"]["JobRunState"] == "RUNNING"
    )
    answer = glue.batch_stop_job_run(JobName=name, JobRunIds=[run_id, "jr_unknown"])
    assert [item["JobRunId"] for item in answer["SuccessfulSubmissions"]] == [run_id]
    assert [item["JobRunId"] for item in answer["Errors"]] == ["jr_unknown"]
    assert ended(name, run_id)["JobRunState"] == "STOPPED"
    again = glue.batch_stop_job_run(JobName=name, JobRunIds=[run_id])
    assert not again["SuccessfulSubmissions"]
    assert again["Errors"]


def test_runs_newest_first_in_pages(
    *, client: Client, define: Callable[..., str], ended: Callable[[str, str], Json]
) -> None:
    glue = client("glue")
    name = define("print()", ExecutionProperty={"MaxConcurrentRuns": 5})
    started = [glue.start_job_run(JobName=name)["JobRunId"] for _ in range(3)]
    for run_id in started:
        ended(name, run_id)
    first = glue.get_job_runs(JobName=name, MaxResults=2)
    second = glue.get_job_runs(JobName=name, MaxResults=2, NextToken=first["NextToken"])
    assert "NextToken" not in second
    found = [run["Id"] for run in first["JobRuns"] + second["JobRuns"]]
    assert found == started[::-1]


def test_update_overwrites_the_job(
    *, client: Client, define: Callable[..., str], role_arn: str
) -> None:
    glue = client("glue")
    name = define("print()", DefaultArguments={"--day": "monday"}, Description="old")
    command = {**glue.get_job(JobName=name)["Job"]["Command"], "ScriptLocation": "s3://b/new.py"}
    update = {"Role": role_arn, "Command": command, "Timeout": 7}
    assert glue.update_job(JobName=name, JobUpdate=update)["JobName"] == name
    job = glue.get_job(JobName=name)["Job"]
    assert (job["Command"]["ScriptLocation"], job["Timeout"]) == ("s3://b/new.py", 7)
    assert not job.get("Description")
    assert not job.get("DefaultArguments")


def test_unknown_names(client: Client, name: str) -> None:
    glue = client("glue")
    for call in (
        lambda: glue.start_job_run(JobName=name),
        lambda: glue.get_job_run(JobName=name, RunId="jr_1"),
        lambda: glue.get_job_runs(JobName=name),
    ):
        with pytest.raises(glue.exceptions.EntityNotFoundException):
            call()


def test_a_bad_request(client: Client, define: Callable[..., str]) -> None:
    name = define("print()")
    with pytest.raises(ClientError, match="2 validation errors detected") as error:
        client("glue").start_job_run(JobName=name, WorkerType="Z.9X", ExecutionClass="CHEAP")
    assert error.value.response["Error"]["Code"] == "InvalidInputException"


def test_spark(
    *,
    client: Client,
    define: Callable[..., str],
    ended: Callable[[str, str], Json],
    messages: Callable[..., list[str]],
    bucket: str,
) -> None:
    code = """
import sys
from awsglue.context import GlueContext
from awsglue.utils import getResolvedOptions
from pyspark.context import SparkContext
args = getResolvedOptions(sys.argv, ["JOB_NAME", "out"])
spark = GlueContext(SparkContext.getOrCreate()).spark_session
spark.range(5).write.parquet(args["out"])
count = spark.read.parquet(args["out"]).count()
print("rows:", count, spark.conf.get("spark.sql.shuffle.partitions"))
"""
    name = define(code, command="glueetl", GlueVersion="5.0", WorkerType="G.1X", NumberOfWorkers=2)
    given = {"--out": f"s3://{bucket}/{name}/numbers", "--conf": "spark.sql.shuffle.partitions=3"}
    run_id = client("glue").start_job_run(JobName=name, Arguments=given)["JobRunId"]
    run = ended(name, run_id)
    assert run["JobRunState"] == "SUCCEEDED", run
    assert (run["WorkerType"], run["NumberOfWorkers"]) == ("G.1X", 2)
    assert "rows: 5 3" in messages("/aws-glue/jobs/output", run_id)
