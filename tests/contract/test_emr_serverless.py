"""EMR Serverless job runs, as AWS runs them."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

Json = dict[str, Any]
Client = Callable[[str], Any]
ENDED = ("SUCCESS", "FAILED", "CANCELLED")


@pytest.fixture
def application(client: Client, name: str) -> Iterator[str]:
    """Create a Spark application, and return its id."""
    emr = client("emr-serverless")
    app = emr.create_application(name=name, releaseLabel="emr-7.1.0", type="SPARK")
    yield app["applicationId"]
    emr.stop_application(applicationId=app["applicationId"])
    emr.delete_application(applicationId=app["applicationId"])


@pytest.fixture
def run_request(
    application: str, put: Callable[..., str], role_arn: str, name: str
) -> Callable[..., Json]:
    """Return a request for a run of some Python."""

    def request(
        code: str, *, parameters: str = "", arguments: tuple[str, ...] = (), **fields: Any
    ) -> Json:
        driver: Json = {"entryPoint": put("job.py", code), "entryPointArguments": list(arguments)}
        if parameters:
            driver["sparkSubmitParameters"] = parameters
        return {
            "applicationId": application,
            "executionRoleArn": role_arn,
            "name": name,
            "clientToken": name,
            "jobDriver": {"sparkSubmit": driver},
            **fields,
        }

    return request


@pytest.fixture
def ended(client: Client, application: str, until: Any) -> Callable[[str], Json]:
    """Wait for the end of a run, and describe it."""

    def ended(run_id: str) -> Json:
        def run() -> Json:
            emr = client("emr-serverless")
            return dict(emr.get_job_run(applicationId=application, jobRunId=run_id)["jobRun"])

        until(lambda: run()["state"] in ENDED)
        return run()

    return ended


def test_spark_run(
    *,
    client: Client,
    run_request: Callable[..., Json],
    ended: Callable[[str], Json],
    messages: Callable[..., list[str]],
    read: Callable[[str], bytes],
    application: str,
    bucket: str,
    name: str,
) -> None:
    emr = client("emr-serverless")
    assert emr.get_application(applicationId=application)["application"]["state"] == "CREATED"
    code = """
import sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
spark.range(5).write.parquet(sys.argv[1])
count = spark.read.parquet(sys.argv[1]).count()
print("rows:", count, spark.conf.get("spark.sql.shuffle.partitions"))
"""
    logs = f"s3://{bucket}/{name}/logs"
    request = run_request(
        code,
        arguments=(f"s3://{bucket}/{name}/numbers",),
        parameters="--conf spark.sql.shuffle.partitions=3 --conf spark.executor.cores=4",
        configurationOverrides={
            "monitoringConfiguration": {
                "s3MonitoringConfiguration": {"logUri": logs},
                "cloudWatchLoggingConfiguration": {"enabled": True},
            }
        },
        tags={"team": "ml"},
    )
    run_id = emr.start_job_run(**request)["jobRunId"]
    run = ended(run_id)
    assert run["state"] == "SUCCESS", run
    assert emr.get_application(applicationId=application)["application"]["state"] == "STARTED"
    assert run["tags"] == {"team": "ml"}
    assert run["createdAt"] <= run["startedAt"] <= run["endedAt"]
    assert run["totalResourceUtilization"]["vCPUHour"] > 0
    place = f"applications/{application}/jobs/{run_id}/SPARK_DRIVER"
    assert "rows: 5 3" in gzip.decompress(read(f"{logs}/{place}/stdout.gz")).decode()
    assert "rows: 5 3" in messages("/aws/emr-serverless", f"/{place}/stdout")


def test_client_token_and_failure(
    *,
    client: Client,
    run_request: Callable[..., Json],
    ended: Callable[[str], Json],
    application: str,
) -> None:
    emr = client("emr-serverless")
    request = run_request("raise ValueError('no rows')")
    run_id = emr.start_job_run(**request)["jobRunId"]
    assert emr.start_job_run(**request)["jobRunId"] == run_id
    with pytest.raises(emr.exceptions.ConflictException):
        emr.start_job_run(**{**request, "name": "another"})
    run = ended(run_id)
    assert run["state"] == "FAILED"
    assert "ValueError: no rows" in run["stateDetails"]
    listed = emr.list_job_runs(applicationId=application, states=["FAILED"])["jobRuns"]
    assert [item["id"] for item in listed] == [run_id]
    assert emr.list_job_runs(applicationId=application, states=["SUCCESS"])["jobRuns"] == []
    late = emr.list_job_runs(
        applicationId=application, createdAtAfter=run["endedAt"] + timedelta(hours=1)
    )
    assert late["jobRuns"] == []


def test_one_run_for_many_requests_at_once(
    client: Client, run_request: Callable[..., Json], ended: Callable[[str], Json], application: str
) -> None:
    emr = client("emr-serverless")
    request = run_request("print()")
    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(lambda _: emr.start_job_run(**request)["jobRunId"], range(8)))
    assert len(answers) == 1
    assert ended(answers.pop())["state"] == "SUCCESS"
    assert len(emr.list_job_runs(applicationId=application)["jobRuns"]) == 1


def test_cancel(
    *,
    client: Client,
    run_request: Callable[..., Json],
    ended: Callable[[str], Json],
    application: str,
    until: Any,
) -> None:
    emr = client("emr-serverless")
    run_id = emr.start_job_run(**run_request("import time; time.sleep(600)"))["jobRunId"]

    def state() -> str:
        run = emr.get_job_run(applicationId=application, jobRunId=run_id)["jobRun"]
        return str(run["state"])

    until(lambda: state() == "RUNNING")
    emr.cancel_job_run(applicationId=application, jobRunId=run_id)
    assert ended(run_id)["state"] == "CANCELLED"
    with pytest.raises(ClientError, match="ValidationException"):
        emr.cancel_job_run(applicationId=application, jobRunId=run_id)


def test_runs_newest_first_in_pages(
    *,
    client: Client,
    run_request: Callable[..., Json],
    ended: Callable[[str], Json],
    application: str,
) -> None:
    emr = client("emr-serverless")
    started = []
    for n in range(3):
        request = {**run_request("print()"), "clientToken": f"t{n}"}
        started.append(emr.start_job_run(**request)["jobRunId"])
    for run_id in started:
        ended(run_id)
    first = emr.list_job_runs(applicationId=application, maxResults=2)
    second = emr.list_job_runs(applicationId=application, nextToken=first["nextToken"])
    assert [run["id"] for run in first["jobRuns"] + second["jobRuns"]] == started[::-1]


def test_unknown_and_bad(
    *, client: Client, application: str, run_request: Callable[..., Json]
) -> None:
    emr = client("emr-serverless")
    with pytest.raises(emr.exceptions.ResourceNotFoundException):
        emr.get_job_run(applicationId=application, jobRunId="00none")
    with pytest.raises(emr.exceptions.ValidationException, match="2 validation errors detected"):
        emr.start_job_run(**run_request("", executionRoleArn="x" * 30, clientToken="no spaces"))
