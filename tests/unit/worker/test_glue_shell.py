from __future__ import annotations

import json
import sys

import boto3
import pytest

from airflow_ml_provider.extract.errors import BadQuery
from airflow_ml_provider.worker import glue_shell, main, sql_extract
from airflow_ml_provider.worker.errors import StepError, StoppedError

STEP = {"step": "rates", "extract": {"shop": {"$value": "AIRFLOW_ML_VALUE_1", "type": "string"}}}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], {}),
        (["--a", "=x", "--b", "y"], {"a": "x", "b": "y"}),
        (["--a==x", "--b=y"], {"a": "x", "b": "y"}),
        (["--a", "=--b", "--b", "="], {"a": "--b", "b": ""}),
        (["--a", "=a=b", "--b", "= "], {"a": "a=b", "b": " "}),
        # What Glue adds of its own, and an option without a value.
        (["library-set", "none", "--flag", "--a", "=x", "stray"], {"a": "x"}),
    ],
)
def test_arguments(words, expected):
    assert glue_shell.arguments(words) == expected


@pytest.fixture
def start(aws, monkeypatch):
    """Run the program for the step that lies on S3; give what the extract got."""
    monkeypatch.setattr(main.signal, "signal", lambda *given: None)
    monkeypatch.setattr(main.logging, "basicConfig", lambda **given: None)
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="lake", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_object(Bucket="lake", Key="code/1/step.json", Body=json.dumps(STEP).encode())
    given = []

    def start(answer, *arguments):
        def run(work, connect):
            given.append((work, connect("s3").meta.service_model.service_name))
            if isinstance(answer, BaseException):
                raise answer
            return answer

        monkeypatch.setattr(sql_extract, "run", run)
        uri = "s3://lake/code/1/step.json"
        monkeypatch.setattr(sys, "argv", ["run.py", "--airflow-ml-step", uri, *arguments])
        glue_shell.main()
        return given

    return start


def test_the_step_on_s3_gets_the_values_of_the_arguments(start):
    assert start("3 rows", "--AIRFLOW_ML_VALUE_1", "=it's") == [({"shop": "it's"}, "s3")]


def test_a_failure_is_one_line_of_an_exception(start):
    with pytest.raises(StepError, match=r"^step 'rates': BadQuery: no such table: rates$"):
        start(BadQuery("no such\n  table: rates"), "--AIRFLOW_ML_VALUE_1", "=x")


def test_a_missing_value_is_named(start):
    with pytest.raises(StepError, match="variable AIRFLOW_ML_VALUE_1 is missing"):
        start("3 rows")


def test_a_stopped_run_ends_by_itself(start):
    with pytest.raises(SystemExit) as caught:
        start(StoppedError(), "--AIRFLOW_ML_VALUE_1", "=x")
    assert caught.value.code == main.STOPPED


def test_a_job_without_a_step_says_so(aws, monkeypatch):
    monkeypatch.setattr(main.signal, "signal", lambda *given: None)
    monkeypatch.setattr(sys, "argv", ["run.py"])
    with pytest.raises(StepError, match="'' is no S3 address"):
        glue_shell.main()
