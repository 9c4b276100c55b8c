"""What Glue and EMR Serverless are told besides the script."""

from __future__ import annotations

import pytest

from airflow_ml_provider.local import emr_serverless, glue
from airflow_ml_provider.local.emr_serverless import submit_parameters
from airflow_ml_provider.local.glue import spark_conf
from airflow_ml_provider.local.job_runs import last_exception, require_script_uri, split_list
from airflow_ml_provider.local.process import Ended
from airflow_ml_provider.local.protocol import Identity
from airflow_ml_provider.local.s3 import DataError
from airflow_ml_provider.local.store import Job, now

HERE = Identity("123456789012", "eu-central-1", "key")
ENDS = [
    Ended(0, "exited", (), 1.2),
    Ended(1, "exited", ("ValueError: bad",), 1.2),
    Ended(-15, "stopped", (), 1.2),
    Ended(-15, "timeout", (), 1.2),
]


@pytest.mark.parametrize(
    ("ended", "state", "message"),
    [
        (ENDS[0], "SUCCEEDED", None),
        (ENDS[1], "FAILED", "ValueError: bad"),
        (Ended(3, "exited", (), 1.2), "FAILED", "Command failed with exit code 3"),
        (ENDS[2], "STOPPED", None),
        (ENDS[3], "TIMEOUT", "Job run exceeded its timeout of 7 minutes"),
    ],
)
def test_how_a_glue_run_ends(ended: Ended, state: str, message: str | None) -> None:
    job = Job("glue-job-run", "jr_1", HERE, {})
    job.change(lambda _: {"Timeout": 7, "JobRunState": "RUNNING"})
    glue._finish(job, ended)
    assert (job.document["JobRunState"], job.document.get("ErrorMessage")) == (state, message)
    assert job.document["ExecutionTime"] == 2


@pytest.mark.parametrize(
    ("ended", "state", "details"),
    [
        (ENDS[0], "SUCCESS", ""),
        (ENDS[1], "FAILED", "ExitCode: 1. Last few exceptions: ValueError: bad"),
        (ENDS[2], "CANCELLED", ""),
        (ENDS[3], "CANCELLED", "Job run exceeded its timeout of 7 minutes."),
    ],
)
def test_how_an_emr_serverless_run_ends(ended: Ended, state: str, details: str) -> None:
    job = Job("emr-serverless-job-run", "001", HERE, {})
    job.change(lambda _: {"executionTimeoutMinutes": 7, "state": "RUNNING", "startedAt": now()})
    emr_serverless._finish(2, job, ended)
    assert job.document["state"] == state
    assert job.document["stateDetails"].endswith(details)
    assert job.document["totalResourceUtilization"]["vCPUHour"] > 0


def test_spark_conf() -> None:
    assert spark_conf("") == {}
    assert spark_conf("a=b --conf c=d=e") == {"a": "b", "c": "d=e"}


def test_submit_parameters() -> None:
    text = "--conf a=b --conf=c=d -c 'e=f g' --py-files s3://b/x.zip,s3://b/y.py --num-executors 3"
    assert submit_parameters(text) == (
        {"a": "b", "c": "d", "e": "f g"},
        ("s3://b/x.zip", "s3://b/y.py"),
    )


def test_split_list() -> None:
    assert split_list(None) == ()
    assert split_list(" a, b,") == ("a", "b")


def test_require_script_uri() -> None:
    assert require_script_uri("s3://b/a.py") == "s3://b/a.py"
    for bad in (None, "s3://b/a.jar", "a.py"):
        with pytest.raises(DataError):
            require_script_uri(bad)


@pytest.mark.parametrize(
    ("stderr", "said"),
    [
        ((), ""),
        (("warning", ""), "warning"),
        (
            ("Traceback (most recent call last):", "  File x", "ValueError: bad", "shutting down"),
            "ValueError: bad",
        ),
    ],
)
def test_last_exception(stderr: tuple[str, ...], said: str) -> None:
    assert last_exception(stderr) == said
